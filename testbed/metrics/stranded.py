"""stranded_time and stranded_bytes: what stays on a metered backup though the preferred uplink has recovered."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from testbed.metrics.backhaul import BINS, MINIMUM_BINS, NO_COUNTERS, bins, carried
from testbed.metrics.evidence import Evidence
from testbed.metrics.failovers import NO_HEARTBEAT
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.metered import NONE_METERED
from testbed.metrics.window import Window
from testbed.model.objective import Unit


def recovered(evidence: Evidence, window: Window) -> Iterator[Window]:
    """Yield the parts of a window between the end of a fault of the preferred uplink and its next fault."""
    faults = evidence.facts.faults(evidence.facts.preferred)
    following = [fault.start_ns for fault in faults[1:]] + [window.end_ns]
    for fault, end in zip(faults, following, strict=False):
        begin, end = max(fault.end_ns, window.start_ns), min(end, window.end_ns)
        if begin < end:
            yield Window(begin, end)


def _reason(evidence: Evidence, ask: Ask) -> str:
    """Return why nothing could be stranded; ``""`` where something could."""
    if not evidence.facts.metered:
        return NONE_METERED
    if not list(recovered(evidence, ask.window)):
        return f"no fault of {evidence.facts.preferred} is over in the window"
    return "" if bins(evidence, ask.window) else NO_COUNTERS


def _time(evidence: Evidence, ask: Ask) -> Measurement:
    """Return how long a metered uplink carried the heartbeat while the preferred one was well again.

    Still there at the window's end, it is a lower bound.
    """
    if reason := _reason(evidence, ask):
        return TIME.answer(None, 0, reason=reason)
    seen = evidence.carrier
    samples = sum(
        int(np.sum(part.holds(marked)))
        for part in recovered(evidence, ask.window)
        for marked in seen.marked.values()
    )
    if samples == 0:
        return TIME.answer(None, 0, reason=NO_HEARTBEAT)
    stretches = [
        stretch
        for part in recovered(evidence, ask.window)
        for stretch in seen.stretches(part)
        if stretch.uplink in evidence.facts.metered
    ]
    return TIME.answer(
        sum(s.end_ns - s.start_ns for s in stretches),
        samples,
        lower_bound=any(s.end_ns == ask.window.end_ns for s in stretches),
        details={
            "stretches": [{"t_ns": s.start_ns, "until_ns": s.end_ns, "uplink": s.uplink} for s in stretches]
        },
    )


def _bytes(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the bytes of both directions of the metered uplinks while the preferred one was well again.

    It sees the sessions that stay behind when the heartbeat has long returned.
    """
    samples = bins(evidence, ask.window)
    if reason := _reason(evidence, ask):
        return BYTES.answer(None, samples, reason=reason)
    parts = [carried(evidence, part) for part in recovered(evidence, ask.window)]
    used = {name: sum(part[name] for part in parts) for name in evidence.facts.metered}
    return BYTES.answer(sum(used.values()), samples, details={"bytes": used})


TIME = Metric(Unit.DURATION, "10 ms bins with marked packets", MINIMUM_BINS, _time)
BYTES = Metric(Unit.SIZE, BINS, MINIMUM_BINS, _bytes)
