"""A Starlink dish's own figures as series: RTT and loss of its pings, and what was used as context.

The dish pings its PoP itself and smooths the latency; throughput is usage, not capacity. A latency that is
not there, 0, -1 or NaN is no latency: with a drop rate above 0 the pings of that second were lost, else
firmware such as 2024.11 left it out, and nothing is known of the RTT.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base

TRAITS = (Trait.DISH_SMOOTHED, Trait.USAGE)
Figures = Sequence[float | None]


def path_series(
    t: NDArray[np.int64], latency_ms: Figures, drop: Figures
) -> tuple[dict[SeriesName, Series], tuple[str, ...]]:
    """Return RTT and loss series of the dish's own pings, and what they do not say.

    ``drop`` is the share of pings lost, 0 to 1. Raises ValueError for figures that no dish has, and where
    nothing is known at all.
    """
    latency, share = _figures(latency_ms), _figures(drop)
    known = np.isfinite(latency) & (latency != 0) & (latency != -1)
    if np.any(np.isinf(latency) | (known & ((latency < 0) | (latency * 1e6 > base.MAX_RTT_NS)))):
        raise ValueError("a latency is no number of ms up to 10 minutes")
    if np.any(np.isinf(share) | (share < 0) | (share > 1)):
        raise ValueError("a drop rate lies outside 0 to 1")
    told = ~np.isnan(share)
    silent = ~known & told & (share > 0)
    series = {}
    if told.any():
        series[SeriesName.LOSS] = Series.of(t[told], (share[told] * 1e6).round().astype(np.int64))
    if known.any() or np.all(share >= 1):
        lost = (told & (share >= 1)) | silent
        rtt, kept = np.where(known, latency * 1e6, 0).round().astype(np.int64), known | lost
        loss = np.where(lost, Loss.UNKNOWN, Loss.NONE)
        series[SeriesName.RTT] = Series.of(t[kept], rtt[kept], loss[kept])
    if not series:
        raise ValueError("no latency and no drop rate in any of them")
    return series, _notes(known, told, silent)


def _figures(column: Figures) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in column], np.float64)


def _notes(known: NDArray[np.bool_], told: NDArray[np.bool_], silent: NDArray[np.bool_]) -> tuple[str, ...]:
    unknown = int((~known & ~silent).sum())
    notes = tuple[str, ...]()
    if not known.any() and unknown:
        notes += ("no reading has a latency, as with firmware 2024.11: the RTT is unknown",)
    elif unknown:
        notes += (f"{unknown} readings have no latency though nothing was lost: the RTT is unknown there",)
    if not told.any():
        notes += ("no drop rate: losses are unknown",)
    elif not told.all():
        notes += (f"{int((~told).sum())} readings have no drop rate: losses are unknown there",)
    return notes


def usage(t: NDArray[np.int64], down: Figures, up: Figures) -> dict[str, Series]:
    """Return what was used, not what there was: context, in thousandths of a bit/s.

    Raises ValueError for what is no throughput.
    """
    found = {}
    for name, column in (("downlink usage bit/s", down), ("uplink usage bit/s", up)):
        values = _figures(column)
        kept = ~np.isnan(values)
        if np.any(np.isinf(values) | (values < 0) | (values >= 1e12)):
            raise ValueError("a throughput is no number of bit/s")
        if kept.any():
            found[name] = Series.of(t[kept], (values[kept] * 1000).round().astype(np.int64))
    return found
