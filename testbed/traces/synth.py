"""A synthetic trace from a profile: the structure that recordings show, repeatable by its seed.

RTT = level + jitter (+ the peak after a gap). Levels and rates are drawn from two-piece log-normal
distributions through the profile's quantiles, correlated from one to the next (AR(1) of the normal
scores). A handover steps to the next level; without handovers levels run linearly. What was fitted on a recording
has its spread in place of both (see spread.py), and its losses (see placing.py). No probe overtakes another, as on a
real path.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.model.trace import (
    FRAMINGS,
    EventKind,
    Loss,
    Origin,
    Parameter,
    Provenance,
    Series,
    SeriesName,
    Trace,
    TraceEvent,
)
from testbed.traces import placing
from testbed.traces.profile import (
    Bursts,
    DurationQuantiles,
    Handover,
    Jitter,
    Level,
    Profile,
    RateModel,
    RateQuantiles,
    Spread,
)
from testbed.traces.spread import Raised, round_trips
from testbed.units import format_duration

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
VERSION = 1
_Z95 = 1.6448536269514722
"""The normal score below which 95 % lie."""
_MOST_PROBES = 20_000_000
_RTT_STEP_NS = 10_000
"""RTTs are rounded to 10 us: finer than any tool's clock, and small on disk."""


def synthesise(profile: Profile, *, duration_ns: int, seed: int, name: str = "") -> Trace:
    """Return a trace of a profile's kind; the same arguments give the same trace on any machine.

    Its slots begin at t = 0: boundaries lie at whole multiples of the level's duration.
    Raises InputError for a duration of 0 and for more probes than memory should hold.
    """
    if not 0 < duration_ns <= _MOST_PROBES * profile.cadence:
        found = f"{format_duration(duration_ns)} of a probe every {format_duration(profile.cadence)}"
        raise InputError(profile.name, found, f"make up to {_MOST_PROBES:,} probes, and some")
    # One generator for each ingredient: a change of one does not shift the draws of the others.
    level, jitter, gap, burst, outage, rate = np.random.SeedSequence(seed).spawn(6)
    t = np.arange(0, duration_ns, profile.cadence, dtype=np.int64)
    spans, events = _outages(profile, duration_ns, np.random.default_rng(outage))
    if profile.bursts and not profile.bursts.runs:
        spans += _bursts(profile.bursts, profile.cadence, duration_ns, np.random.default_rng(burst))
    gaps: list[tuple[int, int]] = []
    if profile.handover:
        gaps = _gaps(
            profile.handover,
            profile.every,
            duration_ns,
            np.random.default_rng(gap),
        )
        spans += gaps
        events += [
            TraceEvent(at, EventKind.HANDOVER) for at in range(profile.every, duration_ns, profile.every)
        ]
    lost = np.zeros(len(t), np.bool_)
    for begin, end in spans:
        lost[np.searchsorted(t, begin) : np.searchsorted(t, end)] = True
    if profile.bursts and profile.bursts.runs:
        lost[~lost] = _scattered(profile, int((~lost).sum()), duration_ns, np.random.default_rng(burst))
    ends = [end for _, end in gaps]
    if profile.spread:
        rtt = np.zeros(len(t))
        rtt[~lost] = _recorded(profile, profile.spread, t[~lost], ends, np.random.default_rng(level))
    else:
        rtt = _drawn(profile, t, ends, np.random.default_rng(level), np.random.default_rng(jitter))
    series = {SeriesName.RTT: Series.of(t, _in_order(t, rtt), np.where(lost, Loss.UNKNOWN, Loss.NONE))}
    framing = {}
    if profile.rate:
        series |= _rates(profile.rate, duration_ns, np.random.default_rng(rate))
        ways = ((SeriesName.UP_RATE, profile.rate.up), (SeriesName.DOWN_RATE, profile.rate.down))
        framing = {name: FRAMINGS[way.layer] for name, way in ways}
    return Trace(
        name=name or profile.name,
        provenance=_provenance(profile, duration_ns, seed),
        series=series,
        duration_ns=duration_ns,
        events=tuple(sorted(events, key=lambda event: event.t_ns)),
        framing=framing,
    )


