"""hit_ratio: the share of answers that the hub gave from its cache."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.objective import Unit


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return answers from the cache / all answers; a request without one is availability's business."""
    asked = requests(evidence, ask)
    answers, hits = int(np.sum(asked.answered)), int(np.sum(asked.cached))
    details = {"requests": len(asked.t_ns), "answers": answers, "hits": hits}
    if answers == 0:
        reason = "no request was answered" if len(asked.t_ns) else none_reason(ask)
        return METRIC.answer(None, 0, reason=reason, details=details)
    return METRIC.answer(hits / answers, answers, details=details)


METRIC = Metric(Unit.SHARE, "answers", 20, _measure)
