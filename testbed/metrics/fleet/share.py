"""The share of hubs that keep a bound, and the worst of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from testbed.metrics.fleet.evidence import Figures


@dataclass(frozen=True)
class KeptShare:
    """How many hubs keep a bound: of ``known`` that have a figure, out of ``hubs``; the worst by name."""

    kept: int
    known: int
    hubs: int
    worst: str
    worst_value: float | None

    @property
    def least(self) -> float:
        """The share of all hubs that surely keep it."""
        return self.kept / self.hubs

    @property
    def most(self) -> float:
        """The share if those without a figure keep it as well."""
        return (self.kept + self.hubs - self.known) / self.hubs


def kept(
    figures: Figures, names: tuple[str, ...], holds: Callable[[float], bool], *, more_is_better: bool
) -> KeptShare:
    """Return which share of hubs keep a bound; a hub without a figure counts as neither."""
    known = ~np.isnan(figures)
    worst, value = "", None
    if known.any():
        index = int(np.nanargmin(figures) if more_is_better else np.nanargmax(figures))
        worst, value = names[index], float(figures[index])
    holding = sum(holds(float(figure)) for figure in figures[known])
    return KeptShare(holding, int(known.sum()), len(figures), worst, value)
