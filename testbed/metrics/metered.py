"""metered_bytes and metered_cost: what went over uplinks that are paid for by volume."""

from __future__ import annotations

from testbed.metrics.backhaul import BINS, MINIMUM_BINS, NO_COUNTERS, bins, carried
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.objective import Unit

NONE_METERED = "no uplink is metered"


def _bytes(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the bytes of both directions of all metered uplinks."""
    seen, by_uplink = bins(evidence, ask.window), carried(evidence, ask.window)
    used = {name: by_uplink[name] for name in evidence.facts.metered}
    if not used or not seen:
        return BYTES.answer(None, seen, reason=NO_COUNTERS if used else NONE_METERED)
    return BYTES.answer(sum(used.values()), seen, details={"bytes": used})


def _cost(evidence: Evidence, ask: Ask) -> Measurement:
    """Return bytes x tariff, added up over the metered uplinks."""
    facts, seen = evidence.facts, bins(evidence, ask.window)
    unpriced = [name for name in facts.metered if name not in facts.tariffs]
    if unpriced or not facts.metered:
        reason = f"no tariff of {', '.join(unpriced)} is known" if unpriced else NONE_METERED
        return COST.answer(None, seen, reason=reason)
    if not seen:
        return COST.answer(None, 0, reason=NO_COUNTERS)
    by_uplink = carried(evidence, ask.window)
    cost = {name: by_uplink[name] * facts.tariffs[name] for name in facts.metered}
    return COST.answer(sum(cost.values()), seen, details={"usd": cost})


BYTES = Metric(Unit.SIZE, BINS, MINIMUM_BINS, _bytes)
COST = Metric(Unit.MONEY, BINS, MINIMUM_BINS, _cost)
