"""A fleet's scenario made ready and played: all that is wrong with its files is found before anything starts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from testbed import paths
from testbed.errors import InputError, Problem
from testbed.link import light_plan
from testbed.link.layout import bucket_edges
from testbed.link.light import LightFleet
from testbed.link.light_plan import (
    HubMove,
    LaneCut,
    LightHub,
    LightLane,
    LightPlan,
    LightStream,
    LoadKind,
    Tallies,
)
from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.model.catalogue import Catalogue
from testbed.model.cell import Cell
from testbed.model.fleet import Fleet, FleetHub
from testbed.model.fleet_scenario import Beats, CellProfile, Fetches, FleetEvent, FleetScenario, Flood
from testbed.model.lease import LeaseAsk, LeaseStorm, storm
from testbed.model.link import Direction, LinkSchedule, QueueLimit
from testbed.model.scenario import question
from testbed.model.topology import Topology
from testbed.model.trace import SeriesName
from testbed.result.usage import UsageRow
from testbed.run.files import find_file
from testbed.traces import store
from testbed.traces.compile import LinkPair, compile_link
from testbed.yaml import load
from testbed.yaml.overrides import Override

OWN_QUEUE = QueueLimit(time_ns=100 * 10**6)
"""The queue of an uplink that shares no cell."""
MOST_SIZES = 2000
"""How finely the sizes of a catalogue's objects are drawn."""


@dataclass(frozen=True, eq=False)
class FleetPlan:
    """A fleet's scenario, resolved: each hub, what its uplinks play, what its users ask for."""

    path: Path
    question: str
    scenario: FleetScenario
    topology: Topology
    fleet: Fleet
    hubs: Sequence[FleetHub]
    links: Mapping[tuple[str, str], LinkPair]
    sizes: Mapping[str, tuple[int, ...]]
    capacities: Mapping[str, LinkPair]

    @cached_property
    def among(self) -> LightPlan:
        """What the engine plays where the first hubs are real."""
        return light(self, real=self.fleet.real)

    @cached_property
    def storms(self) -> Mapping[str, LeaseStorm]:
        """What comes of all that ask for leases, by uplink."""
        return storms(self)

    @cached_property
    def leased(self) -> Mapping[tuple[str, int, int], int]:
        """When each has its lease, by uplink, hub (from 0) and when it asked; the scenario's end where it gets none."""
        return {
            (uplink, ask.client, ask.t_ns): leased if leased >= 0 else self.scenario.duration
            for uplink, of in self.storms.items()
            for ask, leased in zip(of.asks, of.leased_ns.tolist(), strict=True)
        }

    def pair(self, hub: FleetHub, uplink: str) -> LinkPair:
        """Return what an uplink of a hub plays."""
        return self.links[uplink, hub.traces.get(uplink, self.scenario.uplinks[uplink].trace)]


def find(name: str) -> Path:
    """Return the file of a fleet's scenario given by its name or path. Raises InputError with close names."""
    return find_file(name, paths.FLEETS, "fleet scenario")


def make(path: Path, changes: Sequence[Override] = ()) -> FleetPlan:
    """Read and resolve a fleet's scenario. Raises InputError with every problem found."""
    scenario = load.read(path, FleetScenario, changes)
    place = scenario.place.at("topology")
    found = find_file(scenario.topology, paths.TOPOLOGIES, "topology", place, path.parent)
    topology = load.read(found, Topology)
    if topology.fleet is None:
        expected = "take fleet-shared-cells, or add 'fleet:'"
        raise InputError(place, f"topology {scenario.topology} has no fleet", expected)
    fleet = sized(topology.fleet, scenario)
    problems: list[Problem] = [*scenario.misfits(fleet, topology.uplinks)]
    problems += fleet.problems()
    if problems:
        raise InputError.of(problems)
    hubs = list(fleet.all(topology.hub_ports))
    links: dict[tuple[str, str], LinkPair] = {}
    for name, link in scenario.uplinks.items():
        for trace in {link.trace, *(hub.traces.get(name, link.trace) for hub in hubs)}:
            try:
                links[name, trace] = _pair(scenario, name, trace)
            except InputError as error:
                problems += error.problems
    capacities: dict[str, LinkPair] = {}
    for name, profile in ((name, profile) for name, profile in scenario.cells.items() if profile.trace):
        try:
            capacities[name] = _capacity(scenario, profile)
        except InputError as error:
            problems += error.problems
    sizes: dict[str, tuple[int, ...]] = {}
    for load_ in (s for s in scenario.load.values() if isinstance(s, Fetches)):
        for catalogue in {hub.catalogue for hub in hubs}:
            try:
                sizes[catalogue] = _sizes(load_, catalogue, path)
            except InputError as error:
                problems += error.problems
    if problems:
        raise InputError.of(problems)
    return FleetPlan(path, question(path), scenario, topology, fleet, hubs, links, sizes, capacities)


