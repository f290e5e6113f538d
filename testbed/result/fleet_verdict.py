"""Verdicts on a fleet: an objective, its figure, the share of hubs that keep it, the worst hub by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from testbed import units
from testbed.metrics import fleet as metrics
from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.metrics.fleet.share import kept
from testbed.model.fleet_objective import FLEET_METRICS, FleetObjective, write_value
from testbed.result.verdict import Outcome


@dataclass(frozen=True)
class FleetVerdict:
    """An objective's outcome. ``value`` is the fleet's figure, or the share of hubs that surely keep the bound;
    ``without`` hubs have no figure. Numbers in base units; None: not known.
    """

    title: str
    metric: str
    of: str
    outcome: Outcome
    value: float | None
    measured: str
    worst: str = ""
    worst_value: float | None = None
    without: int = 0
    reason: str = ""

    @property
    def line(self) -> str:
        """One line for a terminal or a log."""
        return f"{self.outcome}: {self.title}: {self.measured}{f' ({self.reason})' if self.reason else ''}"


def judge(evidence: FleetEvidence, objectives: Sequence[FleetObjective], invalid: str = "") -> list[FleetVerdict]:
    """Return a verdict on each objective, in their order; ``invalid`` says why none of them counts."""
    verdicts = [
        _of_hubs(evidence, objective) if FLEET_METRICS[objective.metric].of_hub else _of_all(evidence, objective)
        for objective in objectives
    ]
    return [replace(v, outcome=Outcome.INVALID, reason=invalid) for v in verdicts] if invalid else verdicts


def _of_all(evidence: FleetEvidence, objective: FleetObjective) -> FleetVerdict:
    value = metrics.of_all(evidence, objective)
    head = (objective.title, objective.metric, objective.of)
    if value is None:
        return FleetVerdict(*head, Outcome.INCONCLUSIVE, None, "none", reason="nothing was carried in the window")
    outcome = Outcome.PASS if objective.holds(value) else Outcome.FAIL
    return FleetVerdict(*head, outcome, value, write_value(value, FLEET_METRICS[objective.metric].unit))


def _of_hubs(evidence: FleetEvidence, objective: FleetObjective) -> FleetVerdict:
    figures = metrics.of_hubs(evidence, objective)
    found = kept(figures, evidence.hubs, objective.holds, more_is_better=bool(objective.at_least))
    without, unit = found.hubs - found.known, FLEET_METRICS[objective.metric].unit
    head = (objective.title, objective.metric, objective.of)
    if found.worst_value is None:
        return FleetVerdict(*head, Outcome.INCONCLUSIVE, None, "none", without=without, reason="no hub has a figure")
    outcome, reason = Outcome.PASS, ""
    if found.most < objective.hubs:
        outcome = Outcome.FAIL
    elif found.least < objective.hubs:
        outcome, reason = Outcome.INCONCLUSIVE, f"{without} hubs without a figure could decide it"
    measured = f"{units.format_share(found.least)} of hubs, worst {found.worst} {write_value(found.worst_value, unit)}"
    return FleetVerdict(*head, outcome, found.least, measured, found.worst, found.worst_value, without, reason)
