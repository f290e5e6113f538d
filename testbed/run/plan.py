"""A scenario made ready to run: every file it names found, read, checked and compiled.

All that can be wrong with the user's files is found here, before anything starts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import paths
from testbed.errors import InputError, Problem, did_you_mean
from testbed.lab import bench as benches
from testbed.lab.bench import Chosen
from testbed.link import needs
from testbed.link.backends import BACKENDS
from testbed.model.bench import Bench
from testbed.model.catalogue import Catalogue
from testbed.model.event import ALL, Event, Kind
from testbed.model.scenario import Scenario, question, read_scenario
from testbed.model.tenant import AZURITE, TenantAccount
from testbed.model.times import REAL
from testbed.model.topology import NodeKind, Topology
from testbed.model.trace import SeriesName, Trace
from testbed.model.traffic import HttpGet, family
from testbed.model.uplink import UplinkProfile
from testbed.run import among, hub_choice, tenancy, unplayed
from testbed.run import role as roles
from testbed.run.files import find_file as find_file
from testbed.run.fleet import FleetPlan
from testbed.traces import store
from testbed.traces.compile import LinkPair, compile_link
from testbed.yaml import load
from testbed.yaml.overrides import Override

_METERED = ("metered_bytes", "metered_cost", "stranded_time", "stranded_bytes")
"""Metrics about uplinks that are paid for by volume."""

_IPV4_ALONE = ("bgp-bfd", "overflow", "weighted")
"""Failovers of the reference hub that leave IPv6 where it is."""

_AT_THE_HUBS_PORT = (Kind.REBOOT, Kind.DNS_FAILURE, Kind.UNPLUG, Kind.LEASE, Kind.DHCP_DOWN)
"""Events of an uplink that happen where the CPE is cabled to the hub."""


@dataclass(frozen=True, eq=False)
class PlannedLink:
    """An uplink's compiled schedules, and the trace they come from (None for fixed values)."""

    pair: LinkPair
    trace: Trace | None = None
    trace_path: Path | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """A resolved scenario; ``role`` is the folder of its failover, where that is a role of one's own."""

    path: Path
    question: str
    scenario: Scenario
    topology_path: Path
    topology: Topology
    links: Mapping[str, PlannedLink]
    catalogues: Mapping[str, Catalogue]
    catalogue_paths: Mapping[str, Path]
    changes: Sequence[Override] = ()
    bench: Bench | None = None
    chosen: Chosen | None = None
    link: str = "native"
    role: Path | None = None
    time: str = REAL
    tenant: TenantAccount | None = None
    tenant_path: Path | None = None
    fleet: FleetPlan | None = None

    @property
    def name(self) -> str:
        """The scenario's name: its file's."""
        return self.path.stem

    def inputs(self) -> Iterator[tuple[str, Path]]:
        """Yield what the run's outcome depends on, as (role, file)."""
        yield "scenario", self.path
        yield "topology", self.topology_path
        if self.chosen is not None:
            yield "bench", self.chosen.path
        if self.tenant_path is not None:
            yield "tenant", self.tenant_path
        if self.fleet is not None:
            yield "fleet", self.fleet.path
        for name, link in self.links.items():
            if link.trace_path is not None:
                yield f"trace of {name}", link.trace_path
        for name, path in self.catalogue_paths.items():
            yield f"catalogue of {name}", path
        for path in roles.files(self.role) if self.role else ():
            yield "role", path
        for path in sorted(p for p in paths.PLAYBOOKS.rglob("*") if p.is_file()):
            if "__pycache__" not in path.parts:  # what Python makes of its own accord changes no outcome
                yield "playbook", path


def find_scenario(name: str) -> Path:
    """Return the file of a scenario given by its name or path. Raises InputError with close names."""
    return find_file(name, paths.SCENARIOS, "scenario", "")


def find_topology(name: str) -> Path:
    """Return the file of a topology given by its name or path. Raises InputError with close names."""
    return find_file(name, paths.TOPOLOGIES, "topology", "")


def find_tenant(name: str) -> Path | None:
    """Return the file of a storage account given by its name or path; None for Azurite. Raises InputError."""
    return None if name == AZURITE else find_file(name, paths.TENANTS, "tenant", "", known=(AZURITE,))


