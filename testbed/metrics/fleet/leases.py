"""lease_time: how long a hub that came back asked for a lease; lease_peak: what reached the server in a second."""

from __future__ import annotations

import numpy as np

from testbed.metrics.fleet.evidence import SECOND_NS, Figures, FleetEvidence
from testbed.metrics.window import Window


def lease_time(evidence: FleetEvidence, uplink: str, window: Window) -> Figures:
    """Return the longest time in ns of each hub from its asking, in the window, until it had a lease; one that has none
    at the end, the time until then. NaN: it did not ask, or nobody knows."""
    figures = np.full(len(evidence.hubs), np.nan)
    storm = evidence.leases.get(uplink)
    if storm is None:
        return figures
    for ask, leased in zip(storm.asks, storm.leased_ns.tolist(), strict=True):
        if window.start_ns <= ask.t_ns < window.end_ns:
            until = leased if leased >= 0 else evidence.whole.end_ns
            figures[ask.client] = np.fmax(figures[ask.client], until - ask.t_ns)
    return figures


def lease_peak(evidence: FleetEvidence, uplink: str, window: Window) -> float | None:
    """Return the most messages in any one second of the window; None where nobody asked, or nobody knows."""
    storm = evidence.leases.get(uplink)
    if storm is None:
        return None
    t_ns = storm.messages_ns
    inside = t_ns[(t_ns >= window.start_ns) & (t_ns < window.end_ns)]
    return float(np.bincount(inside // SECOND_NS).max()) if len(inside) else None
