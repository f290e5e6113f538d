"""A profile from a recording: the same statistics, in the generator's terms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.model.trace import FRAMES, Series, SeriesName, Trace
from testbed.traces.handover import Handovers, gaps_of, handovers
from testbed.traces.losses import loss_runs
from testbed.traces.profile import (
    Bursts,
    DurationQuantiles,
    Handover,
    Jitter,
    Level,
    Profile,
    RateModel,
    RateQuantiles,
)
from testbed.traces.slots import SLOT_NS
from testbed.units import format_duration, format_rate, format_share

_LEVEL_EVERY_NS = 5 * 10**9  # of a path without slots
_FEWEST = 100
_STEP_NS = 10_000


def fit(trace: Trace) -> Profile:
    """Return a profile whose synthesis has this trace's statistics. Raises InputError for too little of it.

    The level of a slot is a low quantile of its RTTs, jitter what lies above it; gaps, peaks and losses
    away from boundaries are counted. Outages are not fitted: they are runs of losses.
    """
    probes = trace.probes
    if probes is None or SeriesName.RTT not in trace.series or (~probes.lost).sum() < _FEWEST:
        raise InputError(
            trace.name, "too few round-trip probes", f"fit on a recording with {_FEWEST} or more"
        )
    cycle = handovers(trace)
    slots = cycle is not None and cycle.clear
    every, phase = (SLOT_NS, cycle.phase_ns) if cycle is not None and slots else (_LEVEL_EVERY_NS, 0)
    source = f"fit on {trace.name} ({format_duration(trace.duration_ns)})"
    level, jitter = _level_and_jitter(probes, every, phase, source)
    found = _handover(probes, cycle, source) if cycle is not None and slots else None
    return Profile(
        about=source,
        cadence=max(1, round(probes.cadence_ns / 10**6)) * 10**6,
        level=level,
        jitter=jitter,
        rate=_rate(trace, source),
        handover=found,
        bursts=_bursts(trace, probes, cycle if slots else None, source),
        name=trace.name,
    )


def _level_and_jitter(probes: Series, every: int, phase: int, source: str) -> tuple[Level, Jitter]:
    kept = ~probes.lost
    t, value = probes.t_ns[kept], probes.value[kept].astype(np.float64)
    slot = (t - phase) // every
    inside = np.ones(len(t), np.bool_)
    if every == SLOT_NS:  # the queue behind a gap is the peak's, not the jitter's
        after = (t - phase) % every
        inside = (after > 10**9) & (after < every - 5 * 10**8)
    levels, above, alike = [], [], []
    for one in np.unique(slot[inside]):
        mine = value[inside & (slot == one)]
        if len(mine) >= 5:
            levels.append(float(np.percentile(mine, 5)))
            above.append(np.maximum(mine - levels[-1], _STEP_NS))
            alike.append(_correlated(mine))
    level = Level(every, _memory(np.array(levels)), _durations(np.array(levels)), source)
    correlation = int(np.clip(np.median(alike) * probes.cadence_ns, 2 * probes.cadence_ns, 10**9))
    return level, Jitter(_durations(np.concatenate(above)), correlation, source)


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


def _bursts(trace: Trace, probes: Series, cycle: Handovers | None, source: str) -> Bursts | None:
    runs = loss_runs(probes)
    other = np.ones(len(runs.length), np.bool_)
    if cycle is not None:
        away = np.abs((runs.begin_ns - cycle.phase_ns + SLOT_NS // 2) % SLOT_NS - SLOT_NS // 2)
        other = (away > 10**9) | (runs.length < 3)
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
    found = {}
    for name in (SeriesName.DOWN_RATE, SeriesName.UP_RATE):
        series = trace.series.get(name)
        if series is None or not len(series):
            return None
        low, half, high = (max(1000, round(float(v))) for v in np.percentile(series.value, [5, 50, 95]))
        found[name] = RateQuantiles(low, half, high, trace.framing.get(name, FRAMES).layer)
    every = max(10**9, trace.series[SeriesName.DOWN_RATE].cadence_ns)
    return RateModel(every, 0.5, found[SeriesName.DOWN_RATE], found[SeriesName.UP_RATE], source)


# --- as YAML


def to_yaml(profile: Profile, comment: str) -> str:
    """Return a profile as the YAML that `trace synth` reads."""
    return "\n".join([f"# {comment}", *_yaml(profile)]) + "\n"


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
    if rate := profile.rate:
        yield f"rate: {{every: {_exact(rate.every)}, memory: {rate.memory}, "
        yield f"  down: {_rates(rate.down)}, up: {_rates(rate.up)}, source: {rate.source!r}}}"


def _exact(ns: int) -> str:
    return f"{ns // 1000 / 1000:g} ms" if ns < 10**12 else f"{ns / 1e9:.6g} s"


def _spread(spread: DurationQuantiles) -> str:
    return f"{{p5: {_exact(spread.p5)}, p50: {_exact(spread.p50)}, p95: {_exact(spread.p95)}}}"


def _rates(spread: RateQuantiles) -> str:
    spread_text = (
        f"p5: {format_rate(spread.p5)}, p50: {format_rate(spread.p50)}, p95: {format_rate(spread.p95)}"
    )
    return f"{{{spread_text}, layer: {spread.layer}}}"
