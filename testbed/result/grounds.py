"""What a verdict rests on: parts of the testbed that had to live for it to count. See docs/result-schema.md."""

from __future__ import annotations

from collections.abc import Iterable

from testbed.model.ends import EVERYTHING, End
from testbed.model.objective import METRICS, Objective
from testbed.model.scenario import Scenario
from testbed.model.traffic import UdpFlows

BY_CARRIER = frozenset(
    {"failovers", "flaps", "false_alarms", "return_to_preferred", "stranded_time", "stranded_sessions"}
)
"""Metrics that ask which uplink carried the heartbeat, whatever else they measure."""


def invalid(ends: Iterable[End]) -> str:
    """Return why a whole run counts for nothing: a part on which everything rests has ended. Empty: none has."""
    return "; ".join(str(end) for end in ends if end.of == EVERYTHING)


def missing(objective: Objective, scenario: Scenario, heartbeat: str, ends: Iterable[End]) -> str:
    """Return which of the parts that measure an objective have ended. Empty: all were there."""
    streams = measured(objective, scenario, heartbeat)
    return "; ".join(str(end) for end in ends if end.of in streams)


def asked_less(ends: Iterable[End]) -> str:
    """Return which traffic ended too early: without it the hub was asked less than the scenario asks."""
    return "; ".join(
        f"{end}; without {end.of} the hub was asked less" for end in ends if end.of != EVERYTHING
    )


def measured(objective: Objective, scenario: Scenario, heartbeat: str) -> set[str]:
    """Return the names of the traffic whose samples an objective is measured from."""
    if not METRICS[objective.metric].of:
        return set(scenario.traffic)  # bytes on the links: everybody's
    subject = scenario.subject(objective)
    streams = {subject} if subject else {traffic.name for traffic in scenario.traffic_for(objective)}
    if objective.metric == "stranded_sessions":  # a return is that of new flows, where there are some
        streams |= {traffic.name for traffic in scenario.traffic.values() if isinstance(traffic, UdpFlows)}
    return streams | {heartbeat} if objective.metric in BY_CARRIER else streams
