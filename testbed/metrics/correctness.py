"""correctness: the share of complete answers that were right to the last byte."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import none_reason, requests
from testbed.model.objective import Unit

NAMED_WRONG = 10  # so many wrong answers are listed in the details


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return answers with the object's SHA-256 / answers with status 200 that came to their end.

    An answer that was cut short is availability's business: the client knows that it lacks something.
    """
    asked = requests(evidence, ask)
    complete = int(asked.complete.sum())
    if complete == 0:
        reason = "no complete answer in the window" if len(asked.t_ns) else none_reason(ask)
        return METRIC.answer(None, 0, reason=reason)
    wrong = np.flatnonzero(asked.complete & ~asked.whole)
    named = [{"t_ns": int(asked.t_ns[i]), "object": str(asked.object[i])} for i in wrong[:NAMED_WRONG]]
    details = {"complete": complete, "wrong": named}
    return METRIC.answer((complete - len(wrong)) / complete, complete, details=details)


METRIC = Metric(Unit.SHARE, "complete answers", 20, _measure)
