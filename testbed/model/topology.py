"""A network: nodes with ports, plain wires between them, and the uplinks that are emulated.

A wire is ideal. Delay, loss, rate and outage exist only on the link of an uplink, between the
customer's equipment (a dish, a modem) and the point of presence behind it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, NamedTuple

from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.fleet import Fleet, FleetHub
from testbed.model.ipv6 import Delegation, Ipv6, Lifetimes, is_ipv6, with_lifetimes
from testbed.model.quantities import Duration, Price
from testbed.units import format_duration
from testbed.yaml import load

INTERFACE_NAME_LIMIT = 15  # bytes: IFNAMSIZ - 1
LEAST_LEASE_NS = 120 * 10**9
"""The shortest lease that dnsmasq knows."""
EMULATOR = "links"
"""The node that holds both ends of every emulated link; the link engine runs in it."""


class NodeKind(StrEnum):
    """What a node is for.

    A ROUTER is the Internet, its name service included. The EDGE is the router in front of the tenant;
    with a failover that builds tunnels it is their far end and provisioned like the hub.
    """

    CLIENT = "client"
    SWITCH = "switch"
    HUB = "hub"
    CPE = "cpe"
    POP = "pop"
    ROUTER = "router"
    EDGE = "edge"
    TENANT = "tenant"


class WireEnd(NamedTuple):
    """One end of a wire: a port of a node, written ``node:port``."""

    node: str
    port: str

    def __str__(self) -> str:
        return f"{self.node}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> WireEnd:
        node, _, port = text.partition(":")
        return cls(node, port)


@dataclass(frozen=True)
class Lease:
    """A DHCP service on a port: the one address it leases, and for how long; router and DNS are the node itself.

    Five minutes are a Starlink terminal's (starlink-enterprise-guide.readme.io, DHCP configuration). While it boots
    and has no sky yet it leases ``boot`` for ten seconds, itself the first address of that /24; empty: as ever.
    """

    port: str
    address: str
    time: Duration = 300 * 10**9
    boot: str = ""

    @property
    def boot_router(self) -> str:
        """The node's own address while it leases ``boot``."""
        return str(next(ipaddress.ip_network(f"{self.boot}/24", strict=False).hosts()))


@dataclass(frozen=True)
class Node:
    """A device of the network. Ports map to ``address/prefix``, ``dhcp`` or ``bridged``."""

    kind: NodeKind
    ports: Mapping[str, str]
    gateway: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    nat: tuple[str, ...] = ()
    lease: Lease | None = None
    resolver: str = ""
    ipv6: Ipv6 | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def address(self, port: str) -> str:
        """Return the address of a port without its prefix; empty for ``dhcp`` and ``bridged``."""
        return self.ports[port].partition("/")[0] if "/" in self.ports[port] else ""

    def problems(self) -> Iterable[Problem]:
        for port, text in self.ports.items():
            if text not in ("dhcp", "bridged") and not is_interface(text):
                yield Problem(
                    self.place,
                    f"port {port!r} has address {text!r}",
                    "write an address with its prefix (192.168.10.1/24), dhcp or bridged",
                )
            if len(port) > INTERFACE_NAME_LIMIT:
                yield Problem(self.place, f"port name {port!r} is too long", "use at most 15 characters")
            if is_ipv6(text):
                yield Problem(
                    self.place,
                    f"port {port!r} has the IPv6 address {text!r}, where its IPv4 address stands",
                    f"write that, and beside it 'ipv6: {{ports: {{{port}: {text}}}}}'",
                )
        for key, text in (("gateway", self.gateway), ("lease", self.lease.address if self.lease else "")):
            if is_ipv6(text):
                expected = "write it in 'ipv6: {...}' (docs/ipv6.md), and an IPv4 address here"
                yield Problem(self.place.at(key), f"{key} is the IPv6 address {text!r}", expected)
        if self.lease and self.lease.time < LEAST_LEASE_NS:
            found = f"the lease's time is {format_duration(self.lease.time)}"
            yield Problem(
                self.place.at("lease"), found, "write 2 min, the shortest that dnsmasq knows, or more"
            )
        if self.lease and self.lease.boot and not is_interface(self.lease.boot):
            yield Problem(self.place.at("lease"), f"boot is {self.lease.boot!r}", "write an IP address")
        if self.ipv6 and self.ipv6.delegation and self.kind is not NodeKind.CPE:
            expected = "let a cpe delegate"
            yield Problem(self.ipv6.delegation.place, f"a {self.kind} delegates a prefix", expected)
        if self.ipv6 and self.kind in (NodeKind.HUB, NodeKind.CLIENT, NodeKind.SWITCH):
            found = f"IPv6 is written down for a {self.kind}"
            yield Problem(self.ipv6.place, found, "leave it away: hub and LAN get what a CPE delegates")
        named = [*self.nat, *([self.lease.port] if self.lease else []), *(self.ipv6.ports if self.ipv6 else ())]
        for port in named:
            if port not in self.ports:
                yield Problem(self.place, f"unknown port {port!r}", did_you_mean(port, self.ports))


