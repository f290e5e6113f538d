"""A day's course: how much of the load there is, and how much of a cell is left to the fleet, by time of day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.link import LinkSchedule
from testbed.model.quantities import Duration, Share

DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9


@dataclass(frozen=True)
class DayPoint:
    """How much there is at a time of day: of the ``load``, and of what the ``cells`` carry, which others use too."""

    at: Duration
    load: Share = 1.0
    cells: Share = 1.0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if not 0 <= self.at < DAY_NS:
            yield Problem(self.place.at("at"), f"{units.format_duration(self.at)} of a day", "write 0 h to 23.9 h")
        if self.cells <= 0:
            yield Problem(self.place.at("cells"), "nothing is left of the cells", "write an outage as an event")


@dataclass(frozen=True)
class Day:
    """Straight lines between ``points``, from the last one to the first of the next day too; the scenario ``begins``
    at a time of day."""

    points: tuple[DayPoint, ...]
    begins: Duration = 0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def shares_cells(self) -> bool:
        """Whether others use the cells at some time."""
        return any(point.cells < 1 for point in self.points)

    def load_at(self, t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how much of the load there is at times of the scenario."""
        return self._at(t_ns, [point.load for point in self.points])

    def left_of(self, cell: LinkSchedule, duration_ns: int) -> LinkSchedule:
        """Return what others leave of a cell's rates, as it is at the beginning of each minute of the scenario."""
        if not self.shares_cells:
            return cell
        t_ns = np.unique(np.concatenate([cell.t_ns, np.arange(0, duration_ns, MINUTE_NS, dtype=np.int64)]))
        of = np.searchsorted(cell.t_ns, t_ns, side="right") - 1
        rates = cell.rate_bps[of] * self._at(t_ns // MINUTE_NS * MINUTE_NS, [point.cells for point in self.points])
        return replace(
            cell, t_ns=t_ns, delay_ns=cell.delay_ns[of], loss=cell.loss[of], state=cell.state[of],
            rate_bps=np.maximum(rates, 1).astype(np.int64), end_ns=max(cell.end_ns, int(t_ns[-1]) + 1),
        )  # fmt: skip

    def _at(self, t_ns: NDArray[np.int64], shares: list[float]) -> NDArray[np.float64]:
        at = [point.at for point in self.points]
        return np.interp((t_ns + self.begins) % DAY_NS, at, shares, period=DAY_NS)

    def problems(self) -> Iterable[Problem]:
        if not self.points:
            yield Problem(self.place.at("points"), "a day without points", "write {at: 20 h, load: 100 %}")
        if any(a.at >= b.at for a, b in pairwise(self.points)):
            yield Problem(self.place.at("points"), "the points' times do not increase", "write them in order")
        if not 0 <= self.begins < DAY_NS:
            yield Problem(self.place.at("begins"), units.format_duration(self.begins), "write 0 h to 23.9 h")
