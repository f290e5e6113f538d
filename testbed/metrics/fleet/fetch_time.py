"""fetch_time: how long a hub's users waited for an object, from asking to the last byte."""

from __future__ import annotations

from testbed.metrics.fleet.evidence import Figures, FleetEvidence, ratio
from testbed.metrics.window import Window


def fetch_time(evidence: FleetEvidence, load: str, window: Window) -> Figures:
    """Return the mean in ns over the objects that were whole in the window; NaN for a hub that has none."""
    return ratio(evidence.total("done_ns", load, window), evidence.total("done", load, window))
