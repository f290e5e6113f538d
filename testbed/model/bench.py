"""A bench: which NICs of the lab host stand for the wires to hubs that are not virtual, and how they are reached."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated

from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.topology import INTERFACE_NAME_LIMIT, Node, NodeKind, Topology, is_interface
from testbed.units import parse_duration
from testbed.yaml import load
from testbed.yaml.load import Quantity

VIRTUAL = "virtual"
"""What ``--bench`` is called when there is none: the hub is a node of the network."""

MANAGEMENT = "management"
"""The node that reaches the hub's management port, and that port's name; only benches that have one."""

_KEY_TYPES = ("ssh-", "ecdsa-", "sk-")


@dataclass(frozen=True)
class Cable:
    """A cable between this host and the hub: the NIC at this end, and the port ``as`` the hub names it.

    Of a closed hub, on which nobody can use that name, it may be left out.
    """

    nic: str
    as_: str = field(default="", metadata={"yaml_key": "as"})
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    @property
    def port(self) -> str:
        """The port's name on the hub."""
        return self.as_ or self.name

    def problems(self) -> Iterable[Problem]:
        given = [("nic", self.nic), *([("as", self.as_)] if self.as_ else [])]
        for key, interface in given:
            if not re.fullmatch(rf"[^\s/]{{1,{INTERFACE_NAME_LIMIT}}}", interface):
                expected = f"write the name of an interface, at most {INTERFACE_NAME_LIMIT} characters"
                yield Problem(self.place.at(key), f"{key} is {interface!r}", expected)


@dataclass(frozen=True)
class Ssh:
    """How the hub is reached by SSH.

    ``key`` is a file (relative to the bench's, ``~`` is the home of the user who called sudo); without
    it the agent of SSH_AUTH_SOCK is asked. ``host_key`` is the hub's, as in its ssh_host_*_key.pub; without it
    each run trusts the key it meets, which is as safe as the cable. A user other than root needs sudo
    without a password.
    """

    address: str
    user: str = "root"
    port: int = 22
    key: str = ""
    host_key: str = ""
    answers_within: Annotated[int, Quantity(parse_duration, "a duration")] = 60 * 10**9
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if "/" in self.address or not is_interface(self.address):
            yield Problem(self.place.at("address"), f"address is {self.address!r}", "write an IP address")
        if not re.fullmatch(r"[A-Za-z_][\w.-]*", self.user):
            yield Problem(
                self.place.at("user"), f"user is {self.user!r}", "write the name of a user of the hub"
            )
        if not 0 < self.port < 2**16:
            yield Problem(self.place.at("port"), f"port is {self.port}", "write a number from 1 to 65535")
        words = self.host_key.split()
        if self.host_key and (len(words) < 2 or not words[0].startswith(_KEY_TYPES)):
            expected = "write type and key as in the hub's /etc/ssh/ssh_host_ed25519_key.pub"
            yield Problem(self.place.at("host_key"), f"host_key is {self.host_key!r}", expected)


@dataclass(frozen=True)
class Management:
    """A management port of the hub: the NIC at this end of its cable, and this end's ``address/prefix``."""

    nic: str
    address: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if "/" not in self.address or not is_interface(self.address):
            expected = "write an address of this end with its prefix (10.0.0.2/24)"
            yield Problem(self.place.at("address"), f"address is {self.address!r}", expected)


@dataclass(frozen=True)
class Switch:
    """How the hub's power is switched: a shell command of the lab host for each way, such as a smart plug's."""

    off: str
    on: str
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class Labgrid:
    """The place of labgrid that the hub is: its ``name`` at the ``coordinator`` (HOST:PORT). ``client`` is
    labgrid's program, a name or a path."""

    name: str
    coordinator: str = "127.0.0.1:20408"
    client: str = "labgrid-client"
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if not re.fullmatch(r"[\w.-]+", self.name):
            yield Problem(self.place.at("name"), f"name is {self.name!r}", "write the name of a place of labgrid")
        if not re.fullmatch(r"\S+:\d+", self.coordinator):
            expected = "write HOST:PORT, such as lab-1:20408"
            yield Problem(self.place.at("coordinator"), f"coordinator is {self.coordinator!r}", expected)

    def __str__(self) -> str:
        return f"labgrid's place {self.name} at {self.coordinator}"


