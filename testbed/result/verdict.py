"""Verdicts: an objective, the measurement it was judged by, and what follows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from testbed.metrics import METRICS
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement
from testbed.model.ends import End
from testbed.model.objective import Objective, Unit, format_value
from testbed.model.scenario import Scenario
from testbed.result import grounds


class Outcome(StrEnum):
    """What a verdict says."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    INVALID = "invalid"


@dataclass(frozen=True)
class Verdict:
    """An objective's outcome with all that is needed to understand it; numbers in the metric's base unit.

    ``margin`` is the room left to the bound, negative where the bound is broken. ``lower_bound``
    says that the true value is at least ``value``. ``reason`` explains every outcome but a plain one.
    ``key`` is the objective's from run to run, whatever its bound; empty in results of older versions.
    ``uncertainty`` is how far the true value may be from ``value``; None in those, too.
    """

    title: str
    metric: str
    of: str
    window_ns: tuple[int, int]
    relation: str
    bound: float
    unit: Unit
    value: float | None
    margin: float | None
    samples: int
    minimum_samples: int
    outcome: Outcome
    lower_bound: bool = False
    reason: str = ""
    details: Mapping[str, object] = field(default_factory=dict)
    key: str = ""
    uncertainty: float | None = None

    @property
    def measured(self) -> str:
        """The value for people: ``2.31 s``, ``> 35 s`` for a lower bound, ``none``."""
        if self.value is None:
            return "none"
        return f"{'> ' if self.lower_bound else ''}{format_value(self.value, self.unit)}"

    @property
    def bound_text(self) -> str:
        """The bound for people: ``at most 3 s``."""
        return f"{self.relation} {format_value(self.bound, self.unit)}"

    @property
    def line(self) -> str:
        """One line for a terminal or a log."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.outcome}: {self.title}: {self.measured}{reason}"


def evaluate(
    scenario: Scenario, evidence: Evidence, invalid: str = "", ends: Sequence[End] = (), band_ns: float = 0.0
) -> tuple[Verdict, ...]:
    """Measure and judge every objective of a scenario.

    ``invalid`` says why no verdict of the run counts: the emulation missed its fidelity budget, or a part
    on which everything rests has ended. ``ends`` are the parts that ended without being asked to. ``band_ns``
    is how uncertain a measured time is.
    """
    return tuple(
        _evaluate(scenario, objective, evidence, invalid, ends, band_ns) for objective in scenario.objectives
    )


def _evaluate(
    scenario: Scenario,
    objective: Objective,
    evidence: Evidence,
    invalid: str,
    ends: Sequence[End],
    band_ns: float,
) -> Verdict:
    ask = Ask.about(objective, scenario.subject(objective), evidence.whole)
    verdict = judge(objective, ask, METRICS[objective.metric].measure(evidence, ask), band_ns)
    if invalid:
        return replace(verdict, outcome=Outcome.INVALID, reason=invalid)
    unsure = grounds.missing(objective, scenario, evidence.facts, ends)
    if verdict.outcome is Outcome.PASS:
        unsure = unsure or grounds.asked_less(ends)
    return replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=unsure) if unsure else verdict


def judge(objective: Objective, ask: Ask, measured: Measurement, band_ns: float = 0.0) -> Verdict:
    """Return what a measurement means for an objective; ``band_ns`` is how uncertain a measured time is."""
    uncertainty = _uncertainty(measured, band_ns)
    outcome, reason = _outcome(objective, measured, uncertainty)
    margin = None
    if measured.value is not None:
        margin = objective.bound - measured.value if objective.at_most else measured.value - objective.bound
    return Verdict(
        title=objective.title,
        metric=objective.metric,
        of=ask.of,
        window_ns=(ask.window.start_ns, ask.window.end_ns),
        relation="at most" if objective.at_most else "at least",
        bound=objective.bound,
        unit=measured.unit,
        value=measured.value,
        margin=margin,
        samples=measured.samples,
        minimum_samples=measured.minimum_samples,
        outcome=outcome,
        lower_bound=measured.lower_bound,
        reason=reason,
        details=measured.details,
        key=objective.key,
        uncertainty=uncertainty,
    )


def _uncertainty(measured: Measurement, band_ns: float) -> float | None:
    """Return how far the true value may be from the measured one; what is counted is exact, and so is a time of 0."""
    if measured.value is None:
        return None
    return band_ns if measured.unit is Unit.DURATION and measured.value else 0.0


def _outcome(objective: Objective, measured: Measurement, uncertainty: float | None) -> tuple[Outcome, str]:
    if measured.reason or measured.value is None:
        return Outcome.INCONCLUSIVE, measured.reason or "no value"
    if measured.samples < measured.minimum_samples:
        counted = METRICS[objective.metric].samples
        return Outcome.INCONCLUSIVE, f"{measured.samples} {counted}, {measured.minimum_samples} are needed"
    holds = objective.holds(measured.value)
    # Of a lower bound, only "already too long" and "already enough" are certain.
    if measured.lower_bound and holds == bool(objective.at_most):
        shown = format_value(measured.value, measured.unit)
        if measured.unit is Unit.COUNT:
            return Outcome.INCONCLUSIVE, f"{shown} at least; of the rest it is not known"
        return Outcome.INCONCLUSIVE, f"still going on after {shown}, when the window ended"
    if uncertainty and abs(measured.value - objective.bound) < uncertainty:
        away = format_value(abs(measured.value - objective.bound), measured.unit)
        return Outcome.INCONCLUSIVE, f"{away} from the bound, known to {format_value(uncertainty, measured.unit)}"
    return (Outcome.PASS, "") if holds else (Outcome.FAIL, "")


def withheld(verdicts: Iterable[Verdict], why: str) -> tuple[Verdict, ...]:
    """Return verdicts of which none is a pass: one that was is inconclusive, and says ``why``."""
    return tuple(
        replace(verdict, outcome=Outcome.INCONCLUSIVE, reason=why) if verdict.outcome is Outcome.PASS else verdict
        for verdict in verdicts
    )


class Judged(Protocol):
    """What an exit status needs of a verdict."""

    @property
    def outcome(self) -> Outcome: ...


def exit_status(verdicts: Iterable[Judged]) -> int:
    """Return the exit status of a run: 0 every objective passed, 1 one failed, 3 it could not be told.

    Invalid counts before failed (a broken emulation proves nothing), failed before inconclusive.
    """
    outcomes = {verdict.outcome for verdict in verdicts}
    if Outcome.INVALID in outcomes:
        return 3
    if Outcome.FAIL in outcomes:
        return 1
    return 3 if Outcome.INCONCLUSIVE in outcomes or not outcomes else 0
