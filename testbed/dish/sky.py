"""What the emulated link does to a dish's own pings to its PoP, from the schedules that it plays; pure."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.model.link import LinkSchedule, LinkState

Times = NDArray[np.int64]
PING_EVERY_NS = 20 * 10**6


class Pings(NamedTuple):
    """The share of pings lost in some time, and the mean round trip of those that came back; None: none did."""

    drop: float
    latency_ms: float | None


class Darkness(NamedTuple):
    """A time in which no ping comes back: the link is ``cut``, or holds or loses all."""

    start_ns: int
    end_ns: int
    cut: bool


class Sky:
    """The two directions of a link since the run's start; before it, its first values without loss or outage."""

    def __init__(self, up: LinkSchedule, down: LinkSchedule) -> None:
        self._up, self._down = up, down
        self.darkness = _darkness(up, down)

    def pings(self, begin_ns: int, end_ns: int) -> Pings:
        """Return what became of the pings of a time."""
        t_ns = np.arange(begin_ns, max(end_ns, begin_ns + 1), PING_EVERY_NS, dtype=np.int64)
        out_ns = _delay(self._up, t_ns)
        rtt_ns = out_ns + _delay(self._down, t_ns + out_ns)
        back = np.where(t_ns < 0, 1.0, _passing(self._up, t_ns) * _passing(self._down, t_ns))
        came = float(back.sum())
        latency_ms = float((rtt_ns * back).sum() / came / 1e6) if came > 0 else None
        return Pings(1 - came / len(t_ns), latency_ms)


def _folded(schedule: LinkSchedule, t_ns: Times) -> Times:
    return np.maximum(t_ns % schedule.end_ns if schedule.repeat else t_ns, 0)


def _segment(schedule: LinkSchedule, t_ns: Times) -> NDArray[np.intp]:
    return np.searchsorted(schedule.t_ns, _folded(schedule, t_ns), side="right") - 1


def _delay(schedule: LinkSchedule, t_ns: Times) -> Times:
    if schedule.interpolate:
        delays = np.interp(_folded(schedule, t_ns), schedule.t_ns, schedule.delay_ns)
        return np.asarray(delays, np.int64)
    return schedule.delay_ns[_segment(schedule, t_ns)]


def _passing(schedule: LinkSchedule, t_ns: Times) -> NDArray[np.float64]:
    """Return the probability that a packet of each time comes through."""
    at = _segment(schedule, t_ns)
    return np.where(schedule.state[at] == LinkState.PASS, 1 - schedule.loss[at], 0.0)


def _darkness(up: LinkSchedule, down: LinkSchedule) -> tuple[Darkness, ...]:
    """Return when a direction lets nothing through; of schedules that do not repeat, as a run's do not."""
    end_ns = max(up.end_ns, down.end_ns)
    t_ns = np.union1d(up.t_ns, down.t_ns)
    dark = _passing(up, t_ns) * _passing(down, t_ns) == 0
    cut = np.zeros(len(t_ns), np.bool_)
    for schedule in (up, down):
        cut |= schedule.state[_segment(schedule, t_ns)] == LinkState.CUT
    edges = np.flatnonzero(np.diff(np.concatenate(([False], dark, [False])).astype(np.int8)))
    times = np.append(t_ns, end_ns)
    return tuple(
        Darkness(int(times[first]), int(times[last]), bool(cut[first:last].any()))
        for first, last in zip(edges[::2], edges[1::2], strict=True)
    )
