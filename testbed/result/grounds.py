"""What a verdict rests on: parts of the testbed that had to live for it to count. See docs/result-schema.md."""

from __future__ import annotations

from collections.abc import Iterable

from testbed.model.ends import EVERYTHING, End
from testbed.model.facts import Facts
from testbed.model.objective import METRICS, Objective
from testbed.model.scenario import Scenario

BY_CARRIER = frozenset(
    {
        "failovers",
        "flaps",
        "false_alarms",
        "return_to_preferred",
        "new_flows_return",
        "stranded_time",
        "stranded_sessions",
    }
)
"""Metrics that ask which uplink carried the marked packets (heartbeat, new flows), whatever else they measure."""


def invalid(ends: Iterable[End]) -> str:
    """Return why a whole run counts for nothing: a part on which everything rests has ended. Empty: none has."""
    return "; ".join(str(end) for end in ends if end.of == EVERYTHING)


def missing(objective: Objective, scenario: Scenario, facts: Facts, ends: Iterable[End]) -> str:
    """Return which of the parts that measure an objective have ended. Empty: all were there."""
    streams = measured(objective, scenario, facts)
    return "; ".join(str(end) for end in ends if end.of in streams)


def asked_less(ends: Iterable[End]) -> str:
    """Return which traffic ended too early: without it the hub was asked less than the scenario asks."""
    return "; ".join(
        f"{end}; without {end.of} the hub was asked less" for end in ends if end.of != EVERYTHING
    )


def measured(objective: Objective, scenario: Scenario, facts: Facts) -> set[str]:
    """Return the names of the traffic whose samples an objective is measured from."""
    if not METRICS[objective.metric].of:
        return set(scenario.traffic)  # bytes on the links: everybody's
    subject = scenario.subject(objective)
    streams = {subject} if subject else {traffic.name for traffic in scenario.traffic_for(objective)}
    marked = {facts.heartbeat, facts.new_flows} if objective.metric in BY_CARRIER else set()
    return (streams | marked) - {""}
