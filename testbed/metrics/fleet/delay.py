"""delay_mean and delay_p99 of each hub's packets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.fleet.evidence import Figures, FleetEvidence, ratio
from testbed.metrics.window import Window

LEAST_FOR_P99 = 100
"""Packets without which a 99th percentile is the maximum by another name."""


def delay_mean(evidence: FleetEvidence, load: str, window: Window) -> Figures:
    """Return the mean delay in ns of what arrived in the window."""
    return ratio(evidence.total("delay_ns", load, window), evidence.total("arrived", load, window))


def delay_p99(evidence: FleetEvidence, load: str) -> Figures:
    """Return the 99th percentile in ns over the whole run, to the upper edge of its bucket (12.5 % wide at most)."""
    return percentile(evidence.delays[evidence.loads.index(load)], evidence.edges_ns, 0.99)


def percentile(counts: NDArray[np.int64], edges_ns: Figures, share: float) -> Figures:
    """Return the upper edge of the bucket that holds this share of each row; NaN for a row of too few."""
    upper = np.append(edges_ns[1:], edges_ns[-1])
    total = counts.sum(axis=1)
    reached = counts.cumsum(axis=1) >= np.ceil(share * total)[:, None]
    return np.where(total >= LEAST_FOR_P99, upper[reached.argmax(axis=1)], np.nan)
