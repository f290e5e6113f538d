"""A profile from a recording: the same statistics, in the generator's terms.

What is read off a recording is not what the generator needs: its probes keep order, which lengthens jitter, and
a level is hidden below the jitter. So a first reading is corrected until what is read off its synthesis equals
what was read off the recording (indirect inference: Gourieroux, Monfort and Renault, 1993).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.model.trace import FRAMES, EventKind, Loss, Series, SeriesName, Trace, TraceEvent
from testbed.traces import synth
from testbed.traces.handover import Handovers, gaps_of, handovers
from testbed.traces.losses import LossRuns, loss_runs
from testbed.traces.profile import (
    Bursts,
    DurationQuantiles,
    Handover,
    Jitter,
    Level,
    Outage,
    Profile,
    RateModel,
    RateQuantiles,
)
from testbed.traces.slots import SLOT_NS
from testbed.units import format_duration, format_rate, format_share

_LEVEL_EVERY_NS = 5 * 10**9  # of a path without slots
_FEWEST = 100
_FEWEST_A_LEVEL = 5
_STEP_NS = 10_000
_OUTAGE_NS = 10**9
"""Nothing for this long is an outage, not a burst; gaps at handovers are shorter."""
_CORRECTIONS = 5
_TRIAL_LEVELS = 240
_TRIAL_SEED = 1


def fit(trace: Trace) -> Profile:
    """Return a profile whose synthesis has this trace's statistics. Raises InputError for too little of it.

    The level of a slot is a low quantile of its RTTs, jitter what lies above it; gaps, peaks and losses
    away from boundaries are counted, outages by the causes that the trace has marked. Without round trips
    the sum of the one-way delays is taken.
    """
    probes = _round_trips(trace)
    cycle = handovers(trace)
    slots = cycle is not None and cycle.clear
    every, phase = (SLOT_NS, cycle.phase_ns) if cycle is not None and slots else (_LEVEL_EVERY_NS, 0)
    every = max(every, 4 * _FEWEST_A_LEVEL * probes.cadence_ns)
    source = f"fit on {trace.name} ({format_duration(trace.duration_ns)})"
    found = _handover(probes, cycle, source) if cycle is not None and slots else None
    level, jitter = _level_and_jitter(probes, every, phase, found is not None, source)
    runs = loss_runs(probes)
    absent = _absent(trace, runs, gaps_of(runs, cycle.phase_ns) if cycle is not None and slots else None)
    first = Profile(
        about=source,
        cadence=max(1, round(probes.cadence_ns / 10**6)) * 10**6,
        level=level,
        jitter=jitter,
        rate=_rate(trace, source),
        handover=found,
        bursts=_bursts(trace, runs, ~absent, cycle if slots else None, source),
        outages=_outages(trace, runs, absent, source),
        name=trace.name,
    )
    return _corrected(first)


def _round_trips(trace: Trace) -> Series:
    """Return the RTT probes, or the sum of both one-way delays."""
    ways = [trace.series.get(name) for name in (SeriesName.UP_DELAY, SeriesName.DOWN_DELAY)]
    probes = trace.series.get(SeriesName.RTT)
    if probes is None and ways[0] is not None and ways[1] is not None and len(ways[0]) == len(ways[1]):
        lost = np.where(ways[0].lost | ways[1].lost, Loss.UNKNOWN, Loss.NONE)
        probes = Series.of(ways[0].t_ns, ways[0].value + ways[1].value, lost)
    if probes is None or (~probes.lost).sum() < _FEWEST:
        raise InputError(
            trace.name, "too few round-trip probes", f"fit on a recording with {_FEWEST} or more"
        )
    return probes


def _corrected(first: Profile) -> Profile:
    """Return the profile whose synthesis reads as the first one says."""
    found = first
    for _ in range(_CORRECTIONS):
        trial = replace(found, rate=None, bursts=None, outages=())
        made = synth.synthesise(trial, duration_ns=_TRIAL_LEVELS * first.level.every, seed=_TRIAL_SEED)
        probes = made.series[SeriesName.RTT]
        level, jitter = _level_and_jitter(probes, first.level.every, 0, first.handover is not None, "")
        found = replace(
            found,
            level=replace(found.level, rtt=_towards(found.level.rtt, level.rtt, first.level.rtt)),
            jitter=replace(
                found.jitter, added=_towards(found.jitter.added, jitter.added, first.jitter.added)
            ),
        )
    return found


def _towards(used: DurationQuantiles, got: DurationQuantiles, wanted: DurationQuantiles) -> DurationQuantiles:
    """Return the quantiles to use next, where ``used`` gave ``got`` and ``wanted`` was meant; in order."""

    def one(of: Callable[[DurationQuantiles], int]) -> int:
        return max(_STEP_NS, round(of(used) * of(wanted) / of(got) / _STEP_NS) * _STEP_NS)

    p50 = one(lambda q: q.p50)
    return DurationQuantiles(min(one(lambda q: q.p5), p50), p50, max(one(lambda q: q.p95), p50))


def _level_and_jitter(
    probes: Series, every: int, phase: int, boundaries: bool, source: str
) -> tuple[Level, Jitter]:
    kept = ~probes.lost
    t, value = probes.t_ns[kept], probes.value[kept].astype(np.float64)
    slot = (t - phase) // every
    inside = np.ones(len(t), np.bool_)
    if boundaries:  # the queue behind a gap is the peak's, not the jitter's
        after = (t - phase) % every
        inside = (after > 10**9) & (after < every - 5 * 10**8)
    levels, above, alike = [], [], []
    for mine in _by_slot(slot[inside], value[inside]):
        if len(mine) >= _FEWEST_A_LEVEL:
            levels.append(float(np.percentile(mine, 5)))
            above.append(np.maximum(mine - levels[-1], _STEP_NS))
            alike.append(_correlated(mine))
    level = Level(every, _memory(np.array(levels)), _durations(np.array(levels)), source)
    correlation = int(np.clip(np.median(alike) * probes.cadence_ns, 2 * probes.cadence_ns, every))
    return level, Jitter(_durations(np.concatenate(above)), correlation, source)


def _by_slot(slot: NDArray[np.int64], value: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return np.split(value, np.flatnonzero(np.diff(slot)) + 1)


def _memory(levels: NDArray[np.float64]) -> float:
    if len(levels) < 4 or levels.std() == 0:
        return 0.0
    return round(float(np.clip(np.corrcoef(levels[1:], levels[:-1])[0, 1], 0, 0.95)), 2)


def _correlated(values: NDArray[np.float64]) -> int:
    """Return after how many probes half of the variation inside a slot is another one."""
    apart = values - np.median(values)
    variance = float((apart**2).mean())
    lags = range(1, min(100, len(values) // 2))
    return next((lag for lag in lags if float((apart[lag:] * apart[:-lag]).mean()) <= variance / 2), 100)


def _durations(values: NDArray[np.float64]) -> DurationQuantiles:
    p5, p50, p95 = (
        max(_STEP_NS, round(float(v) / _STEP_NS) * _STEP_NS) for v in np.percentile(values, [5, 50, 95])
    )
    return DurationQuantiles(p5, p50, p95)


def _handover(probes: Series, cycle: Handovers, source: str) -> Handover:
    runs = loss_runs(probes)
    gaps = gaps_of(runs, cycle.phase_ns)
    lengths = runs.lasted_ns[gaps].astype(np.float64)
    level = float(np.median(probes.value[~probes.lost]))
    peak = max(0, round(cycle.peak_ns - level)) if cycle.peak_ns else 0
    # The cycle's phase, where gaps tell it, is where they begin: no lead before it.
    return Handover(
        lead=0,
        share=min(1.0, len(lengths) / max(1, cycle.boundaries)),
        gap=_durations(lengths) if len(lengths) else DurationQuantiles(_STEP_NS, _STEP_NS, _STEP_NS),
        peak=peak,
        settle=_settle(probes, runs.begin_ns[gaps] + runs.lasted_ns[gaps], level, peak),
        source=source,
    )


def _settle(probes: Series, ends: NDArray[np.int64], level: float, peak: int) -> int:
    """Return the median time that the RTT takes behind a gap to come within a third of its peak."""
    times = []
    for end in ends:
        after = (probes.t_ns >= end) & (probes.t_ns < end + 10**9) & ~probes.lost
        low = np.flatnonzero(probes.value[after] < level + peak / np.e)
        if len(low):
            times.append(int(probes.t_ns[after][low[0]] - end))
    return int(np.median(times)) if times and np.median(times) > 0 else 50 * 10**6


def _absent(trace: Trace, runs: LossRuns, gaps: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Return which runs of losses belong to an outage: long ones, and those that a marked outage explains."""
    absent = runs.lasted_ns >= _OUTAGE_NS
    for event in _marked(trace):
        before_its_end = runs.begin_ns < event.t_ns + event.duration_ns
        absent |= before_its_end & (runs.begin_ns + runs.lasted_ns > event.t_ns)
    return np.asarray(absent if gaps is None else absent & ~gaps, np.bool_)


