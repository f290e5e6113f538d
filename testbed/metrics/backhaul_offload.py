"""backhaul_offload: the share of the bytes delivered to clients that the uplinks were spared."""

from __future__ import annotations

from testbed.metrics.backhaul import carried
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.link import Direction
from testbed.model.objective import Unit


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return (bytes delivered to clients - bytes that came over the uplinks) / bytes delivered.

    Everything that came over the uplinks counts against it: headers, TLS, heartbeats, what was fetched and
    not delivered. So it can be negative, and it needs no word of the hub about itself.
    """
    asked = requests(evidence, ask)
    answers, delivered = int(asked.answered.sum()), int(asked.size.sum())
    if delivered == 0:
        reason = "no byte was delivered" if len(asked.t_ns) else none_reason(ask)
        return METRIC.answer(None, answers, reason=reason)
    if evidence.links is None or not evidence.links.num_rows:
        return METRIC.answer(None, answers, reason="the links left no counters")
    by_uplink = carried(evidence, ask.window, (Direction.DOWN,))
    fetched = sum(size for name, size in by_uplink.items() if ask.uplink in ("", name))
    details = {"bytes_delivered": delivered, "bytes_down": dict(by_uplink)}
    return METRIC.answer((delivered - fetched) / delivered, answers, details=details)


METRIC = Metric(Unit.SHARE, "answers", 20, _measure)
