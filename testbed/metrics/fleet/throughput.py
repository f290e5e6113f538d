"""throughput: what a load was carried to each hub; peak_load: what was sent towards all of them."""

from __future__ import annotations

from testbed.metrics.fleet.evidence import SECOND_NS, Figures, FleetEvidence
from testbed.metrics.window import Window


def throughput(evidence: FleetEvidence, load: str, window: Window, per: str = "hub") -> Figures:
    """Return bit/s carried to each hub; a hub that sent and was sent nothing has none."""
    rate = evidence.total("carried", load, window) * 8 * SECOND_NS / window.duration_ns
    whole = Window(0, evidence.whole.end_ns)
    idle = evidence.total("packets", load, whole) + evidence.total("offered", load, whole) == 0
    rate[idle] = float("nan")
    return evidence.per(rate, per)


def peak_load(evidence: FleetEvidence, load: str, window: Window) -> float | None:
    """Return the most bit/s that were sent in any one second of the window; None where nothing was."""
    by_second = evidence.by_second("offered", load, window).sum(axis=1)
    return float(by_second.max() * 8) if by_second.any() else None
