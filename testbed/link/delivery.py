"""Delivery opportunities (mahimahi's traces) as segments of a schedule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.model.link import LinkState

OPPORTUNITY_BYTES = 1500
"""What one line of a mahimahi trace lets through (Netravali et al., USENIX ATC 2015)."""
_BITS_PER_NS = 8 * 10**9


def delivery_segments(
    at_ns: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return the columns t_ns, rate_bps and state that let 1,500 bytes through at each instant.

    `at_ns` is ascending; an instant named k times lets k times as much through. An opportunity is one
    nanosecond at the rate that serves it; before and after it the server holds. Capacity that nobody
    waits for is gone, as in mahimahi. Raises ValueError for instants that descend or are negative.
    """
    if len(at_ns) and (at_ns[0] < 0 or np.any(np.diff(at_ns) < 0)):
        raise ValueError("delivery opportunities need to ascend from 0")
    instants, times = np.unique(at_ns, return_counts=True)
    t = np.stack([instants, instants + 1], axis=1).ravel()
    rate = np.repeat(times * (OPPORTUNITY_BYTES * _BITS_PER_NS), 2)
    state = np.tile(np.array([LinkState.PASS, LinkState.HOLD], np.uint8), len(instants))
    if not len(t) or t[0] > 0:
        t, rate, state = np.insert(t, 0, 0), np.insert(rate, 0, 0), np.insert(state, 0, LinkState.HOLD)
    keep = np.append(np.diff(t) > 0, True)  # an opportunity right after another one ends the hold between
    return t[keep].astype(np.int64), rate[keep].astype(np.int64), state[keep].astype(np.uint8)