def make(
    path: Path,
    changes: Sequence[Override] = (),
    chosen: Chosen | None = None,
    link: str = "native",
    time: str = REAL,
    tenant: Path | None = None,
) -> Plan:
    """Read and resolve a scenario with ``changes`` to it, on a bench or with a virtual hub.

    ``link`` is the back end that will emulate its links, one of testbed.link.backends; ``time`` one of TIMES;
    ``tenant`` is the file of a storage account that is its tenant, None for Azurite.

    Raises InputError with every problem found.
    """
    scenario = read_scenario(path, changes)
    topology_path = find_file(
        scenario.topology, paths.TOPOLOGIES, "topology", scenario.place.at("topology"), path.parent
    )
    topology = load.read(topology_path, Topology)
    bench = benches.read(chosen) if chosen else None
    problems: list[Problem] = [*_uplink_problems(scenario, topology), *_traffic_problems(scenario, topology)]
    problems += [*event_problems(scenario, topology), *_money_problems(scenario, topology)]
    problems += _family_problems(scenario, topology)
    fleet = None
    try:
        fleet = among.find(scenario, topology, topology_path, path)
        problems += among.problems(scenario, fleet) if fleet else ()
    except InputError as error:
        problems += error.problems
    problems += hub_choice.problems(scenario, topology, bench)
    role = None
    if scenario.hub.own_role:
        try:
            role = roles.find(scenario.hub.failover, scenario.hub.place.at("failover"), path.parent)
            place = scenario.hub.place.at("variables")
            problems += roles.variable_problems(role, scenario.hub.variables, place)
        except InputError as error:
            problems += error.problems
    account = load.read(tenant, TenantAccount) if tenant else None
    problems += tenancy.problems(scenario) if account else ()
    problems += _time_problems(time, chosen, link, tenant)
    problems += bench.misfits(topology) if bench else ()
    problems += switch_problems(scenario, bench) if bench else ()
    links: dict[str, PlannedLink] = {}
    catalogues: dict[str, Path] = {}
    for name, profile in scenario.uplinks.items():
        try:
            links[name] = _link(scenario, name, profile)
        except InputError as error:
            problems += error.problems
            continue
        cell = among.cell_of(fleet, name) if fleet else ""
        played = [needs.LinkUse(profile.place, schedule, cell=cell) for schedule in links[name].pair]
        problems += needs.problems(link, BACKENDS[link].capabilities, played)
    for traffic in scenario.traffic.values():
        if isinstance(traffic, HttpGet):
            place = traffic.place.at("catalogue")
            try:
                catalogues[traffic.name] = find_file(
                    traffic.catalogue, paths.CATALOGUES, "catalogue", place, path.parent
                )
            except InputError as error:
                problems += error.problems
    if not problems:  # of links that could not be compiled there is nothing to say
        problems += unplayed.problems(scenario, {name: link.pair for name, link in links.items()})
    if problems:
        raise InputError.of(problems)
    topology = scenario.played_on(topology)
    read = {name: load.read(found, Catalogue) for name, found in catalogues.items()}
    if account and (costly := list(tenancy.Use.of(scenario, read).problems(account))):
        raise InputError.of(costly)
    return Plan(
        path=path,
        question=question(path),
        scenario=scenario,
        topology_path=topology_path,
        topology=bench.fit(topology) if bench else topology,
        links=links,
        catalogues=read,
        catalogue_paths=catalogues,
        changes=changes,
        bench=bench,
        chosen=chosen,
        link=link,
        role=role,
        time=time,
        tenant=account,
        tenant_path=tenant,
        fleet=fleet,
    )