def _provenance(profile: Profile, duration_ns: int, seed: int) -> Provenance:
    made = (
        Parameter("duration", format_duration(duration_ns), "chosen"),
        Parameter("seed", str(seed), "chosen"),
    )
    return Provenance(
        kind=Origin.SYNTHETIC,
        source=f"profile {profile.name}: {profile.about}",
        licence="as the testbed's own",
        slot_ns=0 if profile.handover else None,
        made_by=f"synth {VERSION}",
        parameters=made + profile.parameters,
    )


def _spread(quantiles: DurationQuantiles | RateQuantiles, score: Floats) -> Floats:
    """Return the values at normal scores of the two-piece log-normal through three quantiles."""
    low = np.log(quantiles.p50 / quantiles.p5) / _Z95
    high = np.log(quantiles.p95 / quantiles.p50) / _Z95
    return np.asarray(quantiles.p50 * np.exp(np.where(score < 0, low, high) * score), np.float64)


def _scores(count: int, memory: float, chance: np.random.Generator) -> Floats:
    """Return normal scores, each correlated with the one before."""
    fresh = chance.standard_normal(count)
    scores = fresh.copy()
    for i in range(1, count):
        scores[i] = memory * scores[i - 1] + np.sqrt(1 - memory**2) * fresh[i]
    return scores


def _drawn(
    profile: Profile, t: Int, ends: Sequence[int], levels: np.random.Generator, jitter: np.random.Generator
) -> Floats:
    assert profile.level is not None and profile.jitter is not None  # see Profile.problems
    rtt = _levels(profile, profile.level, t, levels) + _jitter(profile.jitter, t, jitter)
    for end in ends:
        assert profile.handover is not None  # without there are no gaps
        _add_peak(rtt, t, end, profile.handover)
    return rtt


