"""Runs of losses in a series of probes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Series

Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LossRuns:
    """Runs of lost probes, arrays of shape (runs,).

    ``length`` in probes; ``begin_ns`` the first lost probe; ``lasted_ns`` from it to the next probe that
    came back, or to the end; ``next_value`` that probe's value, 0 at the end.
    """

    length: Int
    begin_ns: Int
    lasted_ns: Int
    next_value: Int


def loss_runs(probes: Series) -> LossRuns:
    """Return the runs of lost probes of a series, in order."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], probes.lost, [False])).astype(np.int8)))
    begin, end = edges[::2], edges[1::2]
    times = np.append(probes.t_ns, probes.t_ns[-1:] + max(1, probes.cadence_ns))
    values = np.append(probes.value, 0)
    return LossRuns(end - begin, times[begin], times[end] - times[begin], values[end])
