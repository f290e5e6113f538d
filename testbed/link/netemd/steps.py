"""A schedule as a sequence of changes, for a back end that can change a link only so often."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from testbed.link.layout import CERTAIN, FOREVER
from testbed.model.link import LinkSchedule, LinkState

STEP_NS = 10_000_000
FIELDS = ("delay", "rate", "loss", "state")


@dataclass(frozen=True)
class Setting:
    """What one direction does until it is changed: ns, a share from 0 to 1, bit/s (0 is unlimited)."""

    delay_ns: int
    loss: float
    rate_bps: int
    cut: bool = False


def coarsen(schedule: LinkSchedule, step_ns: int = STEP_NS) -> LinkSchedule:
    """Return the schedule with at most one change in each step of the clock.

    A change that is alone in its step keeps its time. Of those that are not, delay and loss become their
    mean over the rest of the step, rate and state those that last longest. An interpolated delay becomes
    one mean for each step.
    """
    starts = _starts(schedule, step_ns)
    bounds = np.append(starts, schedule.end_ns)
    delay, loss, rate, state = _values(schedule, bounds)
    kept = np.unique(starts // step_ns, return_index=True)[1]
    length = np.diff(bounds)
    total = np.add.reduceat(length, kept)
    piece = np.repeat(np.arange(len(kept)), np.diff(kept, append=len(starts)))
    longest = np.lexsort((length, piece))[np.append(kept[1:], len(starts)) - 1]
    return LinkSchedule(
        t_ns=starts[kept],
        delay_ns=np.rint(np.add.reduceat(delay * length, kept) / total).astype(np.int64),
        loss=np.clip(np.add.reduceat(loss * length, kept) / total, 0.0, 1.0),
        rate_bps=rate[longest],
        state=state[longest],
        end_ns=schedule.end_ns,
        repeat=schedule.repeat,
        queue=schedule.queue,
    )


def _starts(schedule: LinkSchedule, step_ns: int) -> NDArray[np.int64]:
    """Return the segments' starts, the ends of steps with several, and of an interpolated one each step."""
    cell, count = np.unique(schedule.t_ns // step_ns, return_counts=True)
    ends = (cell[count > 1] + 1) * step_ns
    if schedule.interpolate:
        ends = np.arange(0, schedule.end_ns, step_ns, dtype=np.int64)
    return np.union1d(schedule.t_ns, ends[ends < schedule.end_ns])


def _values(
    schedule: LinkSchedule, bounds: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return delay (its mean), loss, rate and state between each two bounds."""
    i = np.searchsorted(schedule.t_ns, bounds[:-1], side="right") - 1
    delay = schedule.delay_ns[i].astype(np.float64)
    if schedule.interpolate:
        after_last = schedule.delay_ns[0 if schedule.repeat else -1]
        at = np.append(schedule.t_ns, schedule.end_ns)
        line = np.interp(bounds, at, np.append(schedule.delay_ns, after_last))
        delay = (line[:-1] + line[1:]) / 2
    return delay, schedule.loss[i], schedule.rate_bps[i], schedule.state[i]


class Steps:
    """Plays a schedule's changes, and live ones over them, in a clock that it is told.

    Before the start the first segment's delay and rate hold; nothing is lost and nothing is cut.
    """

    def __init__(self, schedule: LinkSchedule, step_ns: int = STEP_NS) -> None:
        self._schedule = coarsen(schedule, step_ns)
        self._start_ns = FOREVER
        self._live: dict[str, tuple[int, int]] = {}  # value, until

    def start(self, at_ns: int) -> None:
        """Play from this instant."""
        self._start_ns = at_ns

    def change(self, field: str, value: int, until_ns: int) -> None:
        """Replace a field of the schedule until then; loss is in 2^-32 as linkd's messages have it."""
        self._live[field] = value, until_ns

    def at(self, now_ns: int) -> Setting:
        """Return what holds now."""
        setting = self._planned(now_ns)
        live = {field: value for field, (value, until) in self._live.items() if now_ns < until}
        if "loss" in live:
            setting = replace(setting, loss=live["loss"] / CERTAIN)
        return replace(
            setting,
            delay_ns=live.get("delay", setting.delay_ns),
            rate_bps=live.get("rate", setting.rate_bps),
            cut=live.get("state", LinkState.CUT if setting.cut else LinkState.PASS) == LinkState.CUT,
        )

    def next_ns(self, now_ns: int) -> int:
        """Return when something changes after now; FOREVER: never."""
        ends = [until for _, until in self._live.values() if until > now_ns]
        return min([*ends, self._planned_next(now_ns)])

    def _planned(self, now_ns: int) -> Setting:
        s = self._schedule
        if now_ns < self._start_ns:
            return Setting(int(s.delay_ns[0]), 0.0, int(s.rate_bps[0]))
        i = self._index(now_ns)
        return Setting(int(s.delay_ns[i]), float(s.loss[i]), int(s.rate_bps[i]), s.state[i] == LinkState.CUT)

    def _planned_next(self, now_ns: int) -> int:
        s = self._schedule
        if now_ns < self._start_ns:
            return self._start_ns
        t_ns, i = now_ns - self._start_ns, self._index(now_ns) + 1
        lap = self._start_ns + (t_ns - t_ns % s.end_ns if s.repeat else 0)
        if i < len(s.t_ns):
            return lap + int(s.t_ns[i])
        return lap + s.end_ns if s.repeat and len(s.t_ns) > 1 else FOREVER

    def _index(self, now_ns: int) -> int:
        s = self._schedule
        t_ns = now_ns - self._start_ns
        return int(np.searchsorted(s.t_ns, t_ns % s.end_ns if s.repeat else t_ns, side="right")) - 1
