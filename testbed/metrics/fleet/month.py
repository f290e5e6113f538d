"""A month's bill of a fleet, estimated from sampled days with its error.

The days are sampled, the hubs are not: a busy day is busy for all of them, so the error is taken over days, by the
jackknife (Efron, Stein 1981), which bears a bill that bends at a bucket's edge. With the correction for a finite
month: all its days sampled leave no error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from testbed.model.data_plan import DataPlan

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A figure for the month and the half-width of its 95 % interval; None: one day tells nothing of the others."""

    value: float
    error: float | None


@dataclass(frozen=True)
class Month:
    """What a fleet uses and pays in a month; ``hubs`` is each hub's bill in USD by name."""

    days: int
    sampled: int
    bytes: Estimate
    usd: Estimate
    hubs: dict[str, float]


def month(used: NDArray[np.float64], names: Sequence[str], plan: DataPlan, days: int = 30) -> Month:
    """Return a month of ``days`` from the bytes of sampled days, shape (sampled days, hubs).

    Raises ValueError for no day, or more than the month has.
    """
    if not 1 <= len(used) <= days:
        raise ValueError(f"a month of {days} days is estimated from 1 to {days} of them, not {len(used)}")
    hubs = [plan.bill(float(mean), days) for mean in used.mean(axis=0)]
    return Month(
        days=days,
        sampled=len(used),
        bytes=_estimate(used, days, lambda part: float(part.mean(axis=0).sum()) * days),
        usd=_estimate(used, days, lambda part: sum(plan.bill(float(mean), days) for mean in part.mean(axis=0))),
        hubs=dict(zip(names, hubs, strict=True)),
    )


def _estimate(used: NDArray[np.float64], days: int, figure: Callable[[NDArray[np.float64]], float]) -> Estimate:
    n = len(used)
    if n < 2:
        return Estimate(figure(used), None)
    without = np.array([figure(np.delete(used, i, axis=0)) for i in range(n)])
    variance = (n - 1) / n * float(((without - without.mean()) ** 2).sum()) * (1 - n / days)
    quantile = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, n - 1))
    return Estimate(figure(used), quantile * math.sqrt(variance))