def timeline(plan: Plan) -> list[tuple[int, str]]:
    """Return what a run of the plan will do, as (ns since its start, text), in order of time."""
    scenario = plan.scenario
    rows = [(0, f"{t.kind} {t.name!r} starts ({t.pace})") for t in scenario.traffic.values()]
    for event in scenario.events:
        rows.append((event.at, f"{event.title} begins"))
        rows.append((event.end_ns, f"{event.title} ends"))
    for profile in scenario.uplinks.values():
        for fault in profile.terminal.faults if profile.terminal else ():
            rows.append((fault.at, f"{profile.name}: {fault.title} begins"))
            rows.append((fault.end_ns, f"{profile.name}: {fault.title} ends"))
    rows.append((scenario.duration, "end"))
    return sorted(rows, key=lambda row: row[0])


def _time_problems(time: str, chosen: Chosen | None, link: str, tenant: Path | None) -> Iterator[Problem]:
    """Yield what cannot be had in virtual time."""
    if time == REAL:
        return
    if chosen is not None:
        yield Problem("--time virtual", "a bench's hub has a clock of its own", "play it with --time real")
    if tenant is not None:
        yield Problem("--time virtual", "a storage account has a clock of its own", "use --tenant azurite")
    if link != "native":
        yield Problem("--time virtual", f"--link {link} is this host's kernel", "use --link native")


def _uplink_problems(scenario: Scenario, topology: Topology) -> Iterator[Problem]:
    for name, profile in scenario.uplinks.items():
        if name not in topology.uplinks:
            found = f"topology {scenario.topology} has no uplink {name!r}"
            yield Problem(profile.place, found, did_you_mean(name, topology.uplinks))
        elif profile.lifetimes is not None and name not in topology.delegations:
            found = f"lifetimes of IPv6 prefixes, and uplink {name} of topology {scenario.topology} delegates none"
            yield Problem(profile.place.at("lifetimes"), found, "leave them away, or take another topology")
    for name in topology.uplinks:
        if name not in scenario.uplinks:
            found = f"uplink {name!r} of topology {scenario.topology} has no trace and no fixed values"
            yield Problem(scenario.place.at("uplinks"), found, f"add '{name}: {{trace: ...}}'")


def event_problems(scenario: Scenario, topology: Topology) -> Iterator[Problem]:
    """Yield the events that cannot happen in a topology."""
    for event in scenario.events:
        at_the_port = event.kind in _AT_THE_HUBS_PORT and event.uplink in topology.uplinks
        if at_the_port and topology.cpe_port(event.uplink) is None:
            found = f"{event.kind}, and in topology {scenario.topology} no wire leads to {event.uplink}'s CPE"
            yield Problem(event.place.at("uplink"), found, "wire the hub's port to it")
        elif at_the_port:
            yield from _lease_problems(event, scenario, topology)
        if event.kind is Kind.TARGET_DOWN and event.address not in ("", ALL, *topology.probe_targets):
            found = f"the hub does not ping {event.address}"
            expected = f"write {', '.join((*topology.probe_targets, ALL))}"
            yield Problem(event.place.at("address"), found, expected)
        if event.kind is Kind.DNS_FAILURE and not event.uplink and not topology.of_kind(NodeKind.ROUTER):
            found = f"topology {scenario.topology} has no resolver that could fail"
            yield Problem(event.place, found, "add a node of kind router")


def switch_problems(scenario: Scenario, bench: Bench) -> Iterator[Problem]:
    """Yield the events that need a power switch which a bench does not have."""
    for event in scenario.events:
        if event.kind is Kind.POWER_OFF and bench.power is None:
            found = f"{event.kind}, and nobody here can switch the hub of bench {bench.name}"
            yield Problem(event.place, found, "add 'power: {off: COMMAND, on: COMMAND}' to the bench")
        if event.kind is Kind.CLOCK_STEP:
            found = f"{event.kind}, and the hub of bench {bench.name} has a clock of its own"
            yield Problem(event.place, found, "set it there by hand, or play with the virtual hub")


def _lease_problems(event: Event, scenario: Scenario, topology: Topology) -> Iterator[Problem]:
    """Yield what the CPE of an event's uplink cannot lease."""
    port = topology.cpe_port(event.uplink)
    if port is None:
        return
    cpe = topology.nodes[port.node]
    if cpe.lease is None:
        if event.kind in (Kind.LEASE, Kind.DHCP_DOWN) or event.address:
            found = f"{event.kind}, and in topology {scenario.topology} {port.node} leases nothing"
            yield Problem(event.place.at("uplink"), found, f"add 'lease: {{port: {port.port}, ...}}' to it")
    elif event.address:
        own = ipaddress.ip_interface(cpe.ports[cpe.lease.port])
        address = ipaddress.ip_address(event.address)
        if address not in own.network or address == own.ip:
            found = f"{port.node} cannot lease {event.address}"
            expected = f"write an address of {own.network} that is not its own"
            yield Problem(event.place.at("address"), found, expected)


