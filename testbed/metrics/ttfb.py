"""ttfb_p50, ttfb_p95, ttfb_p99: time to first byte."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.objective import Unit

# So many samples have to lie beyond a percentile, or it says no more than the single worst one does.
_BEYOND = 2


def percentile(values: NDArray[np.int64], percent: int) -> float:
    """Return the smallest sample that at least ``percent`` % of the samples do not exceed (nearest rank)."""
    return float(np.percentile(values, percent, method="inverted_cdf"))


def _measure(percent: int, evidence: Evidence, ask: Ask) -> Measurement:
    """Return a percentile of first byte - start over whole answers; ``status`` picks hits or misses."""
    metric = BY_PERCENT[percent]
    asked = requests(evidence, ask)
    chosen = asked.whole & (asked.ttfb_ns >= 0)
    if ask.status != "any":
        chosen &= asked.cached == (ask.status == "hit")
    values = asked.ttfb_ns[chosen]
    if len(values) == 0:
        kind = "" if ask.status == "any" else f" ({ask.status})"
        reason = f"no whole answer{kind} in the window" if len(asked.t_ns) else none_reason(ask)
        return metric.answer(None, 0, reason=reason)
    details = {"smallest_ns": int(values.min()), "largest_ns": int(values.max())}
    return metric.answer(percentile(values, percent), len(values), details=details)


def _metric(percent: int) -> Metric:
    minimum = max(20, round(_BEYOND * 100 / (100 - percent)))
    return Metric(Unit.DURATION, "whole answers", minimum, partial(_measure, percent))


BY_PERCENT = {percent: _metric(percent) for percent in (50, 95, 99)}
