"""Round trips of a trace: its own, or the sum of its one-way delays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Loss, Series, SeriesName, Trace

ONE_WAY = (SeriesName.UP_DELAY, SeriesName.DOWN_DELAY)
INTERPOLATE_BELOW_NS = 50 * 10**6
"""Where readings are closer than this a delay runs linearly from one to the next; else it holds."""


def round_trips(trace: Trace) -> Series | None:
    """Return the RTT probes. Without any, what a probe sent at a one-way reading's time meets: up + down.

    A trace of one direction stands for both. None for a trace without delays.
    """
    if SeriesName.RTT in trace.series:
        return trace.series[SeriesName.RTT]
    known = [trace.series[name] for name in ONE_WAY if name in trace.series and len(trace.series[name])]
    if not known:
        return None
    first, second = known[0], known[-1]
    linear = 0 < first.cadence_ns < INTERPOLATE_BELOW_NS
    rtt = first.value + _at(second, first.t_ns, linear)
    return Series.of(first.t_ns, rtt, joined_loss(first, known))


def _at(series: Series, t_ns: NDArray[np.int64], linear: bool) -> NDArray[np.int64]:
    kept = ~series.lost
    if not kept.any():
        return np.zeros(len(t_ns), np.int64)
    t, value = series.t_ns[kept], series.value[kept]
    if linear:
        return np.interp(t_ns, t, value).astype(np.int64)
    return np.asarray(value[np.maximum(np.searchsorted(t, t_ns, "right") - 1, 0)], np.int64)


def joined_loss(probes: Series, one_way: list[Series]) -> NDArray[np.uint8]:
    """Return what was lost of probes at the times of the first: up, down, or both (unknown)."""
    loss = probes.loss
    for series in one_way:
        before = np.maximum(np.searchsorted(series.t_ns, probes.t_ns, "right") - 1, 0)
        marks = series.loss[before]
        other = np.where(marks != loss, Loss.UNKNOWN, loss)
        loss = np.where(loss == Loss.NONE, marks, np.where(marks == Loss.NONE, loss, other)).astype(np.uint8)
    return loss