def _recorded(
    profile: Profile, spread: Spread, t: Int, ends: Sequence[int], chance: np.random.Generator
) -> Floats:
    """Return RTTs of a recording's spread; those behind a gap are its highest, and fall as the queue does."""
    raised = None
    if profile.handover and len(ends) and profile.handover.peak:
        share = np.zeros(len(t))
        for end in ends:
            first, last = np.searchsorted(t, (end, end + 20 * profile.handover.settle))
            share[first:last] = np.exp(-(t[first:last] - end) / profile.handover.settle)
        firsts = np.searchsorted(t, [end for end in ends if end <= t[-1]])
        raised = (
            Raised(share, firsts, spread.rtt[len(spread.rtt) // 2] + profile.handover.peak)
            if len(firsts)
            else None
        )
    return round_trips(spread, t, slots=profile.handover is not None, raised=raised, chance=chance)


def _scattered(
    profile: Profile, free: int, duration_ns: int, chance: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which of the probes that no gap or outage takes are lost: runs as recorded."""
    assert profile.bursts is not None
    runs = placing.drawn(profile.bursts.runs, duration_ns / profile.bursts.every, chance)
    return placing.scattered([max(1, round(run.lasted / profile.cadence)) for run in runs], free, chance)


def _levels(profile: Profile, level: Level, t: Int, chance: np.random.Generator) -> Floats:
    every = level.every
    count = int(t[-1] // every) + 2
    knots = _spread(level.rtt, _scores(count, level.memory, chance))
    if profile.handover:
        return np.asarray(knots[t // every], np.float64)
    return np.interp(t, np.arange(count) * every, knots)


def _jitter(jitter: Jitter, t: Int, chance: np.random.Generator) -> Floats:
    every = jitter.correlation
    count = int(t[-1] // every) + 2
    drift = np.interp(t, np.arange(count) * every, chance.standard_normal(count))
    drift *= np.sqrt(1.5)  # interpolation between knots leaves 2/3 of their variance
    return _spread(jitter.added, (drift + chance.standard_normal(len(t))) / np.sqrt(2))


def _gaps(
    handover: Handover, every: int, duration_ns: int, chance: np.random.Generator
) -> list[tuple[int, int]]:
    boundaries = np.arange(every, duration_ns + 1, every)
    begins = boundaries - handover.lead
    if handover.gaps:
        gaps = placing.drawn(handover.gaps, handover.share * len(boundaries), chance)[: len(boundaries)]
        chosen = chance.permutation(begins)[: len(gaps)]
        return [(int(begin), int(begin + gap.lasted)) for begin, gap in zip(chosen, gaps, strict=True)]
    hit = chance.random(len(boundaries)) < handover.share
    lengths = _spread(handover.gap, chance.standard_normal(len(boundaries)))
    return [(int(b), int(b + n)) for b, n, there in zip(begins, lengths, hit, strict=True) if there]


def _add_peak(rtt: Floats, t: Int, end: int, handover: Handover) -> None:
    """Add the queue that a gap leaves behind it, until nothing is left of it to a microsecond."""
    first, last = np.searchsorted(t, (end, end + 20 * handover.settle))
    rtt[first:last] += handover.peak * np.exp(-(t[first:last] - end) / handover.settle)


def _times(every: int, duration_ns: int, chance: np.random.Generator) -> Int:
    """Return the instants of a Poisson process with one event ``every`` so often on average."""
    count = chance.poisson(duration_ns / every)
    return np.sort(chance.integers(0, duration_ns, count))


def _bursts(
    bursts: Bursts, cadence: int, duration_ns: int, chance: np.random.Generator
) -> list[tuple[int, int]]:
    begins = _times(bursts.every, duration_ns, chance)
    one, most = float(cadence), float(max(bursts.longest, 2 * cadence))
    several = np.exp(chance.uniform(np.log(2 * one), np.log(most), len(begins)))
    lengths = np.where(chance.random(len(begins)) < bursts.single, one, several)
    return [(int(begin), int(begin + length)) for begin, length in zip(begins, lengths, strict=True)]


def _outages(
    profile: Profile, duration_ns: int, chance: np.random.Generator
) -> tuple[list[tuple[int, int]], list[TraceEvent]]:
    spans, events = _recorded_outages(profile, duration_ns, chance)
    for outage in profile.outages:
        if outage.recorded:
            continue
        for begin in _times(outage.every, duration_ns, chance):
            # The longest seen is taken for the 99.9th percentile: three standard deviations.
            length = outage.median * (outage.longest / outage.median) ** (chance.standard_normal() / 3)
            length = min(int(length), outage.longest, duration_ns - int(begin))
            events.append(TraceEvent(int(begin), EventKind.OUTAGE, length, outage.cause))
            spans.append((int(begin), int(begin) + length))
    return spans, events


def _recorded_outages(
    profile: Profile, duration_ns: int, chance: np.random.Generator
) -> tuple[list[tuple[int, int]], list[TraceEvent]]:
    """Return outages as recorded, apart from each other."""
    found = [
        (outage.cause, one)
        for outage in profile.outages
        if outage.recorded
        for one in placing.drawn(outage.recorded, duration_ns / outage.every, chance)
    ]
    order = chance.permutation(len(found))
    begins = placing.apart([found[i][1].lasted for i in order], duration_ns, chance)
    placed = [(begin, *found[i]) for i, begin in zip(order, begins, strict=False)]
    spans = [(begin, begin + (one.lasted if one.lost is None else one.lost)) for begin, _, one in placed]
    return spans, [TraceEvent(begin, EventKind.OUTAGE, one.lasted, cause) for begin, cause, one in placed]


def _in_order(t: Int, rtt: Floats) -> Int:
    rounded = (rtt / _RTT_STEP_NS).round().astype(np.int64) * _RTT_STEP_NS
    return np.asarray(np.maximum.accumulate(t + rounded) - t, np.int64)


def _rates(model: RateModel, duration_ns: int, chance: np.random.Generator) -> dict[SeriesName, Series]:
    t = np.arange(0, duration_ns, model.every, dtype=np.int64)
    found = {}
    for name, quantiles in (
        (SeriesName.DOWN_RATE, model.down),
        (SeriesName.UP_RATE, model.up),
    ):
        values = _spread(quantiles, _scores(len(t), model.memory, chance))
        found[name] = Series.of(t, (values / 1000).round().astype(np.int64) * 1000)
    return found