@dataclass(frozen=True)
class Bench:
    """A hub on a shelf: its cables, by the port's name in the topology, and the way to it. Without ``ssh`` it is
    closed."""

    ports: Mapping[str, Cable]
    ssh: Ssh | None = None
    management: Management | None = None
    power: Switch | None = None
    labgrid: Labgrid | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        yield from _twice(self.nics(), "NIC {!r} has two cables", "give each port a NIC of its own")
        if self.ssh:
            yield from self._reach_problems(self.ssh)
        elif self.management:
            found = "a management port, and no ssh that would use it"
            yield Problem(self.management.place, found, "add ssh, or leave it out: the hub is closed")
        names = [(cable.port, cable.place.at("as")) for cable in self.ports.values()]
        yield from _twice(names, "two ports are {!r} on the hub", "write each port's own name")

    def _reach_problems(self, ssh: Ssh) -> Iterator[Problem]:
        for cable in self.ports.values():
            if not cable.as_:
                yield Problem(cable.place, f"ports {cable.name!r} has no 'as'", "add 'as: ...'")
        management = self.management
        if management and not [*management.problems(), *ssh.problems()]:
            lan = ipaddress.ip_interface(management.address).network
            if ipaddress.ip_address(ssh.address) not in lan:
                found = f"ssh reaches {ssh.address}, which is not in the management port's network {lan}"
                yield Problem(ssh.place.at("address"), found, "write an address in that network")

    @property
    def closed(self) -> bool:
        """Whether nobody gets in: the hub is cabled, and measured from outside."""
        return self.ssh is None

    def nics(self) -> Iterator[tuple[str, Place]]:
        """Yield every NIC of this host that the bench takes, with where it is written."""
        for cable in self.ports.values():
            yield cable.nic, cable.place.at("nic")
        if self.management:
            yield self.management.nic, self.management.place.at("nic")

    def nic(self, port: str) -> str:
        """Return the NIC of this host that is cabled to a port, named as the hub names it."""
        if self.management and port == MANAGEMENT:
            return self.management.nic
        return next(cable.nic for cable in self.ports.values() if cable.port == port)

    def misfits(self, topology: Topology) -> Iterator[Problem]:
        """Yield what keeps the bench's hub from standing for the topology's."""
        place = self.place.at("ports")
        for port in sorted(topology.hub.ports.keys() - self.ports.keys()):
            yield Problem(
                place, f"the hub's port {port!r} has no NIC", f"add '{port}: {{nic: ..., as: ...}}'"
            )
        for port in sorted(self.ports.keys() - topology.hub.ports.keys()):
            expected = did_you_mean(port, topology.hub.ports)
            yield Problem(self.ports[port].place, f"the topology's hub has no port {port!r}", expected)
        if MANAGEMENT in topology.nodes:
            yield Problem(
                place, f"the topology has a node {MANAGEMENT!r}", "rename it: benches use that name"
            )
        if self.ssh and self.management is None and not _nodes_on(self.ssh.address, topology):
            lan = ipaddress.ip_interface(topology.hub.ports[_lan_port(topology)]).network
            found = f"ssh reaches {self.ssh.address}, but no client of the topology is in that network"
            yield Problem(
                self.ssh.place.at("address"),
                found,
                f"write the hub's address in the LAN {lan}, or describe its management port",
            )

    def fit(self, topology: Topology) -> Topology:
        """Return the topology with the hub's ports under the hub's own names, and its management port."""
        hub, names = topology.hub, {port: cable.port for port, cable in self.ports.items()}
        ends = {f"{hub.name}:{port}": f"{hub.name}:{name}" for port, name in names.items()}
        nodes = {**topology.nodes, hub.name: replace(hub, ports={names[p]: a for p, a in hub.ports.items()})}
        wires = [(ends.get(a, a), ends.get(b, b)) for a, b in topology.wires]
        uplinks = {n: replace(u, hub_port=names[u.hub_port]) for n, u in topology.uplinks.items()}
        if self.management:
            ports = {"eth0": self.management.address}
            nodes[MANAGEMENT] = Node(NodeKind.CLIENT, ports, name=MANAGEMENT)
            wires.append((f"{hub.name}:{MANAGEMENT}", f"{MANAGEMENT}:eth0"))
        return replace(topology, nodes=nodes, wires=tuple(wires), uplinks=uplinks)

    def seat(self, topology: Topology) -> str:
        """Return the node from which the hub is reached: at its management port or on its LAN; none if it is closed."""
        if self.ssh is None:
            return ""
        return MANAGEMENT if self.management else _nodes_on(self.ssh.address, topology)[0]


@dataclass(frozen=True)
class BenchFile:
    """A bench's file: one hub (``ports``, ``ssh``, ``management``, ``power``, ``labgrid``), or several ``hubs`` by
    their names."""

    ports: Mapping[str, Cable] = field(default_factory=dict)
    ssh: Ssh | None = None
    management: Management | None = None
    power: Switch | None = None
    labgrid: Labgrid | None = None
    hubs: Mapping[str, Bench] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def benches(self) -> Mapping[str, Bench]:
        """The hubs by name; the only one of a file that names none is called ``""``."""
        return self.hubs or {"": self._only}

    @property
    def _only(self) -> Bench:
        return Bench(self.ports, self.ssh, self.management, self.power, self.labgrid, self.place)

    def problems(self) -> Iterable[Problem]:
        if self.hubs and (self.ports or self.ssh or self.management or self.power or self.labgrid):
            yield Problem(self.place.at("hubs"), "hubs beside a hub of the file's own", "give each a name below hubs")
        elif not self.hubs and not self.ports:
            yield Problem(self.place, "bench file has no 'ports'", "add 'ports: ...', or 'hubs: ...' for several")
        elif not self.hubs:
            yield from self.benches[""].problems()
        for name, bench in self.hubs.items():
            if not re.fullmatch(r"[A-Za-z0-9][\w-]*", name):
                yield Problem(bench.place, f"hub {name!r}", "use letters, digits, - and _")
        nics = [nic for bench in self.hubs.values() for nic in bench.nics()]
        if len({nic for nic, _ in nics}) < len(nics) and not any([*b.problems()] for b in self.hubs.values()):
            yield from _twice(nics, "NIC {!r} is cabled to two hubs", "give each hub NICs of its own")


def _nodes_on(address: str, topology: Topology) -> list[str]:
    """Return the clients that have a port in the network of an address."""
    return [
        node.name
        for node in topology.of_kind(NodeKind.CLIENT)
        for text in node.ports.values()
        if "/" in text and ipaddress.ip_address(address) in ipaddress.ip_interface(text).network
    ]


def _lan_port(topology: Topology) -> str:
    return next(port for port, address in topology.hub.ports.items() if "/" in address)


def _twice(named: Iterable[tuple[str, Place]], found: str, expected: str) -> Iterator[Problem]:
    seen: set[str] = set()
    for name, place in named:
        if name in seen:
            yield Problem(place, found.format(name), expected)
        seen.add(name)
