"""What a fleet leaves behind, as its metrics read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.window import Window
from testbed.model.lease import LeaseStorm

SECOND_NS = 10**9
Figures = NDArray[np.float64]
"""One figure a hub, shape (hubs,); NaN where nothing was measured."""


@dataclass(frozen=True, eq=False)
class FleetEvidence:
    """Counts by load, second and hub.

    ``columns`` holds, each of shape (loads, seconds, hubs): offered, carried (bytes), packets, arrived, lost, delay_ns
    (the sum over those that arrived), delay_ns_max, done, done_ns (objects fetched, and the sum of their times).
    ``delays`` counts packets by delay over the whole run, shape (loads, hubs, buckets), whose lower edges are
    ``edges_ns``. ``leases`` is what came of asking for one, by uplink; clients are hubs by their place in ``hubs``.
    """

    hubs: tuple[str, ...]
    users: NDArray[np.int64]
    loads: tuple[str, ...]
    columns: Mapping[str, NDArray[np.int64]]
    delays: NDArray[np.int64]
    edges_ns: NDArray[np.float64]
    leases: Mapping[str, LeaseStorm] = field(default_factory=dict)

    @property
    def whole(self) -> Window:
        return Window(0, self.columns["carried"].shape[1] * SECOND_NS)

    def total(self, column: str, load: str, window: Window) -> NDArray[np.int64]:
        """Return a column's sum over the window, shape (hubs,)."""
        return np.asarray(self.by_second(column, load, window).sum(axis=0), np.int64)

    def by_second(self, column: str, load: str, window: Window) -> NDArray[np.int64]:
        """Return a column in the window, shape (seconds, hubs)."""
        seconds = slice(window.start_ns // SECOND_NS, window.end_ns // SECOND_NS)
        return self.columns[column][self.loads.index(load), seconds]

    def per(self, figures: Figures, per: str) -> Figures:
        """Return figures of hubs divided by their users, where ``per`` says so; NaN for a hub without any."""
        return ratio(figures, self.users) if per == "user" else figures


def ratio(part: NDArray[np.int64] | Figures, of: NDArray[np.int64] | Figures) -> Figures:
    """Return part / of; NaN where of is 0: what was not asked for has no share."""
    whole = np.asarray(of, np.float64)
    shares: Figures = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return shares
