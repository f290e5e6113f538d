"""loss: the share of each hub's packets that were lost, whether to the link, an outage or a full queue."""

from __future__ import annotations

from testbed.metrics.fleet.evidence import Figures, FleetEvidence, ratio
from testbed.metrics.window import Window


def loss(evidence: FleetEvidence, load: str, window: Window) -> Figures:
    """Return lost / sent of the window."""
    return ratio(evidence.total("lost", load, window), evidence.total("packets", load, window))
