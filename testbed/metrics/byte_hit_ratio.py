"""byte_hit_ratio: the share of the bytes to clients that did not come from the tenant."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.objective import Unit


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return (bytes to clients - bytes from the origin) / bytes to clients, as Azure Front Door defines it.

    Bytes of bodies, as the clients received them; those of an answer that did not come from the
    hub's store count as fetched from the origin.
    """
    asked = requests(evidence, ask)
    answers, total = int(np.sum(asked.answered)), int(np.sum(asked.size))
    origin = int(np.sum(asked.size[~asked.cached]))
    details = {"bytes_to_clients": total, "bytes_from_origin": origin}
    if total == 0:
        reason = "no byte was received" if len(asked.t_ns) else none_reason(ask)
        return METRIC.answer(None, answers, reason=reason, details=details)
    return METRIC.answer((total - origin) / total, answers, details=details)


METRIC = Metric(Unit.SHARE, "answers", 20, _measure)
