"""flaps: how often the hub went there and back again within a minute."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from testbed.metrics.carrier import Takeover
from testbed.metrics.evidence import Evidence
from testbed.metrics.failovers import NO_HEARTBEAT
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.window import Window
from testbed.model.objective import Unit

SLIDING_NS = 60 * 10**9


def pairs(changes: Sequence[Takeover]) -> list[Window]:
    """Return the flaps: two takeovers, one after the other, the second back to the uplink that the first left.

    A takeover belongs to one flap only.
    """
    found: list[Window] = []
    for away, back in pairwise(changes):
        taken = found and found[-1].end_ns >= away.t_ns
        if not taken and back.uplink == away.before and back.t_ns - away.t_ns <= SLIDING_NS:
            found.append(Window(away.t_ns, back.t_ns))
    return found


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the most flaps that lie within any 60 s of the window."""
    seen = evidence.carrier
    samples = sum(int(np.sum(ask.window.holds(marked))) for marked in seen.marked.values())
    if samples == 0:
        return METRIC.answer(None, 0, reason=NO_HEARTBEAT)
    found = pairs(seen.changes(ask.window))
    most = max(
        (sum(f.start_ns >= a.start_ns and f.end_ns <= a.start_ns + SLIDING_NS for f in found) for a in found),
        default=0,
    )
    details = {"flaps": [{"t_ns": flap.start_ns, "until_ns": flap.end_ns} for flap in found]}
    return METRIC.answer(most, samples, details=details)


METRIC = Metric(Unit.COUNT, "10 ms bins with marked packets", 20, _measure)
