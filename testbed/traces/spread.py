"""Round trips with the distribution of a recording, to the quantile, that step and drift as it did.

A Gaussian copula: a process of normal scores says when the RTT is high and when it is low, the recorded quantiles say
how high. The scores are the sum of a level for each slot and of what happens inside it, part of which drifts.
Levels are drawn evenly over their spread, and in an order that steps as the recording did: so a synthesis as
long as the recording has its statistics, and not those of a lucky or an unlucky draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from testbed.traces.likeness import windows
from testbed.traces.profile import Spread

Floats = NDArray[np.float64]
Int = NDArray[np.int64]

_SCORES = np.linspace(-6, 6, 2401)
_SHARES = np.array([NormalDist().cdf(score) for score in _SCORES])
_MEMORIES = (
    -0.5,
    -0.35,
    -0.2,
    -0.1,
    0.0,
    0.1,
    0.2,
    0.3,
    0.4,
    0.5,
    0.6,
    0.7,
    0.8,
    0.9,
    0.95,
    0.98,
    0.99,
    0.997,
    0.999,
)
_DRAWS = 12
_ATTEMPTS = 6
_NEAR = 0.05
_FEW = 0.002
_HIGHEST = 12.0
"""Scores that are raised by this rank above all others."""
_RESOLUTION_NS = 10_000
_KEEP_ORDER = 6
"""How often order and distribution are made to agree: each undoes a little of the other, less each time."""


def scores_of(values: NDArray[np.float64] | Int) -> Floats:
    """Return the normal scores of values by their ranks."""
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.arange(len(values))
    return np.asarray(np.interp((ranks + 0.5) / len(values), _SHARES, _SCORES), np.float64)


def score_at(spread: Spread, rtt_ns: int) -> float:
    """Return the normal score of an RTT."""
    shares = np.linspace(0, 1, 1001)
    return float(np.interp(np.interp(rtt_ns, quantiles(spread, shares), shares), _SHARES, _SCORES))


def quantiles(spread: Spread, shares: Floats) -> Floats:
    """Return the RTT (ns) below which shares of the probes lie."""
    at = np.linspace(0, 1, len(spread.rtt))
    values = np.array(spread.rtt, np.float64)
    if spread.tail:
        inner = np.linspace(at[-2], 1, len(spread.tail) + 2)[1:-1]
        at = np.concatenate((at[:-1], inner, at[-1:]))
        values = np.concatenate((values[:-1], spread.tail, values[-1:]))
    return np.asarray(np.interp(shares, at, values), np.float64)


@dataclass(frozen=True, eq=False)
class Raised:
    """The queue behind gaps: how much of it there is at each time (0 to 1), where it begins, the RTT there (ns)."""

    share: Floats
    first: Int
    rtt_ns: int


def round_trips(
    spread: Spread, t: Int, *, slots: bool, raised: Raised | None, chance: np.random.Generator
) -> Floats:
    """Return RTTs (ns) at times, with the spread's distribution, its step, and the queue behind gaps.

    The order of answers and the ranks move step and queue a little, so both are aimed at more than once.
    """
    level, inside = chance.spawn(2)
    within = np.sqrt(1 - spread.between) * _within(spread, t, inside)
    fresh = level.standard_normal((_DRAWS, int(t[-1] // spread.every) + (1 if slots else 2)))
    places, at = _places(spread, t, within), windows(t, 0)
    best, least, aim_ns = t.astype(np.float64), np.inf, float(spread.step)
    queue = 0.0 if raised is None else score_at(spread, raised.rtt_ns)
    for _ in range(_ATTEMPTS):
        scores = _at(_ordered(spread, fresh, places, slots, aim_ns), t, spread.every, slots) + within
        if raised is not None:
            scores += queue * raised.share
        rtt = _with_distribution(spread, t, scores)
        step_off = _off(_step_of(rtt, at), spread.step) if len(at) else 0.0
        queue_off = 0.0 if raised is None else _off(float(np.median(rtt[raised.first])), raised.rtt_ns)
        off = max(abs(step_off), abs(queue_off))
        if off < least:
            best, least = rtt, off
        if least < _NEAR:
            break
        aim_ns *= np.exp(-step_off)
        queue = float(np.clip(queue - 3 * queue_off, 0, _HIGHEST))
    return best


def _with_distribution(spread: Spread, t: Int, scores: Floats) -> Floats:
    """Return RTTs that are high where the scores are, have the spread's quantiles, and let no answer overtake."""
    rtt = scores
    for _ in range(_KEEP_ORDER):
        wanted = quantiles(spread, np.interp(scores_of(rtt), _SCORES, _SHARES))
        rtt = np.maximum.accumulate(t + wanted) - t
        if float(np.mean(rtt != wanted)) < _FEW:
            break
    return rtt


