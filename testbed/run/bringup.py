"""Bring a lab up for a job: network, links, tenant, hub. What does not depend on each other overlaps."""

from __future__ import annotations

import ipaddress
import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa

from testbed import faults, paths
from testbed.capture.taps import Taps
from testbed.dish.process import DishProcess
from testbed.dish.settings import Settings
from testbed.errors import RunError
from testbed.faults import Actor
from testbed.lab import bench, ipv6, sandbox
from testbed.lab.bench import BenchHub
from testbed.lab.clock import DeviceClock
from testbed.lab.daemons import left_running
from testbed.lab.devices import NamespaceAccess
from testbed.lab.lender import Lender
from testbed.lab.network import Network
from testbed.lab.parts import Part
from testbed.lab.path_mtu import set_mtu
from testbed.lab.provision import provision
from testbed.link.backend import LinkSpec
from testbed.link.backends import BACKENDS
from testbed.link.native import NativeBackend, Spin
from testbed.link.records import BinsFollower, of_links
from testbed.model.catalogue import CatalogueObject
from testbed.model.dish import ADDRESS, PORT
from testbed.model.egress import TENANT
from testbed.model.event import Kind
from testbed.model.facts import Destinations
from testbed.model.link import Direction
from testbed.model.many_hubs import own, with_hubs
from testbed.model.tenant import TenantFacts
from testbed.model.topology import EMULATOR, NodeKind, WireEnd
from testbed.model.traffic import HttpGet, Traffic, family
from testbed.model.uplink import Mtu
from testbed.probes.egress_watch import EgressWatch
from testbed.probes.kinds import probe_for
from testbed.probes.probe import Probe, Site
from testbed.run import closed
from testbed.run.job import Job
from testbed.run.variables import hub_variables, provisioned
from testbed.tenant.backend import Access, Endpoint, Tenant
from testbed.tenant.held import Custodian, HeldTenant
from testbed.tenant.tenants import TENANTS, TenantSite

SECRETS = sandbox.SHARED / "secrets"
"""Keys and tokens of the run, gone with it."""

_SPARE = timedelta(hours=2)  # for bringing up, for samples, for clocks that differ

StepContext = Callable[[str], AbstractContextManager[None]]


@dataclass
class Rig:
    """A lab that is up: what a run measures with and ends. ``uplinks`` are those of its first hub."""

    network: Network
    links: NativeBackend
    tenant: Tenant
    uplinks: Sequence[str] = ()
    probes: dict[str, Probe] = field(default_factory=dict)
    actors: list[Actor] = field(default_factory=list)
    daemons: list[Part] = field(default_factory=list)
    dishes: list[DishProcess] = field(default_factory=list)
    lender: Lender | None = None
    site: faults.FaultSite | None = None
    watch: EgressWatch | None = None
    _follower: BinsFollower | None = None

    def bins(self, since_ns: int = 0) -> pa.Table:
        """Return the links' 10 ms records so far; those of before ``since_ns`` may be left out."""
        if self._follower is None:
            self._follower = BinsFollower(self.links.records)
        return of_links(self._follower.table(since_ns), self.uplinks)

    def parts(self) -> Iterator[Part]:
        """Yield the processes that must live at the moment."""
        if (linkd := self.links.process) is not None:
            yield Part("linkd", linkd, self.links.last_words)
        yield from self.network.parts()
        yield from self.tenant.parts()
        yield from self.daemons
        for dish in self.dishes:
            yield from dish.parts()
        if self.lender is not None:
            yield self.lender.part()
        for probe in self.probes.values():
            yield from probe.parts()
        for actor in self.actors:
            yield from actor.parts()

    def close(self) -> None:
        """End the services; the namespaces end with the sandbox."""
        for actor in self.actors:
            actor.close()
        for dish in self.dishes:
            dish.close()
        if self.watch is not None:
            self.watch.close()
        self.tenant.close()


