"""A part of a run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """The part of a run that is looked at: start <= t < end, in ns since the run's start."""

    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    def holds(self, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of the times lie in the window."""
        return np.asarray((t_ns >= self.start_ns) & (t_ns < self.end_ns), np.bool_)
