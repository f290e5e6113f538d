"""What a trace says, in numbers: the content of `trace info`, and what closed-loop tests compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import FRAMES, EventKind, Framing, Series, SeriesName, Trace
from testbed.traces.handover import Handovers, handovers
from testbed.traces.losses import loss_runs
from testbed.traces.waits import heard

QUANTILES: Mapping[str, float] = {"min": 0, "p5": 5, "p50": 50, "p95": 95, "p99": 99, "max": 100}

_SHARES = (SeriesName.LOSS, SeriesName.UP_LOSS, SeriesName.DOWN_LOSS)


@dataclass(frozen=True)
class Losses:
    """Lost probes. ``runs``: how many runs of each length; ``longest_ns`` without an answer."""

    lost: int
    share: float
    runs: Mapping[int, int]
    longest_ns: int


@dataclass(frozen=True)
class Outages:
    """Outages marked in the trace, by cause; the time without service and the longest."""

    count: int
    causes: Mapping[str, int]
    total_ns: int
    longest_ns: int


@dataclass(frozen=True)
class Rate:
    """A direction's rate in bit/s: quantiles and the share at zero of its means over ``window_ns``, mean, what counted.

    Means of about a second: a rate that falls to 0 for less is none of those at zero.
    """

    bps: Mapping[str, int]
    mean_bps: int
    zero_share: float
    framing: Framing = FRAMES
    window_ns: int = 10**9


@dataclass(frozen=True)
class Info:
    """A trace in numbers. Times in ns; absent where the trace has nothing of the kind.

    ``loss_shares``: means over time of shares that are no probes (the dish's drop rate).
    """

    duration_ns: int
    probes: int
    cadence_ns: int
    rtt_ns: Mapping[str, int] | None
    losses: Losses | None
    outages: Outages | None
    rates: Mapping[str, Rate]
    loss_shares: Mapping[str, float]
    handovers: Handovers | None


def info(trace: Trace) -> Info:
    """Return a trace in numbers."""
    probes = trace.probes
    received = probes.value[~probes.lost] if probes is not None else np.array([], np.int64)
    rates = {
        str(name): rate_of(trace.series[name], trace.duration_ns, trace.framing.get(name, FRAMES))
        for name in (SeriesName.UP_RATE, SeriesName.DOWN_RATE)
        if name in trace.series and len(trace.series[name])
    }
    return Info(
        duration_ns=trace.duration_ns,
        probes=len(probes) if probes is not None else 0,
        cadence_ns=probes.cadence_ns if probes is not None else 0,
        rtt_ns=_quantiles(received) if len(received) else None,
        losses=_losses(trace, probes) if probes is not None and len(probes) else None,
        outages=_outages(trace),
        rates=rates,
        loss_shares={
            str(name): _mean(trace.series[name], trace.duration_ns) / 1e6
            for name in _SHARES
            if name in trace.series and len(trace.series[name])
        },
        handovers=handovers(trace),
    )


def _quantiles(values: NDArray[np.int64]) -> dict[str, int]:
    found = np.percentile(values, list(QUANTILES.values()))
    return {name: round(float(value)) for name, value in zip(QUANTILES, found, strict=True)}


def _losses(trace: Trace, probes: Series) -> Losses:
    runs = loss_runs(probes)
    lengths, counts = np.unique(runs.length, return_counts=True)
    return Losses(
        lost=int(probes.lost.sum()),
        share=float(probes.lost.mean()),
        runs={int(length): int(count) for length, count in zip(lengths, counts, strict=True)},
        longest_ns=int(loss_runs(heard(trace) or probes).lasted_ns.max(initial=0)),
    )


def _outages(trace: Trace) -> Outages | None:
    found = [event for event in trace.events if event.kind is EventKind.OUTAGE]
    if not found:
        return None
    causes = sorted({event.cause for event in found})
    return Outages(
        count=len(found),
        causes={cause: sum(event.cause == cause for event in found) for cause in causes},
        total_ns=sum(event.duration_ns for event in found),
        longest_ns=max(event.duration_ns for event in found),
    )


def _mean(series: Series, duration_ns: int) -> float:
    """Return the mean over time of a reading that holds until the next one."""
    return float(np.average(series.value, weights=np.diff(np.append(series.t_ns, duration_ns))))


def rate_of(series: Series, duration_ns: int, framing: Framing = FRAMES) -> Rate:
    """Return a rate's quantiles over whole seconds from its first reading on, so that delivery traces compare."""
    known_ns = duration_ns - int(series.t_ns[0])
    seconds = max(1, known_ns // 10**9)
    edges = np.linspace(0, known_ns, seconds + 1)
    times = np.append(series.t_ns, duration_ns) - series.t_ns[0]
    bits = np.concatenate(([0], np.cumsum(series.value * (np.diff(times) / 1e9))))
    each = np.diff(np.interp(edges, times, bits)) / np.diff(edges) * 1e9
    held = np.diff(times)
    return Rate(
        bps=_quantiles(each.round().astype(np.int64)),
        mean_bps=round(float(bits[-1] / (known_ns / 1e9))),
        zero_share=float((each == 0).mean()) if held.sum() else 0.0,
        framing=framing,
        window_ns=round(known_ns / seconds),
    )
