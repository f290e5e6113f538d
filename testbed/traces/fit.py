"""A profile from a recording: its distribution, levels and steps, gaps, losses and outages, in the generator's terms.

The RTT's quantiles and its step at boundaries are read off as they are, and the generator keeps both (spread.py).
Shares of the variance are read off normal scores. Lengths are counted in probes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.model.trace import FRAMES, EventKind, Series, SeriesName, Trace, TraceEvent
from testbed.traces import fit_handover, likeness
from testbed.traces.fit_handover import stretches
from testbed.traces.handover import Handovers, gaps_of, handovers
from testbed.traces.losses import LossRuns, loss_runs
from testbed.traces.profile import (
    Bursts,
    Outage,
    Profile,
    RateModel,
    RateQuantiles,
    Spell,
    Spread,
)
from testbed.traces.round_trips import round_trips
from testbed.traces.slots import SLOT_NS, first_boundary
from testbed.traces.spread import scores_of
from testbed.traces.waits import waits
from testbed.units import format_duration, format_share

Int = NDArray[np.int64]
Floats = NDArray[np.float64]
_LEVEL_EVERY_NS = 5 * 10**9  # of a path without slots
_FEWEST = 100
_FEWEST_A_LEVEL = 20  # probes
_FEWEST_BOUNDARIES = 4
_MOST_LOST = 0.5
_STEP_NS = 10_000
_OUTAGE_NS = 10**9
"""Nothing for this long is an outage, not a burst; gaps at handovers are shorter."""
_PERCENT = np.linspace(0, 100, 201)
_TAIL = np.linspace(99.55, 99.95, 9)
_CLOCK_CLEAR = 1.3
_OTHER_PHASES_NS = (5 * 10**9, 75 * 10**8, 10 * 10**9)


def fit(trace: Trace) -> Profile:
    """Return a profile whose synthesis has this trace's statistics. Raises InputError for too little of it.

    RTTs have the recording's quantiles and steps; gaps, losses and outages its lengths and numbers, outages by the
    causes that the trace has marked. Without round trips the sum of the one-way delays is taken. Where the trace has a
    clock its boundaries are known; they count where steps at them are larger than between them.
    """
    probes = _enough(trace)
    cycle = handovers(trace)
    phase = boundary(trace, probes, cycle)
    source = f"fit on {trace.name} ({format_duration(trace.duration_ns)})"
    cadence = _cadence(trace, probes)
    runs = loss_runs(probes)
    # In probes, not in time: a prober that waits sends nothing for a while behind a loss.
    runs = replace(runs, lasted_ns=runs.length * cadence)
    gaps = gaps_of(runs, phase) if phase is not None else np.zeros(len(runs.length), np.bool_)
    absent = _absent(trace, runs, gaps)
    probed_ns = len(probes) * cadence
    return Profile(
        about=source,
        cadence=cadence,
        spread=_spread(probes, cadence, phase, source),
        rate=_rate(trace, source),
        handover=None if phase is None else fit_handover.handover(trace, probes, runs, gaps, phase, source),
        bursts=_bursts(runs, ~gaps & ~absent, probed_ns, source),
        outages=_outages(trace, runs, absent, probed_ns, source),
        name=trace.name,
    )


def _enough(trace: Trace) -> Series:
    """Return the round trips. Raises InputError where they cannot carry a profile."""
    probes = round_trips(trace)
    if probes is None or (~probes.lost).sum() < _FEWEST:
        expected = f"fit on a recording with {_FEWEST} or more"
        raise InputError(trace.name, "too few round-trip probes", expected)
    if probes.lost.mean() > _MOST_LOST:
        found = (
            f"{format_share(float(probes.lost.mean()))} of its probes are lost: what answered is not the path"
        )
        raise InputError(trace.name, found, "cut the part out that was connected (trace cut)")
    return probes


def _cadence(trace: Trace, probes: Series) -> int:
    """Return the distance of probes, rounded; behind an answer, where the prober waits for answers."""
    found = waits(trace)
    exact = found.cadence_ns if found else probes.cadence_ns
    unit = 10**6 if exact >= 10**7 else 10**5
    return max(1, round(exact / unit)) * unit


def boundary(trace: Trace, probes: Series, cycle: Handovers | None) -> int | None:
    """Return the first boundary of a trace with slots: as the data show it, else by its clock; None without slots."""
    if cycle is not None and cycle.clear:
        return cycle.phase_ns
    known = first_boundary(trace.provenance)
    if known is None:
        return None
    at = likeness.steps(probes, known)
    between = [likeness.step(probes, known + away) or 0 for away in _OTHER_PHASES_NS]
    if len(at) < _FEWEST_BOUNDARIES or float(np.median(at)) <= _CLOCK_CLEAR * max(between):
        return None
    return known


def _spread(probes: Series, cadence: int, phase: int | None, source: str) -> Spread:
    """Return the distribution of the RTT, and how it is made of levels and of what happens inside them."""
    kept = ~probes.lost
    t, value = probes.t_ns[kept], probes.value[kept]
    every = max(_LEVEL_EVERY_NS, _FEWEST_A_LEVEL * cadence) if phase is None else SLOT_NS
    slot = (t - (phase or 0)) // every
    scores = scores_of(value)
    means, within = _parted(scores, slot)
    alike = _autocorrelation(within, slot)
    between = float(np.clip(np.var(means[slot - slot[0]]) / max(np.var(scores), 1e-9), 0, 0.99))
    drift = float(np.clip(alike[0], 0, 0.99)) if len(alike) else 0.0
    half = np.flatnonzero(alike <= drift / 2)
    lag = int(half[0]) + 1 if len(half) else max(1, len(alike))
    rounded = np.maximum(_STEP_NS, (np.percentile(value, [*_PERCENT, *_TAIL]) / _STEP_NS).round() * _STEP_NS)
    in_order = np.maximum.accumulate(rounded.astype(np.int64)[np.argsort([*_PERCENT, *_TAIL])]).tolist()
    step = likeness.step(probes, phase or 0)
    return Spread(
        every=every,
        rtt=(*in_order[:200], in_order[-1]),
        tail=tuple(in_order[200:-1]),
        between=between,
        step=_medians_step(value, slot) if step is None else step,
        drift=drift,
        correlation=int(np.clip(2 * lag * cadence, 2 * cadence, every)),
        source=source,
    )


def _parted(scores: Floats, slot: Int) -> tuple[Floats, Floats]:
    """Return the mean score of each slot (0 where there is none), and the scores less it."""
    at = slot - slot[0]
    count = np.bincount(at)
    means = np.bincount(at, scores) / np.maximum(count, 1)
    return means, scores - means[at]


def _autocorrelation(within: Floats, slot: Int) -> Floats:
    """Return the correlation of scores inside slots, 1, 2 ... probes apart, until it has halved."""
    variance = max(float(np.mean(within**2)), 1e-9)
    found = []
    for lag in range(1, min(400, len(within) // 2)):
        same = slot[lag:] == slot[:-lag]
        if not same.any():
            break
        found.append(float(np.mean((within[lag:] * within[:-lag])[same])) / variance)
        if found[-1] <= found[0] / 2:
            break
    return np.array(found)


def _medians_step(value: Int, slot: Int) -> int:
    medians = [float(np.median(mine)) for mine in np.split(value, np.flatnonzero(np.diff(slot)) + 1)]
    return round(float(np.median(np.abs(np.diff(medians))))) if len(medians) > 1 else 0


def _absent(trace: Trace, runs: LossRuns, gaps: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which runs of losses belong to an outage: long ones, and those that a marked outage explains."""
    absent = runs.lasted_ns >= _OUTAGE_NS
    for event in _marked(trace):
        absent |= _inside(runs, event)
    return np.asarray(absent & ~gaps, np.bool_)


