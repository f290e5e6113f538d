"""dns_availability: whether the names that LAN clients ask for are found."""

from __future__ import annotations

from collections import Counter

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.objective import Unit


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return queries answered in time with the right address / queries sent in the window."""
    table = evidence.samples.get(ask.of)
    inside = None if table is None else ask.window.holds(integers(table, "t_ns"))
    if table is None or inside is None or not inside.any():
        return AVAILABILITY.answer(None, 0, reason=f"no query of {ask.of} in the window")
    right = integers(table, "right", 0)[inside] == 1
    rcode, error = integers(table, "rcode", -1)[inside], texts(table, "error")[inside]
    fates = Counter(
        "right" if ok else said or ("a wrong address" if code == 0 else f"status {code}")
        for ok, said, code in zip(right, (str(e) for e in error), rcode, strict=True)
    )
    return AVAILABILITY.answer(float(right.mean()), len(right), details={"fates": dict(sorted(fates.items()))})


AVAILABILITY = Metric(Unit.SHARE, "queries", 20, _measure)