def bring_up(
    job: Job,
    folder: Path,
    step: StepContext,
    now: Callable[[], datetime],
    *,
    spin: Spin,
    lender: Lender | None = None,
    taps: Taps | None = None,
    custodian: Custodian | None = None,
) -> Rig:
    """Build, provision and seed everything, and open the probes; ``spin`` is how the link engine waits.

    ``lender`` has the NICs of the plan's bench, if there is one, ``custodian`` its storage account;
    ``taps`` are to capture. Raises HostError or RunError.
    """
    logs, topology, life = folder / "logs", job.topology, lifetime(job.scenario.duration)
    with step("network"):
        sandbox.prepare(bench.shown(job.bench))
        SECRETS.mkdir(mode=0o700)
        hub = BenchHub(job.bench, topology, lender, SECRETS) if job.bench and lender else None
        network = Network(with_hubs(topology, len(job.hubs)), logs, hub)
        network.build()
    mtus = {name: profile.path_mtu for name, profile in job.scenario.uplinks.items()}
    for name, mtu in mtus.items():
        if mtu != Mtu():
            set_mtu(network.devices, topology, name, mtu)
    if any(event.kind is Kind.CLOCK_STEP for event in job.scenario.events):
        DeviceClock(network.devices[topology.hub.name]).install()
    if taps is not None:
        taps.prepare(network.devices)
    tenant_node = network.devices[topology.tenant.name]
    with step("links and services"):
        kind = TenantFacts.of(job.tenant).kind
        tenant = TENANTS[kind](TenantSite(tenant_node, topology, SECRETS, logs, now(), life, custodian))
        tenant.open()
        resolvers = _lead_out(network, tenant) if isinstance(tenant, HeldTenant) else ()
        network.start_services({tenant.endpoint.host: tenant.endpoint.address}, resolvers)
        (folder / "link").mkdir()
        links = BACKENDS[job.manifest.link](
            folder / "link",
            network.devices[EMULATOR].popen,
            spin=spin,
            mark_lengths=job.scenario.hub.mark_lengths,
            fleet=job.among.light if job.among else None,
        )
        links.open(link_specs(job))
        watch = _watch(job, network, logs) if job.scenario.watches_egress else None
        dishes = _dishes(job, network, folder / "link", logs)
    lab = Rig(network, links, tenant, tuple(topology.uplinks), dishes=dishes, lender=lender, watch=watch)
    objects = _objects(job)
    seeding = tenant.seed(objects, job.scenario.seed)
    with step("hub"):
        if job.scenario.hub.closed:
            closed.wait(network)
        else:
            _configure(job, lab, folder / "logs", now)
    with step("tenant's content"):
        stored = seeding.wait()
    changes = sum(event.kind is Kind.CONTENT_CHANGES for event in job.scenario.events)
    with step("probes"):
        catalogues = {own(name, n): catalogue for n in job.hubs for name, catalogue in job.catalogues.items()}
        traffics = [_of_hub(t, number) for number in job.hubs for t in job.scenario.traffic.values()]
        for client in {traffic.from_ for traffic in traffics if family(traffic) == "ipv6"}:
            ipv6.settle(network.devices[client])
        for index, traffic in enumerate(traffics):
            site = Site(
                client=network.devices[traffic.from_],
                tenant=tenant_node,
                duration_ns=job.scenario.duration,
                samples=folder / "samples",
                logs=logs,
                tenant_address=_asked_at(traffic, job, tenant.endpoint),
                tenant_host=tenant.endpoint.host,
                tenant_port=tenant.endpoint.port,
                authority=tenant.endpoint.authority,
                identity=tenant.endpoint.identity,
                resolver=topology.hub_lan_address,
                url=f"http://{topology.hub_lan_address}/{tenant.endpoint.container}",
                upload_url=f"http://{topology.hub_lan_address}/{tenant.endpoint.uploads}",
                own_url=tenant.endpoint.url,
                own_token=_token(job, tenant, now) if isinstance(traffic, HttpGet) and traffic.past_the_cache else "",
                uploaded=tenant.uploaded,
                closed=tenant.closed,
                objects=catalogues[traffic.name].objects() if isinstance(traffic, HttpGet) else (),
                stored=stored,
                versions=1 + changes,
                seed=job.scenario.seed,
                index=index,
                patient=job.tenant is not None,
            )
            lab.probes[traffic.name] = probe_for(traffic, site)
            lab.probes[traffic.name].open()
        versions = itertools.count(1)
        site_of_faults = faults.FaultSite(
            network,
            tenant.endpoint,
            logs,
            mtus,
            revise=lambda: tenant.revise(objects, job.scenario.seed, next(versions)),
        )
        lab.site = site_of_faults
        lab.actors += faults.actors_for(job.scenario.events, site_of_faults)
        for actor in lab.actors:
            actor.open()
        for dish in lab.dishes:
            dish.ready()
        for probe in lab.probes.values():
            probe.ready()
    return lab


def _watch(job: Job, network: Network, logs: Path) -> EgressWatch:
    """Begin to watch what leaves the hub."""
    ports = {name: uplink.interfaces[0] for name, uplink in job.topology.uplinks.items()}
    watch = EgressWatch(network.devices[EMULATOR], ports, SECRETS, logs)
    watch.open()
    return watch


def destinations(job: Job, endpoint: Endpoint) -> Destinations:
    """Return whereto the hub may send."""
    allowed, topology = job.scenario.egress, job.topology
    tenant = {TENANT: endpoint.host}
    of_tenant = (f"{endpoint.address}/32",) if TENANT in allowed.hosts else ()
    nodes = filter(None, (topology.tenant, topology.edge))
    addresses = {str(ipaddress.ip_interface(a).ip) for n in nodes for a in n.ports.values() if "/" in a}
    addresses |= {*topology.probe_targets, *filter(None, [topology.tenant_address("ipv6")])}
    return Destinations(
        hosts=tuple(tenant.get(host, host) for host in allowed.hosts),
        networks=(*allowed.networks, *of_tenant),
        lab=tuple(sorted(addresses)),
        service_port=endpoint.port,
    )