def sized(fleet: Fleet, scenario: FleetScenario) -> Fleet:
    """Return the fleet with as many hubs as the scenario plays."""
    if not scenario.hubs:
        return fleet
    table = {number: row for number, row in fleet.table.items() if int(number) <= scenario.hubs}
    return replace(fleet, hubs=scenario.hubs, table=table, real=min(fleet.real, scenario.hubs))


def _pair(scenario: FleetScenario, name: str, trace_name: str) -> LinkPair:
    link = scenario.uplinks[name]
    if not trace_name:
        assert link.fixed is not None  # the model refuses a link with neither
        return compile_link(link.fixed, duration_ns=scenario.duration, seed=scenario.seed, queue=OWN_QUEUE)
    place = link.place.at("trace")
    trace = store.read(store.find(trace_name, place=place))
    made = compile_link(trace, duration_ns=trace.duration_ns, seed=scenario.seed, queue=OWN_QUEUE, place=place)
    return LinkPair(*(replace(schedule, repeat=True) for schedule in made))


def _capacity(scenario: FleetScenario, profile: CellProfile) -> LinkPair:
    place = profile.place.at("trace")
    trace = store.read(store.find(profile.trace, place=place))
    if SeriesName.UP_RATE not in trace.series or SeriesName.DOWN_RATE not in trace.series:
        raise InputError(place, f"trace {profile.trace} has no rates", "take one with up_rate and down_rate")
    return compile_link(trace, duration_ns=trace.duration_ns, seed=scenario.seed, place=place)


def _sizes(fetches: Fetches, catalogue: str, path: Path) -> tuple[int, ...]:
    """Return sizes to draw from, each alike, in the proportions of a catalogue's requests."""
    if fetches.object:
        return (fetches.object,)
    place = fetches.place
    if not catalogue:
        expected = "write 'object: SIZE', or 'catalogue:' in the fleet"
        raise InputError(place, "a hub's profile has no catalogue", expected)
    read = load.read(find_file(catalogue, paths.CATALOGUES, "catalogue", place, path.parent), Catalogue)
    counts = [(o.size, round(o.weight * MOST_SIZES)) for o in read.objects()]
    return tuple(size for size, count in counts for _ in range(count))


def outages(plan: FleetPlan, hub: FleetHub) -> Iterator[tuple[FleetEvent, str]]:
    """Yield the events that reach a hub, and the uplink that they take from it."""
    for event in plan.scenario.events:
        for name, uplink in hub.uplinks.items():
            if name == event.uplink or (uplink.cell and uplink.cell == event.cell):
                yield event, name


def returns(plan: FleetPlan, hub: FleetHub) -> list[tuple[int, int, str]]:
    """Return when a hub leaves an uplink that is out, when it wants to be back on it, and which it is."""
    back, drawn = plan.scenario.back, random.Random(f"{plan.scenario.seed}/{hub.number}/moves")
    away: list[tuple[int, int, str]] = []
    for event, uplink in outages(plan, hub):
        leaves = event.at + back.detect + int(drawn.random() * back.spread)
        wants = event.end_ns + back.wait + int(drawn.random() * back.spread)
        if leaves < event.end_ns:  # a shorter one is over before the hub has noticed
            away.append((leaves, wants, uplink))
    return away


def storms(plan: FleetPlan) -> dict[str, LeaseStorm]:
    """Return what comes of all hubs that ask for leases when they want to be back, by uplink."""
    asks: dict[str, list[LeaseAsk]] = {uplink: [] for uplink in plan.scenario.back.leases}
    for i, hub in enumerate(plan.hubs):
        for _, wants, uplink in returns(plan, hub):
            if uplink in asks and wants < plan.scenario.duration:
                rtt = round(sum(float(way.delay_ns.mean()) for way in plan.pair(hub, uplink)))
                asks[uplink].append(LeaseAsk(i, wants, rtt))
    servers, end_ns, seed = plan.scenario.back.leases, plan.scenario.duration, plan.scenario.seed
    return {uplink: storm(asked, servers[uplink], end_ns, seed) for uplink, asked in asks.items()}


def moves(plan: FleetPlan, hub: FleetHub) -> list[HubMove]:
    """Return which uplink a hub uses when: the preferred one of those that it does not believe to be out, and that it
    has a lease of."""
    back, order = plan.scenario.back, sorted(plan.topology.uplinks.values(), key=lambda uplink: uplink.metric)
    names = list(plan.topology.uplinks)
    away = [
        (leaves, plan.leased.get((uplink, hub.number - 1, wants), wants), uplink)
        for leaves, wants, uplink in returns(plan, hub)
    ]
    made: list[HubMove] = []
    used: str | None = ""
    for t in sorted({0, *(edge for leaves, again, _ in away for edge in (leaves, again))}):
        out = {uplink for leaves, again, uplink in away if leaves <= t < again}
        best = next((uplink.name for uplink in order if uplink.name not in out), None)
        if best != used:
            home = made and best == order[0].name
            made.append(HubMove(t, hub.number - 1, names.index(best) if best else None, back.refill if home else 0))
        used = best
    return made


