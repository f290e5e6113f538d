"""How alike two recordings of one path are: distribution, steps at boundaries, upper tail, losses and their runs.

What a fit is judged by: the synthesis against the recording, and the recording's halves against each other.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Series
from testbed.traces.losses import loss_runs
from testbed.traces.slots import SLOT_NS

_WINDOW_NS = 4 * 10**9
_ASIDE_NS = 250 * 10**6
_FEWEST_IN_WINDOW = 3
_TERMS = 100
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Likeness:
    """Two recordings compared; pairs are (first, second), None where one has nothing of the kind.

    ``ks``: Kolmogorov-Smirnov distance of the RTTs. ``step_ns``: median step of the median RTT at boundaries.
    ``runs_p``: the chance that lengths of loss runs of one kind differ as much (Kolmogorov-Smirnov, two samples).
    """

    ks: float
    p95_ns: tuple[int, int]
    step_ns: tuple[int, int] | None
    loss: tuple[float, float]
    runs_p: float | None

    @property
    def p95_ratio(self) -> float:
        """The second's p95 by the first's."""
        return self.p95_ns[1] / max(1, self.p95_ns[0])

    @property
    def step_ratio(self) -> float | None:
        """The second's step by the first's."""
        if self.step_ns is None:
            return None
        return 1.0 if self.step_ns[0] == self.step_ns[1] else self.step_ns[1] / max(1, self.step_ns[0])

    @property
    def loss_factor(self) -> float:
        """How many times the lesser share of losses the greater is; 1 for two without."""
        low, high = sorted(self.loss)
        return 1.0 if low == high else high / low if low else float("inf")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, with the ratios."""
        ratios = {"p95_ratio": self.p95_ratio, "step_ratio": self.step_ratio, "loss_factor": self.loss_factor}
        return asdict(self) | ratios


def likeness(first: Series, second: Series, phases: tuple[int, int]) -> Likeness:
    """Compare two series of round trips; ``phases`` are the first boundaries of both.

    Raises ValueError where one of them has no answer.
    """
    values = [series.value[~series.lost] for series in (first, second)]
    if not all(map(len, values)):
        raise ValueError("nothing was answered")
    p95 = [round(float(np.percentile(value, 95))) for value in values]
    steps = [step(series, phase) for series, phase in zip((first, second), phases, strict=True)]
    runs = [loss_runs(series).length for series in (first, second)]
    return Likeness(
        ks=distance(*values),
        p95_ns=(p95[0], p95[1]),
        step_ns=None if steps[0] is None or steps[1] is None else (steps[0], steps[1]),
        loss=(float(first.lost.mean()), float(second.lost.mean())),
        runs_p=alike(*runs) if all(map(len, runs)) else None,
    )


def distance(first: Int, second: Int) -> float:
    """Return the largest distance of two empirical distributions (Kolmogorov-Smirnov)."""
    at = np.concatenate((first, second))
    shares = [np.searchsorted(np.sort(values), at, "right") / len(values) for values in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def alike(first: Int, second: Int) -> float:
    """Return the asymptotic chance of such a distance, or a greater, in two samples of one distribution.

    With the small-sample correction of Stephens (1970); for lengths, which repeat, it is on the cautious side.
    """
    size = np.sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (size + 0.12 + 0.11 / size) * distance(first, second)
    if scaled < 0.2:  # the series does not converge, and the chance is 1
        return 1.0
    terms = [(-1) ** (k - 1) * np.exp(-2 * (k * scaled) ** 2) for k in range(1, _TERMS)]
    return float(np.clip(2 * sum(terms), 0, 1))


def step(series: Series, phase_ns: int) -> int | None:
    """Return the median step of the median RTT at boundaries: 4 s behind against 4 s in front, 0.25 s left out."""
    found = steps(series, phase_ns)
    return round(float(np.median(found))) if len(found) else None


def steps(series: Series, phase_ns: int) -> NDArray[np.float64]:
    """Return the step at each boundary that has readings on both sides, ns."""
    kept = ~series.lost
    value = series.value[kept]
    return np.array(
        [
            abs(float(np.median(value[c:d]) - np.median(value[a:b])))
            for a, b, c, d in windows(series.t_ns[kept], phase_ns)
        ]
    )


def windows(t_ns: Int, phase_ns: int) -> Int:
    """Return where the 4 s in front of a boundary and those behind it begin and end: indices, shape (boundaries, 4).

    Boundaries without enough readings on both sides are left out.
    """
    at = np.arange(phase_ns % SLOT_NS, int(t_ns[-1]) if len(t_ns) else 0, SLOT_NS)
    edges = (-_ASIDE_NS - _WINDOW_NS, -_ASIDE_NS, _ASIDE_NS, _ASIDE_NS + _WINDOW_NS)
    found = np.stack([np.searchsorted(t_ns, at + edge) for edge in edges], axis=1)
    enough = np.minimum(found[:, 1] - found[:, 0], found[:, 3] - found[:, 2]) >= _FEWEST_IN_WINDOW
    return np.asarray(found[enough], np.int64)
