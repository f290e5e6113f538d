"""return_to_preferred, new_flows_return: how long after its outage the preferred uplink carries again, for good.

The heartbeat is an old flow, which a hub may leave where it is; where new flows go is another question.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from testbed.metrics.carrier import Carrier
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.window import Window
from testbed.model.facts import Happening
from testbed.model.objective import Unit


def returned_at(seen: Carrier, uplink: str, after: Window) -> int | None:
    """Return when ``uplink`` began to carry for good within ``after``; None if it did not."""
    before = [t for t in seen.takeovers if t.t_ns < after.end_ns]
    if not before or before[-1].uplink != uplink:
        return None
    bins = seen.marked[uplink]
    bins = bins[(bins >= max(before[-1].t_ns, after.start_ns)) & (bins < after.end_ns)]
    return int(bins[0]) if len(bins) else None


def _horizons(outages: tuple[Happening, ...], window: Window) -> list[Window]:
    """Return for each outage that ends in the window the time in which a return is looked for."""
    following = [outage.start_ns for outage in outages[1:]] + [window.end_ns]
    return [
        Window(outage.end_ns, min(end, window.end_ns))
        for outage, end in zip(outages, following, strict=False)
        if window.start_ns <= outage.end_ns < min(end, window.end_ns)
    ]


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return when the heartbeat returned."""
    return _longest(evidence, ask, evidence.carrier)


def _measure_new(evidence: Evidence, ask: Ask) -> Measurement:
    """Return when new flows returned."""
    return _longest(evidence, ask, evidence.new_flows_carrier)


def _longest(evidence: Evidence, ask: Ask, seen: Carrier) -> Measurement:
    """Return the longest of the returns after the outages of the preferred uplink that end in the window.

    Each return is waited for until the next outage or the window's end; one that does not come
    makes the value a lower bound.
    """
    preferred = evidence.facts.preferred
    horizons = _horizons(evidence.facts.faults(preferred), ask.window)
    if not horizons:
        return METRIC.answer(None, 0, reason=f"no outage of {preferred} ends in the window")
    samples = min(sum(int(np.sum(h.holds(bins))) for bins in seen.marked.values()) for h in horizons)
    returns = [returned_at(seen, preferred, horizon) for horizon in horizons]
    waits = [(h.end_ns if r is None else r) - h.start_ns for h, r in zip(horizons, returns, strict=True)]
    worst = max(range(len(waits)), key=lambda i: (returns[i] is None, waits[i]))
    return METRIC.answer(
        float(waits[worst]),
        samples,
        lower_bound=returns[worst] is None,
        details={
            "outage_end_ns": horizons[worst].start_ns,
            "returned_ns": returns[worst],
            "outages": len(waits),
        },
    )


METRIC = Metric(Unit.DURATION, "10 ms bins with marked packets", 20, _measure)
NEW_FLOWS = replace(METRIC, measure=_measure_new)