def stations(fleet: Fleet) -> Iterator[tuple[str, str, str]]:
    """Yield the engine's cells in their order: the uplink, the cell, and its name there, one for each direction."""
    for uplink in fleet.cells:
        for cell in fleet.cell_names(uplink):
            for direction in Direction:
                yield uplink, cell, f"{cell} {direction}"


def light(plan: FleetPlan, real: int = 0) -> LightPlan:
    """Return what the engine plays: the cells, and the load of every hub but the first ``real`` ones."""
    scenario, names = plan.scenario, list(plan.topology.uplinks)
    cells: dict[str, Cell] = {}
    admits: dict[str, int] = {}
    for uplink, name, station in stations(plan.fleet):
        profile = scenario.cell_profile(uplink, name)
        up, down = plan.capacities.get(profile.name, (None, None))
        goes_up = station.endswith(Direction.UP)
        cell = profile.cell(name, "up", up) if goes_up else profile.cell(name, "down", down)
        cells[station] = _by_day(cell, scenario)
        admits[station] = 0 if goes_up else profile.admits
    actions: list[HubMove | LaneCut] = []
    for hub in plan.hubs:
        if hub.number <= real:
            continue
        actions += moves(plan, hub)
        for event, uplink in outages(plan, hub):
            actions.append(LaneCut(event.at, event.end_ns, hub.number - 1, names.index(uplink)))
    return light_plan.plan(
        [_light(plan, hub, hub.number <= real) for hub in plan.hubs],
        cells, [_stream(s) for s in scenario.load.values()], actions,
        duration_ns=scenario.duration, seed=scenario.seed, admits=admits, shares=_shares(scenario),
    )  # fmt: skip


def _by_day(cell: Cell, scenario: FleetScenario) -> Cell:
    if scenario.day is None:
        return cell
    return replace(cell, schedule=scenario.day.left_of(cell.schedule, scenario.duration))


def _shares(scenario: FleetScenario) -> NDArray[np.float64] | None:
    if scenario.day is None:
        return None
    return scenario.day.load_at(np.arange(0, scenario.duration, light_plan.BIN_NS, dtype=np.int64))


def play(plan: FleetPlan) -> Tallies:
    """Play the whole scenario in logical time. Raises RunError when there is no memory."""
    fleet = LightFleet(light(plan))
    try:
        fleet.run(plan.scenario.duration - 1)
        return fleet.tallies()
    finally:
        fleet.close()


def _light(plan: FleetPlan, hub: FleetHub, real: bool) -> LightHub:
    def lane(uplink: str, schedule: LinkSchedule, direction: str) -> LightLane:
        cell = hub.uplinks[uplink].cell
        return LightLane(schedule, hub.phase_ns if schedule.repeat else 0, f"{cell} {direction}" if cell else "")

    lanes = []
    for uplink in plan.topology.uplinks:
        up, down = plan.pair(hub, uplink)
        lanes.append((lane(uplink, up, "up"), lane(uplink, down, "down")))
    return LightHub(lanes, hub.users, plan.sizes.get(hub.catalogue, ()), real)


def _stream(stream: Beats | Flood | Fetches) -> LightStream:
    if isinstance(stream, Fetches):
        return LightStream(LoadKind.FETCH, stream.think, dscp=stream.tier.dscp)
    kind = LoadKind.BEAT if isinstance(stream, Beats) else LoadKind.FLOW
    return LightStream(kind, stream.every, stream.size, stream.tier.dscp)


def usage(plan: FleetPlan, tallies: Tallies) -> list[UsageRow]:
    """Return what every uplink carried, as its link counted: up what entered it, down what left it."""
    return [
        UsageRow(
            hub.name, name, plan.scenario.duration, int(tallies.into[i, k, 0]), int(tallies.out_of[i, k, 1])
        )
        for i, hub in enumerate(plan.hubs)
        for k, name in enumerate(plan.topology.uplinks)
    ]  # fmt: skip


def evidence(
    scenario: FleetScenario,
    hubs: Sequence[FleetHub],
    tallies: Tallies,
    leases: Mapping[str, LeaseStorm] = MappingProxyType({}),
) -> FleetEvidence:
    """Return what was played as the metrics read it; ``leases`` is what came of asking for them, where it is known."""
    return FleetEvidence(
        hubs=tuple(hub.name for hub in hubs),
        users=np.array([hub.users for hub in hubs], np.int64),
        loads=tuple(scenario.load),
        columns={name: tallies.bins[name].astype(np.int64) for name in tallies.bins.dtype.names or ()},
        delays=tallies.delays.astype(np.int64),
        edges_ns=bucket_edges(),
        leases=leases,
    )