def _marked(trace: Trace) -> list[TraceEvent]:
    return [event for event in trace.events if event.kind is EventKind.OUTAGE and event.duration_ns]


def _outages(trace: Trace, runs: LossRuns, absent: NDArray[np.bool_], source: str) -> tuple[Outage, ...]:
    """Return outages by cause, as often and as long as marked; where none are, the long runs of losses."""
    lasted: dict[str, list[int]] = {}
    for event in _marked(trace):
        lasted.setdefault(event.cause, []).append(event.duration_ns)
    if not lasted and absent.any():
        lasted["UNANSWERED"] = runs.lasted_ns[absent].tolist()
    return tuple(
        Outage(cause, trace.duration_ns // len(each), int(np.median(each)), max(each), source)
        for cause, each in sorted(lasted.items())
    )


def _bursts(
    trace: Trace, runs: LossRuns, present: NDArray[np.bool_], cycle: Handovers | None, source: str
) -> Bursts | None:
    other = present.copy()
    if cycle is not None:
        away = np.abs((runs.begin_ns - cycle.phase_ns + SLOT_NS // 2) % SLOT_NS - SLOT_NS // 2)
        other &= (away > 10**9) | (runs.length < 3)
    lengths = runs.length[other]
    if not len(lengths):
        return None
    return Bursts(
        every=trace.duration_ns // len(lengths),
        single=float((lengths == 1).mean()),
        longest=int(runs.lasted_ns[other].max()),
        source=source,
    )


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


# --- as YAML


def to_yaml(profile: Profile, comment: str) -> str:
    """Return a profile as the YAML that `trace synth` reads."""
    return "\n".join(line.rstrip() for line in (f"# {comment}", *_yaml(profile))) + "\n"


def _yaml(profile: Profile) -> Iterator[str]:
    yield f"about: {profile.about!r}"
    yield f"cadence: {_exact(profile.cadence)}"
    yield f"level: {{every: {_exact(profile.level.every)}, memory: {profile.level.memory}, "
    yield f"  rtt: {_spread(profile.level.rtt)}, source: {profile.level.source!r}}}"
    yield f"jitter: {{added: {_spread(profile.jitter.added)}, correlation: {_exact(profile.jitter.correlation)}, "
    yield f"  source: {profile.jitter.source!r}}}"
    if handover := profile.handover:
        yield f"handover: {{lead: {_exact(handover.lead)}, share: {format_share(handover.share)}, "
        yield f"  gap: {_spread(handover.gap)}, peak: {_exact(handover.peak)}, "
        yield f"  settle: {_exact(handover.settle)}, source: {handover.source!r}}}"
    if bursts := profile.bursts:
        yield f"bursts: {{every: {_exact(bursts.every)}, single: {format_share(bursts.single)}, "
        yield f"  longest: {_exact(bursts.longest)}, source: {bursts.source!r}}}"
    if profile.outages:
        yield "outages:"
    for outage in profile.outages:
        yield f"  - {{cause: {outage.cause!r}, every: {_exact(outage.every)}, median: {_exact(outage.median)}, "
        yield f"    longest: {_exact(outage.longest)}, source: {outage.source!r}}}"
    if rate := profile.rate:
        yield f"rate: {{every: {_exact(rate.every)}, memory: {rate.memory}, "
        yield f"  down: {_rates(rate.down)}, up: {_rates(rate.up)}, source: {rate.source!r}}}"


def _exact(ns: int) -> str:
    if ns % 10**9 == 0:
        return f"{ns // 10**9} s"
    return f"{ns // 1000 / 1000:g} ms" if ns < 10**12 else f"{ns / 1e9:.6g} s"


def _spread(spread: DurationQuantiles) -> str:
    return f"{{p5: {_exact(spread.p5)}, p50: {_exact(spread.p50)}, p95: {_exact(spread.p95)}}}"


def _rates(spread: RateQuantiles) -> str:
    spread_text = (
        f"p5: {format_rate(spread.p5)}, p50: {format_rate(spread.p50)}, p95: {format_rate(spread.p95)}"
    )
    return f"{{{spread_text}, layer: {spread.layer}}}"
