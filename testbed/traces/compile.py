"""From a recording, or fixed values, to the schedules that a link plays.

- An RTT becomes two one-way delays, half each, unless the trace has one-way delays.
- The down direction is shifted by the up delay: a probe sent at t meets the sample of t both ways.
- A sample holds until the next one; where samples are closer than 50 ms the delay runs linearly.
- A lost probe loses packets once: runs of one or two losses go to one direction, chosen by the seed;
  longer runs to both. Where the trace knows the direction, that one.
- A rate counted above the frames (of IP, UDP or TCP payload) becomes one of frames: bits x frame / payload.
- A probe of a stop-and-wait prober that was lost counts for one cadence, not until the next one (see waits.py).
- Nothing can be sent while a trace's rate is 0: packets wait (hold). Its outages cut both directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.errors import NOWHERE, Place
from testbed.model.event import Event
from testbed.model.link import Direction, LinkSchedule, LinkState, QueueLimit
from testbed.model.trace import FRAMES, EventKind, Loss, Series, SeriesName, Trace
from testbed.model.uplink import FixedLink, Rates
from testbed.traces import playback, waits
from testbed.traces.impair import impair
from testbed.traces.round_trips import INTERPOLATE_BELOW_NS, ONE_WAY, joined_loss

BOTH_WAYS_FROM = 3
"""A run of this many lost probes is taken for an outage of the path, and loses packets both ways."""

NO_LIMIT = QueueLimit()
Int = NDArray[np.int64]


class LinkPair(NamedTuple):
    """The two directions of a link."""

    up: LinkSchedule
    down: LinkSchedule


@dataclass(frozen=True, eq=False)
class _Steps:
    """A value over time: each holds from its time on, or runs linearly to the next."""

    t_ns: Int
    value: NDArray[np.int64] | NDArray[np.float64]
    linear: bool = False

    def at(self, t_ns: Int) -> NDArray[np.float64]:
        if self.linear:
            return np.interp(t_ns, self.t_ns, self.value)
        index = np.searchsorted(self.t_ns, t_ns, "right") - 1
        return self.value[np.maximum(index, 0)].astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Way:
    """What one direction does: delay in ns, probability of loss, rate in bit/s (0: unlimited), states."""

    delay: _Steps
    loss: _Steps
    rate: _Steps
    states: tuple[tuple[int, int, LinkState], ...] = ()


def compile_link(
    source: Trace | FixedLink,
    *,
    duration_ns: int,
    seed: int,
    align: Literal["start", "slot"] = "start",
    repeat: bool = False,
    events: Sequence[Event] = (),
    rate: Rates | None = None,
    queue: QueueLimit = NO_LIMIT,
    place: Place | str = NOWHERE,
) -> LinkPair:
    """Return both directions' schedules for a scenario of ``duration_ns``.

    ``align="slot"`` starts the trace at its first handover boundary, so that boundaries fall on
    t = 0, 15, 30 ... s of the run. ``repeat`` plays it again from there (by slots: whole ones only).
    ``rate`` stands in for a trace that has none. Raises InputError at ``place`` for a trace that is
    shorter than the scenario and not repeated, or that has no slots to align.
    """
    if isinstance(source, FixedLink):
        ways = (_fixed(source), _fixed(source))
    else:
        part = playback.played(waits.as_heard(source), duration_ns, align, repeat, place)
        ways = _ways(part, seed, rate)
    up, down = (
        impair(_schedule(way, duration_ns, queue), events, direction)
        for way, direction in zip(ways, Direction, strict=True)
    )
    return LinkPair(up, down)


def _constant(value: float) -> _Steps:
    return _Steps(np.zeros(1, np.int64), np.array([value], np.float64))


def _fixed(link: FixedLink) -> _Way:
    return _Way(_constant(link.delay), _constant(link.loss), _constant(link.rate))


def _ways(trace: Trace, seed: int, rate: Rates | None) -> tuple[_Way, _Way]:
    t, up, down, loss, linear = _delays(trace)
    lost_up, lost_down = _directions(loss, np.random.Generator(np.random.PCG64(seed)))
    arrival = np.maximum.accumulate(t + up - np.arange(len(t))) + np.arange(len(t))
    cuts = tuple(
        (event.t_ns, event.t_ns + event.duration_ns, LinkState.CUT)
        for event in trace.events
        if event.kind is EventKind.OUTAGE
    )
    return (
        _Way(
            _Steps(t, up, linear),
            _losses(t, lost_up, _share(trace, SeriesName.UP_LOSS)),
            *_rate(trace, SeriesName.UP_RATE, rate, cuts),
        ),
        _Way(
            _Steps(arrival, down, linear),
            _losses(arrival, lost_down, _share(trace, SeriesName.DOWN_LOSS)),
            *_rate(trace, SeriesName.DOWN_RATE, rate, cuts),
        ),
    )


def _delays(trace: Trace) -> tuple[Int, Int, Int, NDArray[np.uint8], bool]:
    """Return probe times, up and down delays, losses, and whether delays run linearly."""
    probes = trace.probes
    if probes is None or not len(probes):
        zero = np.zeros(1, np.int64)
        return zero, zero, zero, np.zeros(1, np.uint8), False
    linear = 0 < probes.cadence_ns < INTERPOLATE_BELOW_NS
    rtt, one_way = trace.series.get(SeriesName.RTT), [trace.series.get(name) for name in ONE_WAY]
    known = [series for series in one_way if series is not None]
    if known and (rtt is None or len(known) == 2):  # a recording of one direction stands for both
        ways = [_filled(series or known[0], linear).at(probes.t_ns).astype(np.int64) for series in one_way]
        return probes.t_ns, ways[0], ways[1], joined_loss(probes, known if rtt is None else []), linear
    both = _filled(probes, linear).at(probes.t_ns).astype(np.int64)
    return probes.t_ns, both // 2, both - both // 2, probes.loss, linear


def _filled(series: Series, linear: bool) -> _Steps:
    """Return the values of the probes that came back; the others take theirs from them."""
    kept = ~series.lost
    if not kept.any():
        return _constant(0)
    return _Steps(series.t_ns[kept], series.value[kept], linear)


def _directions(
    loss: NDArray[np.uint8], chance: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which probes lose packets on the way up, and which on the way down."""
    up, down = loss == Loss.UP, loss == Loss.DOWN
    unknown = np.concatenate(([False], loss == Loss.UNKNOWN, [False]))
    edges = np.flatnonzero(np.diff(unknown.astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    upwards = chance.integers(0, 2, len(begins)) == 0
    for begin, end, to_up in zip(begins, ends, upwards, strict=True):
        both = end - begin >= BOTH_WAYS_FROM
        up[begin:end] |= both or to_up
        down[begin:end] |= both or not to_up
    return up, down


def _share(trace: Trace, name: SeriesName) -> _Steps | None:
    """Return a direction's own share of losses, else half of the two-way share."""
    own, both = (trace.series.get(one) for one in (name, SeriesName.LOSS))
    if own is not None and len(own):
        return _Steps(own.t_ns, np.minimum(own.value, 10**6) / 1e6)
    if both is not None and len(both):
        return _Steps(both.t_ns, 1 - np.sqrt(1 - np.minimum(both.value, 10**6) / 1e6))
    return None


def _losses(t_ns: Int, lost: NDArray[np.bool_], share: _Steps | None) -> _Steps:
    """Return the probability of loss: 1 where a probe was lost; the share elsewhere."""
    probes = _Steps(t_ns, lost.astype(np.float64))
    if share is None:
        return probes
    times = np.union1d(t_ns, share.t_ns)
    return _Steps(times, np.maximum(probes.at(times), share.at(times)))


def _rate(
    trace: Trace,
    name: SeriesName,
    given: Rates | None,
    cuts: tuple[tuple[int, int, LinkState], ...],
) -> tuple[_Steps, tuple[tuple[int, int, LinkState], ...]]:
    """Return a direction's rate and states; where the trace's rate is 0 packets wait."""
    series = trace.series.get(name)
    if series is None or not len(series):
        fallback = given or Rates(0, 0)
        return _constant(fallback.up if name is SeriesName.UP_RATE else fallback.down), cuts
    begins, ends = series.t_ns, np.append(series.t_ns[1:], trace.duration_ns)
    holds = tuple((int(begins[i]), int(ends[i]), LinkState.HOLD) for i in np.flatnonzero(series.value == 0))
    factor = trace.framing.get(name, FRAMES).factor
    return _Steps(series.t_ns, (series.value * factor).astype(np.float64)), holds + cuts


def _schedule(way: _Way, duration_ns: int, queue: QueueLimit) -> LinkSchedule:
    edges = np.array([edge for begin, end, _ in way.states for edge in (begin, end)], np.int64)
    edges = np.append(edges, duration_ns - 1) if way.delay.linear else edges  # the last line ends there
    times = np.unique(np.concatenate(([0], way.delay.t_ns, way.loss.t_ns, way.rate.t_ns, edges)))
    times = times[(times >= 0) & (times < duration_ns)].astype(np.int64)
    state: NDArray[np.uint8] = np.full(len(times), LinkState.PASS, np.uint8)
    for begin, end, value in sorted(way.states, key=lambda state: state[2] != LinkState.HOLD):
        first, last = np.searchsorted(times, (begin, end))
        state[first:last] = value
    delay = way.delay.at(times).round().astype(np.int64)
    loss = way.loss.at(times)
    rate = way.rate.at(times).round().astype(np.int64)
    kept = np.ones(len(times), np.bool_)
    if not way.delay.linear:  # a segment that changes nothing is left out
        changes = [
            np.diff(delay) != 0,
            np.diff(loss) != 0,
            np.diff(rate) != 0,
            state[1:] != state[:-1],
        ]
        kept[1:] = np.any(changes, axis=0)
    return LinkSchedule(
        t_ns=times[kept],
        delay_ns=delay[kept],
        loss=loss[kept],
        rate_bps=rate[kept],
        state=state[kept],
        end_ns=duration_ns,
        interpolate=way.delay.linear,
        queue=queue,
    )
