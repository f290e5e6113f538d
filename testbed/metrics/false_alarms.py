"""false_alarms: how often the hub left an uplink that nothing was wrong with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from testbed.metrics.carrier import Takeover
from testbed.metrics.evidence import Evidence
from testbed.metrics.failovers import NO_HEARTBEAT
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.schedule import dark
from testbed.metrics.window import Window
from testbed.model.event import HARMLESS
from testbed.model.objective import Unit

CAUSE_NS = 10 * 10**9
"""A failover later than this after the end of a fault is no answer to it: the uplink was well again."""
OUTAGE_NS = 10**9
"""A link that lets nothing through for this long is out, by its trace; Starlink's handovers take about 0.5 s."""


def _faults(evidence: Evidence, uplink: str) -> Iterator[Window]:
    """Yield when something was wrong with an uplink: the scenario's events, and outages of its trace."""
    for event in evidence.facts.faults(uplink):
        if event.kind in HARMLESS:
            continue
        yield Window(event.start_ns, event.end_ns)
    if evidence.schedule is not None:
        yield from dark(evidence.schedule, uplink, OUTAGE_NS, evidence.facts.duration_ns)


def _is_false(evidence: Evidence, change: Takeover) -> bool:
    """Whether a takeover left a better uplink without cause; a return to a better one is no alarm."""
    order = evidence.facts.uplinks
    if change.before is None or order.index(change.uplink) < order.index(change.before):
        return False
    faults = _faults(evidence, change.before)
    return not any(f.start_ns <= change.t_ns <= f.end_ns + CAUSE_NS for f in faults)


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Count the takeovers in the window, by a less preferred uplink, that no fault of the one left explains."""
    seen = evidence.carrier
    samples = sum(int(np.sum(ask.window.holds(marked))) for marked in seen.marked.values())
    if samples == 0:
        return METRIC.answer(None, 0, reason=NO_HEARTBEAT)
    false = [change for change in seen.changes(ask.window) if _is_false(evidence, change)]
    details = {"false": [{"t_ns": c.t_ns, "from": c.before, "to": c.uplink} for c in false]}
    return METRIC.answer(len(false), samples, details=details)


METRIC = Metric(Unit.COUNT, "10 ms bins with marked packets", 20, _measure)