def _step_of(rtt: Floats, at: Int) -> float:
    return float(np.median([abs(np.median(rtt[c:d]) - np.median(rtt[a:b])) for a, b, c, d in at]))


def _off(got_ns: float, wanted_ns: float) -> float:
    """Return by how much a step is off, as a logarithm; what is smaller than clocks show is nothing."""
    return float(np.log((got_ns + _RESOLUTION_NS) / (wanted_ns + _RESOLUTION_NS)))


def _ordered(
    spread: Spread, fresh: Floats, places: list[tuple[Int, Floats]], slots: bool, aim_ns: float
) -> Floats:
    """Return the levels' part of the scores, in the order whose median step comes nearest to the one aimed at.

    Tried are all draws (rows of ``fresh``), each with many memories of one level for the next.
    """
    best, least = np.zeros(fresh.shape[1]), np.inf
    for row in fresh:
        for memory in _MEMORIES:
            levels = np.sqrt(spread.between) * scores_of(_remembering(row, memory))
            at = [score + _at(levels, times, spread.every, slots) for times, score in places]
            off = abs(_off(_median_step(spread, *at), aim_ns))
            if off < least:
                best, least = levels, off
    return best


def _at(levels: Floats, t: Int, every: int, slots: bool) -> Floats:
    """Return the level at times: one a slot, or running from one to the next."""
    if slots:
        return np.asarray(levels[t // every], np.float64)
    return np.asarray(np.interp(t, np.arange(len(levels)) * every, levels) * np.sqrt(1.5), np.float64)


def _places(spread: Spread, t: Int, within: Floats) -> list[tuple[Int, Floats]]:
    """Return what steps are read off, in front of boundaries and behind them: a time in each window, the score there.

    Where the probes are too few for such windows: the middles of neighbouring levels.
    """
    found = windows(t, 0)
    if not len(found):
        middles = np.arange(spread.every // 2, int(t[-1]), spread.every)
        return [(times, np.zeros(len(times))) for times in (middles[:-1], middles[1:])]
    sides = [found[:, :2], found[:, 2:]]
    return [
        (t[side.mean(axis=1).astype(np.int64)], np.array([np.median(within[a:b]) for a, b in side]))
        for side in sides
    ]


def _median_step(spread: Spread, before: Floats, after: Floats) -> float:
    if not len(before):
        return 0.0
    rtt = [quantiles(spread, np.interp(scores, _SCORES, _SHARES)) for scores in (before, after)]
    return float(np.median(np.abs(rtt[1] - rtt[0])))


def _remembering(fresh: Floats, memory: float) -> Floats:
    scores = fresh.copy()
    share = np.sqrt(1 - memory**2)
    for i in range(1, len(fresh)):
        scores[i] = memory * scores[i - 1] + share * fresh[i]
    return scores


def _within(spread: Spread, t: Int, chance: np.random.Generator) -> Floats:
    """Return scores of which ``drift`` runs from knot to knot, and the rest is new with each probe."""
    count = int(t[-1] // spread.correlation) + 2
    drift = np.interp(t, np.arange(count) * spread.correlation, chance.standard_normal(count))
    fresh = chance.standard_normal(len(t))
    return np.asarray(np.sqrt(1.5 * spread.drift) * drift + np.sqrt(1 - spread.drift) * fresh, np.float64)
