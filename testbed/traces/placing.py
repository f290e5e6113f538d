"""Losses as a recording had them: how many runs, how long, set at random among the answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from testbed.traces.profile import Spell

Int = NDArray[np.int64]


def drawn(stretches: Sequence[Spell], wanted: float, chance: np.random.Generator) -> list[Spell]:
    """Return about ``wanted`` stretches in random order, evenly over all lengths.

    As many as were recorded are those that were recorded. The fraction of ``wanted`` decides by chance whether there
    is one more.
    """
    each = sorted((one for one in stretches for _ in range(one.times)), key=lambda one: one.lasted)
    count = int(wanted) + int(chance.random() < wanted % 1)
    at = ((np.arange(count) + chance.random()) / max(1, count) * len(each)).astype(np.int64)
    return [each[i] for i in chance.permutation(at)]


def scattered(lengths: Sequence[int], free: int, chance: np.random.Generator) -> NDArray[np.bool_]:
    """Return which of ``free`` probes are lost: runs of these lengths, an answer or more between any two.

    Runs for which there is no room are left out.
    """
    fitting = np.array(lengths, np.int64)
    fitting = fitting[np.cumsum(fitting + 1) <= free + 1]
    answered = free - int(fitting.sum())
    places = np.sort(chance.choice(answered + 1, len(fitting), replace=False))
    begins = places + np.concatenate(([0], np.cumsum(fitting)[:-1])) if len(fitting) else places
    lost = np.zeros(free + 1, np.int64)
    np.add.at(lost, begins, 1)
    np.add.at(lost, begins + fitting, -1)
    return np.asarray(np.cumsum(lost)[:-1] > 0, np.bool_)


def apart(lasted_ns: Sequence[int], duration_ns: int, chance: np.random.Generator) -> list[int]:
    """Return when stretches begin, in this order, none before the one in front has ended.

    Those without room are left out.
    """
    ends = np.cumsum(np.array(lasted_ns, np.int64))
    ends = ends[ends < duration_ns]
    free = duration_ns - (int(ends[-1]) if len(ends) else 0)
    before = np.concatenate(([0], ends[:-1])) if len(ends) else ends
    return [int(begin) for begin in np.sort(chance.integers(0, free, len(ends))) + before]
