"""The worst stretches of a trace: by interruption, loss, step of the RTT, and rate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from testbed.model.trace import SeriesName, Trace
from testbed.traces.losses import loss_runs
from testbed.traces.waits import heard
from testbed.units import format_duration, format_rate, format_share


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a trace and how bad it is: ``value`` in ns, a share, or bit/s; ``text`` for people."""

    metric: str
    from_ns: int
    to_ns: int
    value: float
    text: str


Score = Callable[[Trace, int, int], float | None]


def _interruption(trace: Trace, begin: int, end: int) -> float | None:
    probes = heard(trace)
    if probes is None:
        return None
    runs = loss_runs(probes)
    inside = np.minimum(runs.begin_ns + runs.lasted_ns, end) - np.maximum(runs.begin_ns, begin)
    return float(inside.max(initial=0))


def _loss(trace: Trace, begin: int, end: int) -> float | None:
    if trace.probes is None:
        return None
    first, last = np.searchsorted(trace.probes.t_ns, (begin, end))
    return float(trace.probes.lost[first:last].mean()) if last > first else None


def _step(trace: Trace, begin: int, end: int) -> float | None:
    """Return the largest difference of the median RTT of two neighbouring seconds."""
    if trace.probes is None:
        return None
    first, last = np.searchsorted(trace.probes.t_ns, (begin, end))
    t, value = trace.probes.t_ns[first:last], trace.probes.value[first:last]
    kept = ~trace.probes.lost[first:last]
    seconds = t[kept] // 10**9
    medians = [float(np.median(value[kept][seconds == s])) for s in np.unique(seconds)]
    return float(np.abs(np.diff(medians)).max()) if len(medians) > 1 else None


def _rate(trace: Trace, begin: int, end: int) -> float | None:
    """Return the mean rate down (or up where there is no other), negative: the lowest is the worst."""
    series = trace.series.get(SeriesName.DOWN_RATE) or trace.series.get(SeriesName.UP_RATE)
    if series is None or not len(series):
        return None
    index = np.clip(np.searchsorted(series.t_ns, (begin, end), "right") - 1, 0, None)
    values = series.value[index[0] : index[1] + 1]
    times = np.clip(np.append(series.t_ns[index[0] : index[1] + 1], end), begin, end)
    return -float((values * np.diff(times)).sum() / (end - begin))


METRICS: Mapping[str, tuple[Score, Callable[[float], str]]] = {
    "interruption": (_interruption, lambda v: f"no answer for {format_duration(v)}"),
    "loss": (_loss, lambda v: f"{format_share(v)} lost"),
    "step": (_step, lambda v: f"median RTT moves by {format_duration(v)} within a second"),
    "rate": (_rate, lambda v: f"{format_rate(-v)} on average"),
}


def worst(trace: Trace, *, length_ns: int = 60 * 10**9, count: int = 3) -> list[Excerpt]:
    """Return the worst windows by each metric, worst first; windows of one metric do not overlap."""
    length = min(length_ns, trace.duration_ns)
    # Windows on a grid of a tenth of their length: the worst one is found within that.
    begins = range(0, trace.duration_ns - length + 1, max(1, length // 10))
    return [w for metric in METRICS for w in _worst(trace, metric, begins, length, count)]


def _worst(trace: Trace, metric: str, begins: range, length: int, count: int) -> list[Excerpt]:
    score, text = METRICS[metric]
    scored = [(score(trace, begin, begin + length), begin) for begin in begins]
    ranked = sorted(
        ((value, begin) for value, begin in scored if value is not None), key=lambda s: (-s[0], s[1])
    )
    kept: list[Excerpt] = []
    for value, begin in ranked:
        clear = all(abs(begin - window.from_ns) >= length for window in kept)
        if clear and len(kept) < count and value != 0:
            kept.append(Excerpt(metric, begin, begin + length, abs(value), text(value)))
    return kept