def _inside(runs: LossRuns, event: TraceEvent) -> NDArray[np.bool_]:
    before_its_end = runs.begin_ns < event.t_ns + event.duration_ns
    return np.asarray(before_its_end & (runs.begin_ns + runs.lasted_ns > event.t_ns), np.bool_)


def _marked(trace: Trace) -> list[TraceEvent]:
    return [event for event in trace.events if event.kind is EventKind.OUTAGE and event.duration_ns]


def _outages(
    trace: Trace, runs: LossRuns, absent: NDArray[np.bool_], probed_ns: int, source: str
) -> tuple[Outage, ...]:
    """Return outages by cause as marked, with what was lost in each; long runs of losses that no mark explains."""
    found: dict[str, list[Spell]] = {}
    unexplained = absent.copy()
    for event in _marked(trace):
        mine = _inside(runs, event) & unexplained
        unexplained &= ~mine
        lost = int(runs.lasted_ns[mine].sum())
        found.setdefault(event.cause, []).append(Spell(event.duration_ns, 1, lost))
    every_ns = trace.duration_ns
    if unexplained.any():
        found.setdefault("UNANSWERED", []).extend(stretches(runs.lasted_ns[unexplained]))
        every_ns = probed_ns if not _marked(trace) else every_ns
    return tuple(_outage(cause, found[cause], every_ns, source) for cause in sorted(found))


def _outage(cause: str, recorded: list[Spell], every_ns: int, source: str) -> Outage:
    lasted = [one.lasted for one in recorded for _ in range(one.times)]
    return Outage(
        cause, every_ns // len(lasted), int(np.median(lasted)), max(lasted), source, recorded=tuple(recorded)
    )


def _bursts(runs: LossRuns, other: NDArray[np.bool_], probed_ns: int, source: str) -> Bursts | None:
    lengths = runs.length[other]
    if not len(lengths):
        return None
    return Bursts(
        every=probed_ns // len(lengths),
        single=float((lengths == 1).mean()),
        longest=int(runs.lasted_ns[other].max()),
        source=source,
        runs=stretches(runs.lasted_ns[other]),
    )


def _memory(values: Floats) -> float:
    if len(values) < 4 or values.std() == 0:
        return 0.0
    return round(float(np.clip(np.corrcoef(values[1:], values[:-1])[0, 1], 0, 0.95)), 2)


def _rate(trace: Trace, source: str) -> RateModel | None:
    found, memory = {}, []
    for name in (SeriesName.DOWN_RATE, SeriesName.UP_RATE):
        series = trace.series.get(name)
        if series is None or not len(series):
            return None
        low, half, high = (max(1000, round(float(v))) for v in np.percentile(series.value, [5, 50, 95]))
        found[name] = RateQuantiles(low, half, high, trace.framing.get(name, FRAMES).layer)
        memory.append(_memory(series.value.astype(np.float64)))
    every = max(10**9, trace.series[SeriesName.DOWN_RATE].cadence_ns)
    return RateModel(
        every, round(sum(memory) / 2, 2), found[SeriesName.DOWN_RATE], found[SeriesName.UP_RATE], source
    )
