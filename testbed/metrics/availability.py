"""availability: the share of requests that were answered whole and right."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.objective import Unit

NAMED_FAILURES = 10  # so many failed requests are listed in the details


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return requests answered 200, every byte, right hash / all requests scheduled in the window."""
    asked = requests(evidence, ask)
    sent, whole = len(asked.t_ns), int(np.sum(asked.whole))
    if sent == 0:
        return METRIC.answer(None, 0, reason=none_reason(ask))
    failed = [
        {"t_ns": int(t), "object": str(name)}
        for t, name in zip(asked.t_ns[~asked.whole], asked.object[~asked.whole], strict=True)
    ]
    details = {"requests": sent, "whole": whole, "failed": failed[:NAMED_FAILURES]}
    return METRIC.answer(whole / sent, sent, details=details)


METRIC = Metric(Unit.SHARE, "requests", 20, _measure)
