"""stale_age_p95, stale_age_max: how old the stale content was that clients were given."""

from __future__ import annotations

from functools import partial

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import SERVED_STALE, none_reason, requests
from testbed.metrics.ttfb import percentile
from testbed.model.objective import Unit


def _measure(percent: int, evidence: Evidence, ask: Ask) -> Measurement:
    """Return a percentile of the age of whole answers that the hub served stale (100: the oldest)."""
    metric = BY_PERCENT[percent]
    asked = requests(evidence, ask)
    stale = asked.whole & np.isin(asked.cache, SERVED_STALE)
    ages = asked.age_ns[stale & (asked.age_ns >= 0)]
    if len(ages) == 0:
        reason = none_reason(ask) if len(asked.t_ns) == 0 else "no stale answer in the window"
        return metric.answer(
            None, 0, reason="the stale answers have no Age or Date" if stale.any() else reason
        )
    return metric.answer(percentile(ages, percent), len(ages), details={"youngest_ns": int(ages.min())})


BY_PERCENT = {
    percent: Metric(Unit.DURATION, "stale answers with an age", minimum, partial(_measure, percent))
    for percent, minimum in ((95, 40), (100, 20))
}