@dataclass(frozen=True)
class Uplink:
    """A path from the hub to the Internet; its link is emulated between ``cpe`` and ``pop``.

    The hub prefers the uplink with the lowest ``metric``. A ``metered`` one is paid for by volume, at the
    ``tariff``, for the bytes of both directions.
    """

    hub_port: str
    cpe: str
    pop: str
    metric: int
    metered: bool = False
    tariff: Price | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    @property
    def interfaces(self) -> tuple[str, str]:
        """The emulator's interfaces of this link: towards the hub, towards the Internet."""
        return f"{self.name}-hub", f"{self.name}-net"


@dataclass(frozen=True)
class Topology:
    """A network as its YAML file describes it; ``fleet`` multiplies its hub."""

    nodes: Mapping[str, Node]
    wires: tuple[tuple[str, str], ...]
    uplinks: Mapping[str, Uplink]
    probe_target: str | tuple[str, ...]
    fleet: Fleet | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def of_kind(self, kind: NodeKind) -> tuple[Node, ...]:
        """Return the nodes of one kind, in the file's order."""
        return tuple(node for node in self.nodes.values() if node.kind is kind)

    @property
    def hub(self) -> Node:
        """The device under test."""
        return self.of_kind(NodeKind.HUB)[0]

    @property
    def tenant(self) -> Node:
        """The node that stands for the Azure tenant."""
        return self.of_kind(NodeKind.TENANT)[0]

    def tenant_address(self, family: Literal["ipv4", "ipv6"]) -> str:
        """The tenant's address; empty where it has none of that family."""
        tenant = self.tenant
        if family == "ipv6":
            return tenant.ipv6.address if tenant.ipv6 else ""
        return next((address for port in tenant.ports if (address := tenant.address(port))), "")

    @property
    def edge(self) -> Node | None:
        """The router in front of the tenant; None where the topology has none."""
        return next(iter(self.of_kind(NodeKind.EDGE)), None)

    @property
    def edge_address(self) -> str:
        """The edge's first address, where the hub's tunnels end; empty without an edge."""
        edge = self.edge
        return next((address for port in edge.ports if (address := edge.address(port))), "") if edge else ""

    @property
    def probe_targets(self) -> tuple[str, ...]:
        """The addresses that the hub pings to learn whether an uplink works: it does while any of them answers.

        One target alone is joined by the tenant's edge: the hub could not tell its death from that of all uplinks.
        """
        given = (self.probe_target,) if isinstance(self.probe_target, str) else self.probe_target
        targets = [text.partition("/")[0] for text in given]
        edge = [self.edge_address] if self.edge_address and len(targets) == 1 else []
        return tuple(dict.fromkeys(targets + edge))

    @property
    def nowhere(self) -> tuple[str, ...]:
        """The probe targets that no node of the topology has: they can never answer."""
        addresses = {node.address(port) for node in self.nodes.values() for port in node.ports}
        return tuple(target for target in self.probe_targets if target not in addresses)

    @property
    def preferred(self) -> Uplink:
        """The uplink that the hub uses while all is well."""
        return min(self.uplinks.values(), key=lambda uplink: uplink.metric)

    @property
    def hub_lan_address(self) -> str:
        """The hub's address on its LAN."""
        return next(address for port in self.hub.ports if (address := self.hub.address(port)))

    def peer(self, end: WireEnd) -> WireEnd | None:
        """Return what a plain wire leads to from an end; None where there is no wire."""
        for a, b in self.wires:
            if str(end) in (a, b):
                return WireEnd.parse(b if a == str(end) else a)
        return None

    def cpe_port(self, uplink: str) -> WireEnd | None:
        """Return the port of an uplink's CPE towards the hub; None where the hub's port leads nowhere."""
        return self.peer(WireEnd(self.hub.name, self.uplinks[uplink].hub_port))

    @property
    def delegations(self) -> Mapping[str, Delegation]:
        """What each uplink's CPE delegates by IPv6, by uplink; those without are missing."""
        found = {name: self.nodes[WireEnd.parse(uplink.cpe).node].ipv6 for name, uplink in self.uplinks.items()}
        return {name: ipv6.delegation for name, ipv6 in found.items() if ipv6 and ipv6.delegation}

    def with_lifetimes(self, uplink: str, lifetimes: Lifetimes) -> Topology:
        """Return the topology with other lifetimes of what an uplink's CPE delegates."""
        cpe = self.nodes[WireEnd.parse(self.uplinks[uplink].cpe).node]
        changed = replace(cpe, ipv6=with_lifetimes(cpe.ipv6, lifetimes) if cpe.ipv6 else None)
        return replace(self, nodes={**self.nodes, cpe.name: changed})

    def fleet_hub(self, number: int) -> FleetHub:
        """Return a hub of the fleet by its number. Raises IndexError where there is none."""
        if self.fleet is None:
            raise IndexError("the topology has no fleet")
        return self.fleet.hub(number, self.hub_ports)

    @property
    def hub_ports(self) -> Mapping[str, str]:
        """The hub's port of each uplink."""
        return {name: uplink.hub_port for name, uplink in self.uplinks.items()}

    def connections(self) -> Iterator[tuple[WireEnd, WireEnd]]:
        """Yield every wire to build, the emulator's two for each uplink included."""
        for a, b in self.wires:
            yield WireEnd.parse(a), WireEnd.parse(b)
        for uplink in self.uplinks.values():
            hub_side, net_side = uplink.interfaces
            yield WireEnd.parse(uplink.cpe), WireEnd(EMULATOR, hub_side)
            yield WireEnd(EMULATOR, net_side), WireEnd.parse(uplink.pop)

    def problems(self) -> Iterable[Problem]:
        for kind in (NodeKind.HUB, NodeKind.TENANT):
            if len(found := self.of_kind(kind)) != 1:
                yield Problem(
                    self.place.at("nodes"), f"{len(found)} nodes of kind {kind}", "give exactly one"
                )
        if len(found := self.of_kind(NodeKind.EDGE)) > 1:
            yield Problem(self.place.at("nodes"), f"{len(found)} nodes of kind edge", "give at most one")
        if EMULATOR in self.nodes:
            yield Problem(self.place.at("nodes"), f"a node is named {EMULATOR!r}", "choose another name")
        yield from self._end_problems()
        yield from self._uplink_problems()
        given = (self.probe_target,) if isinstance(self.probe_target, str) else self.probe_target
        if not given:
            yield Problem(self.place.at("probe_target"), "no target", "write an IP address")
        for text in given:
            if not is_interface(text) or is_ipv6(text):
                yield Problem(self.place.at("probe_target"), f"{text!r}", "write an IPv4 address")
        if self.fleet is not None:
            ports = ((f"{node.name}:{port}", text) for node in self.nodes.values() for port, text in node.ports.items())
            taken = [(whose, text) for whose, text in ports if "/" in text and is_interface(text) and not is_ipv6(text)]
            yield from self.fleet.misfits(self.uplinks, taken)

    def _end_problems(self) -> Iterable[Problem]:
        used: set[str] = set()
        ends = [(end, self.place.at("wires")) for wire in self.wires for end in wire]
        ends += [(end, u.place) for u in self.uplinks.values() for end in (u.cpe, u.pop)]
        for text, place in ends:
            end = WireEnd.parse(text)
            if end.node not in self.nodes:
                yield Problem(place, f"unknown node in {text!r}", did_you_mean(end.node, self.nodes))
            elif end.port not in self.nodes[end.node].ports:
                known = self.nodes[end.node].ports
                yield Problem(place, f"unknown port in {text!r}", did_you_mean(end.port, known))
            elif text in used:
                yield Problem(place, f"{text!r} is wired twice", "give each wire ports of its own")
            used.add(text)

    def _uplink_problems(self) -> Iterable[Problem]:
        if not self.uplinks:
            yield Problem(self.place.at("uplinks"), "no uplink", "describe at least one")
        for hub in self.of_kind(NodeKind.HUB):
            for uplink in self.uplinks.values():
                if uplink.hub_port not in hub.ports:
                    expected = did_you_mean(uplink.hub_port, hub.ports)
                    yield Problem(uplink.place, f"the hub has no port {uplink.hub_port!r}", expected)
        for name, uplink in self.uplinks.items():
            if not re.fullmatch(r"[a-z][a-z0-9-]{0,10}", name):
                yield Problem(
                    uplink.place, f"uplink name {name!r}", "use up to 11 of a-z, 0-9 and -, a letter first"
                )
            if uplink.tariff is not None and not uplink.metered:
                expected = "add 'metered: true'"
                yield Problem(
                    uplink.place.at("tariff"), f"uplink {name} has a tariff and is not metered", expected
                )
        metrics = [uplink.metric for uplink in self.uplinks.values()]
        if len(set(metrics)) < len(metrics):
            yield Problem(self.place.at("uplinks"), "two uplinks have one metric", "give each its own")


def is_address(text: str) -> bool:
    """Return whether this is an address alone: 192.0.2.1."""
    return "/" not in text and is_interface(text)


def is_interface(text: str) -> bool:
    """Return whether this is an address, with or without its prefix length: 192.0.2.1/24."""
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True
