"""Long series made short enough for a page, without hiding an extreme or a loss."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def extremes(
    t_ns: NDArray[np.int64], values: NDArray[np.float64], buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return at most two points a bucket of time, its lowest and its highest, in the order of time.

    ``t_ns`` is sorted. A series of no more than two points a bucket is returned as it is.
    """
    if len(t_ns) <= 2 * buckets:
        return t_ns, values
    span = int(t_ns[-1] - t_ns[0]) + 1
    bucket = (t_ns - t_ns[0]) * buckets // span
    order = np.lexsort((values, bucket))  # by bucket, from its lowest to its highest
    first = np.flatnonzero(np.diff(bucket[order], prepend=-1))
    last = np.append(first[1:], len(order)) - 1
    keep = np.unique(order[np.concatenate((first, last))])
    return t_ns[keep], values[keep]


def runs(lost: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each run of losses as a row (first, last), indices; however many there are."""
    edges = np.diff(np.concatenate(([0], lost.astype(np.int8), [0])))
    return np.stack((np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1), axis=1)
