"""fairness: Jain's index of what the hubs were carried.

(sum x)^2 / (n sum x^2), from 1/n (one hub has all) to 1 (all the same). R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984.
"""

from __future__ import annotations

import numpy as np

from testbed.metrics.fleet.evidence import Figures, FleetEvidence
from testbed.metrics.fleet.throughput import throughput
from testbed.metrics.window import Window


def jain(shares: Figures) -> float | None:
    """Return Jain's index of the shares that are known; None where all are 0 or none is known."""
    known = shares[~np.isnan(shares)]
    squares = float((known**2).sum())
    return float(known.sum()) ** 2 / (len(known) * squares) if squares else None


def fairness(evidence: FleetEvidence, load: str, window: Window, per: str = "hub") -> float | None:
    """Return Jain's index over the hubs that wanted anything."""
    return jain(throughput(evidence, load, window, per))
