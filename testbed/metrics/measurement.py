"""What a metric answers, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from testbed.metrics.window import Window
from testbed.model.objective import Objective, Unit

if TYPE_CHECKING:
    from testbed.metrics.evidence import Evidence


@dataclass(frozen=True)
class Ask:
    """What is asked of a metric: of which stream, in which window, about which content, cache status and uplink."""

    of: str
    window: Window
    content: Literal["all", "cached"] = "all"
    status: Literal["any", "hit", "miss"] = "any"
    uplink: str = ""

    @classmethod
    def about(cls, objective: Objective, of: str, whole: Window) -> Ask:
        """Return what an objective asks; ``of`` and ``whole`` stand in where it names no stream or window."""
        window = Window(*objective.window) if objective.window else whole
        return cls(objective.of or of, window, objective.content, objective.status, objective.uplink)


@dataclass(frozen=True)
class Measurement:
    """A value with all that is needed to judge it.

    ``lower_bound`` says that the true value is at least ``value``: what was waited for did not
    come before the evidence ended. ``reason`` says why the value is missing or cannot be
    trusted; with a reason, or with fewer samples than the minimum, it supports no verdict.
    ``details`` holds plain JSON values.
    """

    value: float | None
    unit: Unit
    samples: int
    minimum_samples: int
    lower_bound: bool = False
    reason: str = ""
    details: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """How a metric is computed: its unit, what it counts as samples, how many of them it needs."""

    unit: Unit
    samples: str
    minimum_samples: int
    measure: Callable[[Evidence, Ask], Measurement]

    def answer(
        self,
        value: float | None,
        samples: int,
        *,
        lower_bound: bool = False,
        reason: str = "",
        details: Mapping[str, object] | None = None,
    ) -> Measurement:
        """Return a measurement in this metric's unit, with its minimum of samples."""
        return Measurement(
            value, self.unit, samples, self.minimum_samples, lower_bound, reason, details or {}
        )
