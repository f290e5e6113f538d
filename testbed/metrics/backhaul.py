"""backhaul_bytes: what went over the uplinks; and what other metrics ask of the links' byte counters."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pyarrow.compute as pc

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.window import Window
from testbed.model.link import Direction
from testbed.model.objective import Unit

BINS = "10 ms bins with traffic"
MINIMUM_BINS = 20
NO_COUNTERS = "no link let a packet out in the window"


def carried(
    evidence: Evidence, window: Window, directions: Collection[Direction] = tuple(Direction)
) -> Mapping[str, int]:
    """Return the bytes (of L2 frames without FCS) that left each link in the window, by uplink.

    What was lost on a link was not carried.
    """
    found = dict.fromkeys(evidence.facts.uplinks, 0)
    if evidence.links is None:
        return found
    links = evidence.links.filter(pc.greater(evidence.links["bytes_out"], 0))
    inside = window.holds(integers(links, "t_ns")) & np.isin(texts(links, "direction"), list(directions))
    names, size = texts(links, "link")[inside], integers(links, "bytes_out")[inside]
    return found | {str(name): int(size[names == name].sum()) for name in np.unique(names)}


def bins(evidence: Evidence, window: Window) -> int:
    """Return in how many 10 ms bins of the window any link let a packet out: the counters were at work."""
    if evidence.links is None:
        return 0
    links = evidence.links.filter(pc.greater(evidence.links["bytes_out"], 0))
    t_ns = integers(links, "t_ns")
    return len(np.unique(t_ns[window.holds(t_ns)]))


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the bytes of both directions of all uplinks, or of the one that is asked about."""
    seen = bins(evidence, ask.window)
    if seen == 0:
        return METRIC.answer(None, 0, reason=NO_COUNTERS)
    by_uplink = carried(evidence, ask.window)
    total = sum(size for name, size in by_uplink.items() if ask.uplink in ("", name))
    return METRIC.answer(total, seen, details={"bytes": dict(by_uplink)})


METRIC = Metric(Unit.SIZE, BINS, MINIMUM_BINS, _measure)
