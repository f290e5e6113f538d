"""failovers: how often the heartbeat changed its uplink."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.objective import Unit

NO_HEARTBEAT = "no link let a marked heartbeat packet out in the window"


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Count the takeovers in the window; there and back again are two."""
    seen = evidence.carrier
    samples = sum(int(np.sum(ask.window.holds(bins))) for bins in seen.marked.values())
    if samples == 0:
        return METRIC.answer(None, 0, reason=NO_HEARTBEAT)
    changes = seen.changes(ask.window)
    details = {"changes": [{"t_ns": c.t_ns, "from": c.before, "to": c.uplink} for c in changes]}
    return METRIC.answer(len(changes), samples, details=details)


METRIC = Metric(Unit.COUNT, "10 ms bins with marked packets", 20, _measure)