def _money_problems(scenario: Scenario, topology: Topology) -> Iterator[Problem]:
    metered = [uplink for uplink in topology.uplinks.values() if uplink.metered]
    free = [uplink.name for uplink in metered if uplink.tariff is None]
    for objective in scenario.objectives:
        place = objective.place.at("metric")
        if objective.metric in _METERED and not metered:
            found = f"{objective.metric}, and topology {scenario.topology} has no metered uplink"
            yield Problem(place, found, "add 'metered: true' to one")
        elif objective.metric == "metered_cost" and free:
            found = f"{objective.metric}, and uplink {free[0]} of topology {scenario.topology} has no tariff"
            yield Problem(place, found, "add 'tariff: 4.50 USD/GB' to it")


def _traffic_problems(scenario: Scenario, topology: Topology) -> Iterator[Problem]:
    for traffic in scenario.traffic.values():
        for key, node in traffic.ends.items():
            if node not in topology.nodes:
                found = f"topology {scenario.topology} has no node {node!r}"
                yield Problem(traffic.place.at(key), found, did_you_mean(node, topology.nodes))
                continue
            kind = NodeKind.CLIENT if key == "from" else NodeKind.TENANT
            if topology.nodes[node].kind is not kind:
                known = ", ".join(n.name for n in topology.of_kind(kind))
                found = f"{key} is {node!r}, a node of kind {topology.nodes[node].kind}"
                yield Problem(traffic.place.at(key), found, f"write a {kind}: {known}")


def _family_problems(scenario: Scenario, topology: Topology) -> Iterator[Problem]:
    for traffic in scenario.traffic.values():
        if family(traffic) != "ipv6":
            continue
        place = traffic.place.at("family" if traffic.kind != "ipv6-source" else "kind")
        if not topology.delegations or not topology.tenant_address("ipv6"):
            found = f"{traffic.name!r} goes by IPv6, which topology {scenario.topology} does not have"
            yield Problem(place, found, "take one with IPv6: 'topology: hub-dual-stack'")
        elif scenario.hub.failover in _IPV4_ALONE:
            found = f"{traffic.name!r} goes by IPv6, and failover {scenario.hub.failover} carries IPv4 alone"
            yield Problem(place, found, "choose ping-tracked or none")


def _link(scenario: Scenario, name: str, profile: UplinkProfile) -> PlannedLink:
    path = store.find(profile.trace, place=profile.place.at("trace")) if profile.trace else None
    trace = store.read(path) if path else None
    source = trace or profile.fixed
    if source is None:
        raise InputError(profile.place, "neither trace nor fixed values", "write one")
    rates = (SeriesName.UP_RATE, SeriesName.DOWN_RATE)
    if trace is not None and profile.rate is not None and all(name in trace.series for name in rates):
        found = f"a rate, and the trace {profile.trace} has its own"
        raise InputError(profile.place.at("rate"), found, "leave it away")
    pair = compile_link(
        source,
        duration_ns=scenario.duration,
        seed=scenario.seed,
        align=profile.align,
        repeat=profile.repeat,
        events=scenario.events_of(name),
        rate=profile.rate,
        queue=profile.queue.limit,
        place=profile.place.at("trace"),
    )
    return PlannedLink(pair, trace, path)


def scenarios() -> Sequence[str]:
    """Return the names of the project's scenarios; the catalogue of datasets beside them is none."""
    return [name for name in names(paths.SCENARIOS) if name != paths.DATASETS.stem]


def names(folder: Path) -> Sequence[str]:
    """Return the names of the YAML files in a folder, for listings and completion."""
    return sorted(path.stem for path in folder.glob("*.yaml"))
