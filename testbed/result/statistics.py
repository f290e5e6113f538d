"""Statistics of paired differences; pure. docs/compare.md says why these and not others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import scipy

CONFIDENCE = 0.95
POWER = 0.95
WILCOXON_MINIMUM = 6
"""With fewer pairs no order of their signs is rarer than 5 %: Wilcoxon's test cannot say no."""


@dataclass(frozen=True)
class Paired:
    """What N paired differences (candidate - base) say about their mean.

    ``low`` and ``high`` are the 95 % interval of the mean, None with one pair that chance had a part in;
    ``p`` is the probability of such a mean, or a larger one, without any difference (two-sided);
    ``wilcoxon_p`` that of the signed ranks, None with too few pairs to tell; ``spread`` is the standard
    deviation of the differences, not below what their resolution hides.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    p: float | None
    spread: float | None = None
    wilcoxon_p: float | None = None

    def detectable(self, level: float, power: float = POWER) -> float | None:
        """Return the smallest true difference that this many pairs find with ``power`` at a ``level`` of false alarms.

        None where chance cannot be told from one pair; 0 where there is no chance.
        """
        if self.spread is None:
            return None if self.p is None else 0.0
        return self.spread * detectable_in_spreads(self.n, level, power)


def paired(differences: Sequence[float], resolution: float = 0.0, *, exact: bool = False) -> Paired:
    """Return what paired differences say; ``exact`` where chance had no part in any of them.

    ``resolution`` is the step in which the differences can be read: equal differences are known no better than
    a value that was rounded to it. The interval is Student's t. Raises ValueError without a difference.
    """
    if not len(differences):
        raise ValueError("no pair")
    d = np.asarray(differences, np.float64)
    mean = float(d.mean())
    if exact:
        return Paired(len(d), mean, mean, mean, 0.0 if np.any(d) else 1.0)
    if len(d) == 1:
        return Paired(1, mean, None, None, None)
    spread = max(float(d.std(ddof=1)), resolution / math.sqrt(12))
    if spread == 0:
        return Paired(len(d), mean, mean, mean, 1.0 if mean == 0 else 0.0, 0.0, _wilcoxon(d))
    error = spread / math.sqrt(len(d))
    half = float(scipy.stats.t.ppf((1 + CONFIDENCE) / 2, len(d) - 1)) * error
    p = float(2 * scipy.stats.t.sf(abs(mean) / error, len(d) - 1))
    return Paired(len(d), mean, mean - half, mean + half, p, spread, _wilcoxon(d))


def follows(values: Sequence[tuple[float, float]], chances: Sequence[tuple[float, float]]) -> bool:
    """Return whether values follow a chance that is known, one for one: by the slope of the pairs' sums, above a half.

    The sums say nothing about the differences, so that deciding by them spoils no test of those.
    """
    y, x = (np.sum(np.asarray(both, np.float64), axis=1) for both in (values, chances))
    x = x - x.mean()
    return bool(x @ y > 0.5 * (x @ x) > 0)


def _wilcoxon(d: np.ndarray) -> float | None:
    """Return the p of Wilcoxon's signed-rank test; pairs without a difference do not count."""
    moved = d[d != 0]
    return float(scipy.stats.wilcoxon(moved).pvalue) if len(moved) >= WILCOXON_MINIMUM else None


@cache
def detectable_in_spreads(n: int, level: float, power: float = POWER) -> float:
    """Return the true difference, in standard deviations, that ``n`` pairs find with ``power`` at a two-sided level."""
    critical = float(scipy.stats.t.ppf(1 - level / 2, n - 1))

    def found(shift: float) -> float:
        return float(scipy.stats.nct.sf(critical, n - 1, shift * math.sqrt(n))) - power

    return float(scipy.optimize.brentq(found, 1e-6, 10 * critical))


def holm(p: Sequence[float], level: float) -> tuple[bool, ...]:
    """Return which of several p-values count when all together may raise a false alarm at ``level`` (Holm 1979)."""
    counts = [False] * len(p)
    for rank, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[index] > level / (len(p) - rank):
            break
        counts[index] = True
    return tuple(counts)


SEGMENT = 4
"""The fewest values between two change points: fewer cannot tell a step from an outlier."""
_WIDTHS = (6, 12, 48)
"""How many values on either side are held against each other: the narrow ones see a level that soon goes back."""


def change_points(values: Sequence[float], level: float = 0.01) -> list[int]:
    """Return where a series changes: the indices of the first values of its new levels, in order.

    Binary segmentation: the place with the smallest p of Welch's t-test, of the values before it and after it, counts
    where p is below ``level`` by the number of tests that were made (Bonferroni); both parts are searched again.
    The same series always gives the same.
    """
    return sorted(_splits(np.asarray(values, np.float64), 0, level))


def _splits(values: np.ndarray, first: int, level: float) -> list[int]:
    places = range(SEGMENT, len(values) - SEGMENT + 1)
    if not places:
        return []
    p = [min(_welch(values[max(place - w, 0) : place], values[place : place + w]) for w in _WIDTHS) for place in places]
    best = int(np.argmin(p))
    if p[best] > level / len(places) / len(_WIDTHS):
        return []
    place = places[best]
    return [first + place, *_splits(values[:place], first, level), *_splits(values[place:], first + place, level)]


def _welch(left: np.ndarray, right: np.ndarray) -> float:
    if left.std() == 0 and right.std() == 0:
        return 0.0 if left[0] != right[0] else 1.0
    return float(scipy.stats.ttest_ind(left, right, equal_var=False).pvalue)
