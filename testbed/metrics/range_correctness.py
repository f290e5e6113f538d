"""range_correctness: whether a part of an object was the part that was asked for."""

from __future__ import annotations

import numpy as np

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import OK, PARTIAL, none_reason, requests
from testbed.model.objective import Unit

NOT_SATISFIABLE = 416
NAMED_WRONG = 10  # so many wrong answers are listed in the details


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return 206s with the right bytes and Content-Range / complete answers 200, 206 or 416 to requests for a range.

    A 200 with the whole is allowed (RFC 9110, 14.2) and is not what who seeks in a film can use. All ranges that
    are asked for are there: a 416 is wrong.
    """
    asked = requests(evidence, ask)
    answers = asked.ranged & np.isin(asked.status, (OK, PARTIAL, NOT_SATISFIABLE))
    answers &= asked.complete | (asked.status == NOT_SATISFIABLE)
    if not answers.any():
        reason = "no answer to a request for a range in the window" if len(asked.t_ns) else none_reason(ask)
        return METRIC.answer(None, 0, reason=reason)
    right = answers & asked.whole & (asked.status == PARTIAL)
    wrong = np.flatnonzero(answers & ~right)
    named = [
        {"t_ns": int(asked.t_ns[i]), "object": str(asked.object[i]), "status": int(asked.status[i])}
        for i in wrong[:NAMED_WRONG]
    ]
    details = {"whole_instead": int(np.sum(answers & (asked.status == OK))), "wrong": named}
    return METRIC.answer(float(right.sum() / answers.sum()), int(answers.sum()), details=details)


METRIC = Metric(Unit.SHARE, "answers to requests for a range", 20, _measure)
