"""edge_served: the share of requests that the hub itself answered at once."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.objective import Unit

EDGE_NS = 20_000_000
"""The promise made for content served at the edge: the first byte in less than 20 ms."""


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return whole answers from the cache with the first byte in under 20 ms / all requests."""
    asked = requests(evidence, ask)
    sent = len(asked.t_ns)
    if sent == 0:
        return METRIC.answer(None, 0, reason=none_reason(ask))
    hits = asked.whole & asked.cached
    quick = int(np.sum(hits & (asked.ttfb_ns >= 0) & (asked.ttfb_ns < EDGE_NS)))
    details = {"requests": sent, "hits": int(hits.sum()), "at_once": quick}
    return METRIC.answer(quick / sent, sent, details=details)


METRIC = Metric(Unit.SHARE, "requests", 20, _measure)