def _asked_at(traffic: Traffic, job: Job, endpoint: Endpoint) -> str:
    """Return the address that a probe's packets go to: the lab's tenant node, unless they are for an account."""
    if job.tenant is not None and isinstance(traffic, HttpGet):
        return endpoint.address
    return job.topology.tenant_address(family(traffic))


def _lead_out(network: Network, tenant: HeldTenant) -> Sequence[str]:
    """Lead the lab's Internet on to the host's network; return the resolvers that it has there."""
    router = next(iter(network.topology.of_kind(NodeKind.ROUTER)))
    device = network.devices[router.name]
    if not isinstance(device, NamespaceAccess):
        raise RunError(f"{router.name} is no node of the lab, and cannot be led on to the host's network")
    return tenant.lead_out(device)


def _configure(job: Job, lab: Rig, logs: Path, now: Callable[[], datetime]) -> None:
    """Have the hub, and the edge where the failover has one, configured by their roles."""
    network, endpoint = lab.network, lab.tenant.endpoint
    identity = job.tenant.hub_identity if job.tenant is not None else ""
    tokens = {access: "" if identity else _token(job, lab.tenant, now, access) for access in Access}
    groups = provisioned(job.scenario, network)
    variables = hub_variables(job.scenario, job.topology, endpoint, tokens, job.role, identity)
    for device in groups["hubs"]:
        device.wait()
    with (logs / "provision.log").open("w") as log:
        try:
            provision(
                paths.PLAYBOOKS / "hub.yml",
                groups,
                {device.name: variables for devices in groups.values() for device in devices},
                SECRETS,
                lambda done: print(done.seconds, done, file=log),
            )
        finally:
            if (said := SECRETS / "ansible.log").exists():  # one that was interrupted said nothing
                shutil.copyfile(said, logs / "ansible.log")
    for device in groups.get("edges", ()):
        lab.daemons += left_running(device)


def _token(job: Job, tenant: Tenant, now: Callable[[], datetime], access: Access = Access.READ) -> str:
    starts, expires = now() - timedelta(minutes=5), now() + lifetime(job.scenario.duration)
    return tenant.credential(starts, expires, access)


def lifetime(duration_ns: int) -> timedelta:
    """Return how long what the run signs must be valid: certificates and tokens outlive the scenario."""
    return timedelta(microseconds=duration_ns // 1000) + _SPARE


def link_specs(job: Job) -> list[LinkSpec]:
    """Return what the link engine plays, one for each uplink of each hub: for all what the scenario says."""
    uplinks = with_hubs(job.topology, len(job.hubs)).uplinks
    return [
        LinkSpec(
            name=own(name, number),
            hub_interface=uplinks[own(name, number)].interfaces[0],
            net_interface=uplinks[own(name, number)].interfaces[1],
            up=job.schedules[name].up,
            down=job.schedules[name].down,
            seed=job.scenario.seed + number - 1,
            up_cell=job.among.cell(number, name, Direction.UP) if job.among else "",
            down_cell=job.among.cell(number, name, Direction.DOWN) if job.among else "",
        )
        for number in job.hubs
        for name in job.topology.uplinks
    ]


def _of_hub(traffic: Traffic, number: int) -> Traffic:
    """Return a traffic as hub ``number`` has it: by another name, from a client of its own."""
    return replace(traffic, name=own(traffic.name, number), from_=own(traffic.from_, number))


def _dishes(job: Job, network: Network, link: Path, logs: Path) -> list[DishProcess]:
    """Begin to start the dishes that tell of themselves."""
    dishes = []
    for profile in job.scenario.uplinks.values():
        if (told := profile.terminal) is not None:
            cpe = WireEnd.parse(job.topology.uplinks[profile.name].cpe)
            port = job.topology.cpe_port(profile.name)
            reboots = [e for e in job.scenario.events_of(profile.name) if e.kind is Kind.REBOOT]
            settings = Settings(
                name=profile.name,
                link=str(link),
                address=f"{ADDRESS}:{PORT}",
                dish=told,
                port=port.port if port else "",
                restarts=tuple((event.at, event.port_up_ns, event.end_ns) for event in reboots),
            )
            dishes.append(DishProcess(network.devices[cpe.node], settings, SECRETS, logs))
            dishes[-1].open()
    return dishes


def _objects(job: Job) -> Sequence[CatalogueObject]:
    """Return the objects of all catalogues, each once."""
    found = {o.name: o for catalogue in job.catalogues.values() for o in catalogue.objects()}
    return tuple(found.values())
