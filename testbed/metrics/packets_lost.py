"""packets_lost: heartbeat probes without an answer."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.interruption import unsent_reason
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.objective import Unit


def _longest_run(lost: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    ends = np.flatnonzero(np.diff(np.concatenate(([False], lost, [False])).astype(np.int8)))
    return int(np.max(ends[1::2] - ends[::2], initial=0))


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Count the probes sent in the window that were never answered."""
    probes = evidence.probes(ask.of).within(ask.window)
    sent = len(probes.t_ns)
    if sent == 0:
        return METRIC.answer(None, 0, reason="no heartbeat was sent in the window")
    lost = int(np.sum(~probes.good))
    details = {"sent": sent, "share": lost / sent, "longest_run": _longest_run(~probes.good)}
    return METRIC.answer(lost, sent, reason=unsent_reason(probes, ask.window), details=details)


METRIC = Metric(Unit.COUNT, "probes sent", 100, _measure)
