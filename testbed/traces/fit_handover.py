"""What happens at a recording's boundaries: gaps, and the queue or spike behind them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Series, Trace
from testbed.traces.losses import LossRuns
from testbed.traces.profile import DurationQuantiles, Handover, Spell
from testbed.traces.slots import SLOT_NS

Int = NDArray[np.int64]
_STEP_NS = 10_000
_NEAR_NS = 750 * 10**6
_BY_CHANCE = 0.2
"""A boundary has a spike where its highest RTT is one that as many probes elsewhere have with this chance."""
_FEWEST_SPIKES = 3


def handover(
    trace: Trace, probes: Series, runs: LossRuns, gaps: NDArray[np.bool_], phase: int, source: str
) -> Handover:
    """Return how often a boundary has a gap, how long, and the RTT behind it; a spike alone is a gap of 0.

    ``gaps`` says which runs of losses are those of boundaries; ``phase`` is the first boundary.
    """
    lengths = runs.lasted_ns[gaps]
    boundaries = np.arange(phase, trace.duration_ns, SLOT_NS)
    spikes = _spikes(probes, boundaries, runs.begin_ns[gaps])
    lasted = np.concatenate((lengths, np.zeros(len(spikes), np.int64)))
    ends = np.concatenate((runs.begin_ns[gaps] + lengths, probes.t_ns[spikes]))
    level = float(np.median(probes.value[~probes.lost]))
    first = np.concatenate((runs.next_value[gaps & (runs.next_value > 0)], probes.value[spikes]))
    peak = max(0, round(float(np.median(first)) - level)) if len(first) else 0
    return Handover(
        lead=_lead(runs.begin_ns[gaps], phase),
        share=min(1.0, len(lasted) / max(1, len(boundaries))),
        gap=_durations(lengths),
        peak=peak,
        settle=_settle(probes, ends, level, peak),
        source=source,
        gaps=stretches(lasted),
    )


def _spikes(probes: Series, boundaries: Int, gaps_begin_ns: Int) -> Int:
    """Return the index of the highest RTT near each boundary that has a spike and no gap; none where few have one."""
    answered = np.flatnonzero(~probes.lost)
    t, ordered = probes.t_ns[answered], np.sort(probes.value[answered])
    found, free = [], 0
    for at in boundaries:
        if np.any(np.abs(gaps_begin_ns - at) <= SLOT_NS // 2):
            continue
        free += 1
        near = answered[np.searchsorted(t, at - _NEAR_NS) : np.searchsorted(t, at + _NEAR_NS)]
        if len(near):
            highest = near[np.argmax(probes.value[near])]
            rank = int(len(ordered) * (1 - _BY_CHANCE / len(near)))
            if probes.value[highest] > ordered[rank]:
                found.append(int(highest))
    return np.array(found if len(found) >= max(_FEWEST_SPIKES, free / 2) else [], np.int64)


def _lead(begins: Int, phase: int) -> int:
    """Return how long before the boundary gaps begin (median)."""
    if not len(begins):
        return 0
    before = (phase - begins + SLOT_NS // 2) % SLOT_NS - SLOT_NS // 2
    return max(0, round(float(np.median(before))))


def stretches(lasted: Int) -> tuple[Spell, ...]:
    """Return lengths with how often each comes."""
    each, times = np.unique(lasted, return_counts=True)
    return tuple(Spell(int(one), int(count)) for one, count in zip(each, times, strict=True))


def _settle(probes: Series, ends: Int, level: float, peak: int) -> int:
    """Return the median time that the RTT takes behind a gap to come within a third of its peak."""
    times = []
    for end in ends:
        after = (probes.t_ns >= end) & (probes.t_ns < end + 10**9) & ~probes.lost
        low = np.flatnonzero(probes.value[after] < level + peak / np.e)
        if len(low):
            times.append(int(probes.t_ns[after][low[0]] - end))
    return int(np.median(times)) if times and np.median(times) > 0 else 50 * 10**6


def _durations(values: Int) -> DurationQuantiles:
    if not len(values):
        return DurationQuantiles(_STEP_NS, _STEP_NS, _STEP_NS)
    p5, p50, p95 = (
        max(_STEP_NS, round(float(v) / _STEP_NS) * _STEP_NS) for v in np.percentile(values, [5, 50, 95])
    )
    return DurationQuantiles(p5, p50, p95)
