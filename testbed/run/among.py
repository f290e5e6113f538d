"""A scenario's hubs among the light ones of a fleet: real hubs whose links share their cells, in real time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import paths
from testbed.errors import InputError, Problem
from testbed.link.light_plan import LightPlan, Tallies
from testbed.metrics.evidence import Evidence
from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.metrics.fleet.real import with_real
from testbed.model import many_hubs
from testbed.model.event import Kind
from testbed.model.fleet import FleetHub
from testbed.model.fleet_scenario import Beats, Fetches, FleetScenario
from testbed.model.link import Direction
from testbed.model.many_hubs import own
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.traffic import HEARTBEAT_BYTES, HttpGet, UdpEcho
from testbed.run import fleet as fleets
from testbed.run.files import find_file
from testbed.run.fleet import FleetPlan
from testbed.units import format_duration

_HEADERS = 42
"""Bytes of Ethernet, IPv4 and UDP before a heartbeat's payload."""


@dataclass(frozen=True, eq=False)
class Among:
    """What a job plays: the fleet's question, its hubs, of which the first are ``real``, the engine's plan of them."""

    scenario: FleetScenario
    hubs: Sequence[FleetHub]
    light: LightPlan
    real: int = 1

    def cell(self, number: int, uplink: str, direction: Direction) -> str:
        """Return the engine's cell of a hub's uplink; empty where it shares none."""
        cell = self.hubs[number - 1].uplinks[uplink].cell
        return f"{cell} {direction}" if cell else ""

    def evidence(self, tallies: Tallies, run: Evidence) -> FleetEvidence:
        """Return what all hubs got: of the light ones by the engine, of the real ones by their probes."""
        found = fleets.evidence(self.scenario, self.hubs, tallies)
        size = HEARTBEAT_BYTES + _HEADERS
        for number in range(1, self.real + 1):
            kept = {load: run.samples.get(own(load, number)) for load in self.scenario.load}
            kinds = {load: self.scenario.load[load].kind for load, table in kept.items() if table is not None}
            beats = {load: (kept[load], size) for load, kind in kinds.items() if kind == "beat"}
            fetches = {load: kept[load] for load, kind in kinds.items() if kind == "fetch"}
            found = with_real(found, number - 1, beats, fetches)
        return found


def find(scenario: Scenario, topology: Topology, topology_path: Path, path: Path) -> FleetPlan | None:
    """Return the fleet that a scenario's hub is one of; None where it is alone. Raises InputError."""
    place = scenario.place.at("fleet")
    if not scenario.fleet:
        if topology.fleet is None:
            return None
        found = f"topology {scenario.topology} has a fleet of {topology.fleet.hubs} hubs, and a scenario has one"
        expected = "add 'fleet: NAME', a file in fleets/, or take hub-two-uplinks"
        raise InputError(scenario.place.at("topology"), found, expected)
    made = fleets.make(find_file(scenario.fleet, paths.FLEETS, "fleet scenario", place, path.parent))
    named = find_file(made.scenario.topology, paths.TOPOLOGIES, "topology", place, made.path.parent)
    if named != topology_path:
        found = f"fleet {scenario.fleet} is of topology {made.scenario.topology}"
        raise InputError(place, found, f"write 'topology: {made.scenario.topology}'")
    return made


def cell_of(made: FleetPlan, uplink: str) -> str:
    """Return the cell that the first hub's uplink shares; empty: none."""
    found = made.hubs[0].uplinks.get(uplink)
    return found.cell if found else ""


def problems(scenario: Scenario, made: FleetPlan) -> Iterator[Problem]:
    """Yield what does not fit: the time they take, what happens to the real hub, loads that it has otherwise."""
    place, theirs = scenario.place.at("fleet"), made.scenario
    if theirs.duration != scenario.duration:
        found = f"fleet {scenario.fleet} lasts {format_duration(theirs.duration)}"
        yield Problem(place, found, f"write 'duration: {format_duration(theirs.duration)}'")
    outages = {(event.uplink, event.at, event.end_ns) for event in scenario.events if event.kind is Kind.OUTAGE}
    for hub in made.hubs[: made.fleet.real]:
        for event, uplink in fleets.outages(made, hub):
            if (uplink, event.at, event.end_ns) not in outages:
                at, outage = format_duration(event.at), format_duration(event.outage)
                found = f"{uplink} of {hub.name} is out at {at} in fleet {scenario.fleet}, and not here"
                yield Problem(place, found, f"add '{{at: {at}, uplink: {uplink}, outage: {outage}}}' to the events")
    yield from many_hubs.problems(made.topology) if made.fleet.real > 1 else ()
    alike: Mapping[type, type] = {Beats: UdpEcho, Fetches: HttpGet}
    for name, load in theirs.load.items():
        traffic = scenario.traffic.get(name)
        if traffic is not None and not isinstance(traffic, alike.get(type(load), ())):
            found = f"traffic {name!r} is a {traffic.kind}, and in fleet {scenario.fleet} a {load.kind}"
            expected = "a beat is compared with a udp-echo, a fetch with a http-get; call it otherwise"
            yield Problem(traffic.place, found, expected)
