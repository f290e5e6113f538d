"""What a scenario chooses for its hub, against the topology that the hub stands in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from testbed.errors import Problem, did_you_mean
from testbed.model.bench import Bench
from testbed.model.event import Kind
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.traffic import HttpGet
from testbed.yaml import overrides

_TIMERS: Mapping[str, tuple[str, ...]] = {
    "timers": ("ping-tracked", "dish-aware", "weighted", "overflow"),
    "dish": ("dish-aware",),
    "bfd": ("bgp-bfd",),
    "overflow": ("overflow",),
    "weights": ("weighted",),
}
"""A key of ``hub`` -> the failovers that read it; what a role of one's own reads is its own affair."""


_BY_CACHE = ("hit_ratio", "byte_hit_ratio", "edge_served", "stale_age")
"""Metrics of requests that are about what a cache did."""

CLOSED: Mapping[str, str] = {
    "http-get": "without 'to' asks the hub's own cache",
    "http-put": "uploads through the hub's own cache",
    "sdk-upload": "uploads through the hub's own cache",
}
"""Traffic that a hub without our roles does not take, and why."""


def problems(scenario: Scenario, topology: Topology, bench: Bench | None = None) -> Iterator[Problem]:
    """Yield what of the scenario's ``hub`` cannot be, or would do nothing."""
    yield from _past_the_cache(scenario)
    if scenario.hub.closed or not scenario.hub.cache:
        for event in scenario.events:
            if event.kind is Kind.CACHE_DOWN:
                yield Problem(event.place, f"{event.kind}, and the hub has no cache of ours", "leave the event out")
    if scenario.hub.closed:
        yield from _closed_problems(scenario, bench)
        return
    if bench and bench.closed:
        place = scenario.hub.place if scenario.hub.place.file else scenario.place.at("hub")
        found = f"bench {bench.name} has no ssh, and without it nothing is configured on its hub"
        yield Problem(place, found, "write hub: {provision: none}, or add ssh to the bench")
    failover, place = scenario.hub.failover, scenario.hub.place.at("failover")
    if scenario.hub.tunnelled and topology.edge is None:
        found = f"topology {scenario.topology} has no edge, where the tunnels of {failover} end"
        yield Problem(place, found, "choose another topology or failover")
    if failover == "overflow" and len(topology.uplinks) < 2:
        found = f"topology {scenario.topology} has one uplink, which leaves nowhere to overflow to"
        yield Problem(place, found, "choose another topology or failover")
    for uplink in scenario.hub.weights:
        if uplink not in topology.uplinks:
            found = f"topology {scenario.topology} has no uplink {uplink!r}"
            yield Problem(scenario.hub.place.at("weights"), found, did_you_mean(uplink, topology.uplinks))
    if not (_exchanged(scenario, "failover") or scenario.hub.own_role):
        yield from _timer_problems(scenario)


def _closed_problems(scenario: Scenario, bench: Bench | None) -> Iterator[Problem]:
    hub = scenario.hub
    if bench is None:
        found = "provision: none of a virtual hub, which would have neither addresses nor routes"
        yield Problem(hub.place.at("provision"), found, "put a hub in that has: --bench FILE")
    if not _exchanged(scenario, "provision"):
        for key in hub.place.keys.keys() - {"provision"}:
            found = f"{key} beside provision: none, which configures nothing"
            yield Problem(hub.place.at(key), found, "leave it out")
    for traffic in scenario.traffic.values():
        if (why := CLOSED.get(traffic.kind)) and "to" not in traffic.ends:
            found = f"{traffic.kind} {why}, and with provision: none the hub has none of ours"
            yield Problem(traffic.place, found, "leave it and its objectives out, or choose other traffic")


def _past_the_cache(scenario: Scenario) -> Iterator[Problem]:
    for objective in scenario.objectives:
        traffic = scenario.traffic.get(objective.of)
        if not isinstance(traffic, HttpGet) or not traffic.to:
            continue
        if objective.metric in _BY_CACHE or objective.content == "cached" or objective.status != "any":
            found = f"{objective.metric} of what a cache had, and {traffic.name} asks {traffic.to} itself"
            yield Problem(objective.place, found, f"leave 'to' of {traffic.name} away, or ask another metric")


def _timer_problems(scenario: Scenario) -> Iterator[Problem]:
    for key, readers in _TIMERS.items():
        if key in scenario.hub.place.keys and scenario.hub.failover not in readers:
            found = f"{key} beside failover {scenario.hub.failover}, which does not read it"
            expected = f"leave it out, or choose {' or '.join(readers)}"
            yield Problem(scenario.hub.place.at(key), found, expected)


def _exchanged(scenario: Scenario, key: str) -> bool:
    """Whether a value of ``hub`` is this run's alone: what the file has for the other one is then left as it is."""
    return scenario.hub.place.at(key).file.startswith(overrides.ORIGIN)
