"""Build a topology's network with Mininet: the only module that imports it.

Mininet makes the nodes (a shell in network and mount namespaces of its own) and the wires (veth
pairs). Addresses, routes, NAT and services are set by one script for each node, whose failure is
an error with the node's name; Mininet's own way (text output, judged by being empty) is not used.
The network is built inside the run's sandbox and needs no tearing down: its namespaces end with it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

from mininet.link import Link
from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import Node as MininetNode

from testbed.errors import HostError, RunError
from testbed.lab import ipv6
from testbed.lab.bench import BenchHub
from testbed.lab.devices import PRIVATE_FILES, DeviceAccess, NamespaceAccess
from testbed.lab.parts import Part, last_line
from testbed.lab.power import NamespacePower, Power
from testbed.model.topology import EMULATOR, Lease, Node, NodeKind, Topology

CONGESTION_CONTROL = "cubic"
"""Of all TCP that leaves a node's own network: the kernel's own default (RFC 9438)."""
_SCRIPT_TIMEOUT_S = 60.0
_LEASES = "/run/leases"  # where a CPE keeps whom it has leased an address
_BOOT = "/run/boot.conf"
_PRIVATE = "/run/testbed"  # on the sandbox's tmpfs: what the devices write to their /etc, /var and /root


class Network:
    """A built network: every node's device, by name."""

    def __init__(self, topology: Topology, logs: Path, bench_hub: BenchHub | None = None) -> None:
        self.topology = topology
        self._bench_hub = bench_hub
        self.devices: Mapping[str, DeviceAccess] = {}
        self._logs = logs
        self._commands: dict[str, list[str]] = {}  # of the services, by node
        self.leases = {name: node.lease for name, node in topology.nodes.items() if node.lease is not None}
        self._names: Mapping[str, str] = {}  # the Internet's DNS
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        self._ipv6: dict[str, dict[str, subprocess.Popen[bytes]]] = {}  # by node and program
        self._reboots: dict[str, int] = {}
        self._nodes: Mapping[str, MininetNode] = {}

    def build(self) -> None:
        """Make nodes and wires, and configure every node but the hub, which is provisioned.

        Raises HostError when Mininet lacks a tool, RunError when a node cannot be configured.
        """
        dual = bool(self.topology.delegations)
        if dual:
            ipv6.require()
        try:
            self._nodes = self._build_nodes()
        except SystemExit as error:  # Mininet's answer to a missing tool
            raise HostError(
                "Mininet could not start: a tool it needs is missing; see 'testbed doctor'"
            ) from error
        self.devices = {name: NamespaceAccess(name, node.pid) for name, node in self._nodes.items()}
        for name, device in self.devices.items():
            node = self.topology.nodes.get(name)
            script = "\n".join(configuration(node, dual) if node else _emulator_script(self.topology))
            _run(device, f"{PRIVATE_FILES}\n{script}")
        if self._bench_hub:
            hub = self._bench_hub.access(self.devices)
            self.devices = {**self.devices, **({hub.name: hub} if hub else {})}

    @cached_property
    def power(self) -> Power | None:
        """The hub's power switch; None where nobody has one."""
        if self._bench_hub:
            return self._bench_hub.power
        hub = self.topology.hub
        device = self.devices.get(hub.name)
        return NamespacePower(device, tuple(hub.ports)) if isinstance(device, NamespaceAccess) else None

    def start_services(self, names: Mapping[str, str], resolvers: Sequence[str] = ()) -> None:
        """Start DHCP and DNS on the nodes that serve them; ``names`` is the Internet's DNS (name -> address).

        Names that it does not have are asked of the ``resolvers``; without any, they are unknown.
        """
        self._names = names
        for node in self.topology.nodes.values():
            if (command := service(node, names, resolvers)) is not None:
                self._commands[node.name] = command
                self.start_service(node.name)
            self.start_ipv6(node.name)

    def start_service(self, node: str) -> None:
        """Start the service of a node that has one."""
        if node in self._commands:
            with self._log(node).open("ab") as log:
                self._services[node] = self.devices[node].popen(self._commands[node], stdout=log, stderr=log)

    def change_lease(self, node: str, lease: Lease) -> None:
        """Have a node lease something else when its service next starts, and forget its leases. Raises RunError."""
        self.leases[node] = lease
        changed = service(replace(self.topology.nodes[node], lease=lease), self._names)
        if changed is not None:
            self._commands[node] = changed
        _run(self.devices[node], "rm -f /run/leases")

    def start_ipv6(self, node: str) -> None:
        """Let a CPE advertise and delegate its prefixes, if it has any. Raises RunError."""
        for program, command, prepare in ipv6.services(self.topology.nodes[node], self._reboots.get(node, 0)):
            _run(self.devices[node], f"set -eu\n{prepare}")
            with self._ipv6_log(node, program).open("ab") as log:
                process = self.devices[node].popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self._ipv6.setdefault(node, {})[program] = process

    def stop_ipv6(self, node: str) -> None:
        """End that, as a loss of power does: what is delegated next is another prefix."""
        self._reboots[node] = self._reboots.get(node, 0) + 1
        for process in self._ipv6.pop(node, {}).values():
            process.kill()
            process.wait(timeout=60)

    def start_boot_service(self, node: str) -> None:
        """Start what leases the node's boot address, which it gives itself the router of. Raises RunError."""
        lease = self.topology.nodes[node].lease
        if lease is None:
            return
        _run(self.devices[node], "\n".join(boot_configuration(lease)))
        command = ["busybox", "udhcpd", "-f", "-a", "100", "-I", lease.boot_router, _BOOT]
        with self._log(node).open("ab") as log:
            self._services[node] = self.devices[node].popen(command, stdout=log, stderr=log)

    def stop_boot_service(self, node: str) -> None:
        """End it, and take its router's address away. Raises RunError."""
        self.stop_service(node)
        if (lease := self.topology.nodes[node].lease) is not None:
            _run(self.devices[node], f"ip address delete {lease.boot_router}/24 dev {lease.port}")

    def addressed(self, uplink: str) -> bool:
        """Return whether the hub's port to an uplink has the address that the CPE leases; if it leases one at all.

        A hub may still have it from the run before, and not ask: then it answers for it (ARP).
        """
        port = self.topology.cpe_port(uplink)
        if port is None or (lease := self.topology.nodes[port.node].lease) is None:
            return True
        ask = f"ping -q -c 1 -W 1 {lease.address}; ip neighbour show {lease.address} | grep lladdr"
        look = f"test -s {_LEASES} || {{ {ask}; }}"
        return self.devices[port.node].run(["sh", "-c", look]).returncode == 0

    def stop_service(self, node: str) -> None:
        """End the service of a node, as a loss of power does."""
        if (process := self._services.pop(node, None)) is not None:
            process.kill()
            process.wait(timeout=60)

    def parts(self) -> Iterator[Part]:
        """Yield what must live: the services that are not stopped, and what holds each node's namespaces."""
        for node, process in tuple(self._services.items()):
            yield Part(f"dnsmasq of {node}", process, partial(last_line, self._log(node)))
        for node, programs in tuple(self._ipv6.items()):
            for program, process in programs.items():
                yield Part(f"{program} of {node}", process, partial(last_line, self._ipv6_log(node, program)))
        for name, held in self._nodes.items():
            yield Part(f"node {name}", held.shell)

    def _log(self, node: str) -> Path:
        return self._logs / f"dnsmasq-{node}.log"

    def _ipv6_log(self, node: str, program: str) -> Path:
        return self._logs / f"{program}-{node}.log"

    def _nodes_to_make(self) -> Iterator[str]:
        """Yield the nodes to make: a hub on a bench is none."""
        on_bench = {self.topology.hub.name} if self._bench_hub else set()
        yield from (name for name in self.topology.nodes if name not in on_bench)
        yield EMULATOR

    def _build_nodes(self) -> dict[str, MininetNode]:
        setLogLevel("error")
        Mininet.inited = True  # or it would write the host's sysctls and limits
        net = Mininet(topo=None, build=False, controller=None, waitConnected=False)
        nodes = {name: net.addHost(name, cls=MininetNode) for name in self._nodes_to_make()}
        for a, b in self.topology.connections():
            if self._bench_hub and self.topology.hub.name in (a.node, b.node):
                port, end = (a.port, b) if a.node == self.topology.hub.name else (b.port, a)
                self._bench_hub.plug(port, nodes[end.node].pid, end.port)
                continue
            net.addLink(nodes[a.node], nodes[b.node], cls=Link, intfName1=a.port, intfName2=b.port)
        return nodes


def keep_logs(target: Path) -> None:
    """Copy what the devices wrote to their /var/log into a folder for each below ``target``."""
    for node in sorted(path.name for path in Path(_PRIVATE).glob("*")):
        for log in written_logs(node):
            kept = target / node / log.relative_to(_var_log(node))
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, kept)


def written_logs(node: str) -> list[Path]:
    """Return the files that a device has written to its /var/log, as the sandbox sees them."""
    return sorted(path for path in _var_log(node).rglob("*") if path.is_file() and path.stat().st_size)


def _var_log(node: str) -> Path:
    return Path(_PRIVATE) / node / "var/log"


def configuration(node: Node, dual_stack: bool = False) -> Iterator[str]:
    """Yield the shell lines that configure a node, with IPv6 where it is asked for; the hub gets only its loopback."""
    yield "set -eu"
    yield "ip link set lo up"
    if node.kind is NodeKind.HUB:
        return
    yield f"echo {int(node.kind is not NodeKind.CLIENT)} > /proc/sys/net/ipv4/ip_forward"
    yield "echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter"
    if dual_stack and node.kind is not NodeKind.SWITCH:
        yield from ipv6.configuration(node)
    if node.kind is NodeKind.SWITCH:
        yield "ip link add name bridge type bridge forward_delay 0"
        yield "ip link set bridge up"
    for port, address in node.ports.items():
        if node.kind is NodeKind.SWITCH:
            yield f"ip link set {port} master bridge"
        elif "/" in address:
            yield f"ip address add {address} dev {port}"
        yield f"ip link set {port} up"
    for prefix, via in node.routes.items():
        yield f"ip route add {prefix} via {via}"
    if node.gateway:
        # By the route, since a namespace may not choose it: results must not depend on the host's default.
        yield f"ip route add default via {node.gateway} congctl {CONGESTION_CONTROL}"
    if node.ipv6:
        yield from ipv6.routes(node.ipv6)
    if node.nat:
        yield from _masquerade(node.nat)


def service(node: Node, names: Mapping[str, str], resolvers: Sequence[str] = ()) -> list[str] | None:
    """Return the dnsmasq command of a node: DHCP and DNS at a CPE, the Internet's DNS at a router."""
    command = ["dnsmasq", "--keep-in-foreground", "--user=root", "--conf-file=/dev/null", "--no-hosts"]
    command += ["--no-resolv", "--log-facility=-", "--pid-file="]
    if node.kind is NodeKind.ROUTER:
        command += [f"--address=/{name}/{address}" for name, address in names.items()]
        return [*command, *(f"--server={address}" for address in resolvers)]
    if node.lease is None:
        return None
    command += [
        f"--server={node.resolver}",
        f"--interface={node.lease.port}",
        "--no-ping",
        "--dhcp-authoritative",
    ]
    last = node.lease.address or "static"  # which leases to nobody, and says so to who asks for something else
    leased = f"{node.lease.address or node.address(node.lease.port)},{last},{node.lease.time // 10**9}"
    command += [f"--dhcp-range={leased}", f"--dhcp-leasefile={_LEASES}"]
    return [*command, f"--dhcp-option=option:router,{node.address(node.lease.port)}", "--log-dhcp"]


def boot_configuration(lease: Lease) -> Iterator[str]:
    """Yield the shell lines that prepare a node to lease its boot address; dnsmasq leases none for under 2 min."""
    yield f"ip address replace {lease.boot_router}/24 dev {lease.port}"
    yield f"cat > {_BOOT} << END"
    yield f"interface {lease.port}\nstart {lease.boot}\nend {lease.boot}\nmax_leases 1"
    yield "lease_file /run/boot.leases\npidfile /run/boot.pid\nmin_lease 10\noption lease 10"
    yield f"option subnet 255.255.255.0\noption router {lease.boot_router}\noption dns {lease.boot_router}"
    yield "END\n: > /run/boot.leases"


def _masquerade(ports: tuple[str, ...]) -> Iterator[str]:
    yield "nft add table ip nat"
    yield "nft 'add chain ip nat postrouting { type nat hook postrouting priority srcnat; }'"
    for port in ports:
        yield f"nft add rule ip nat postrouting oifname {port} masquerade"


def _emulator_script(topology: Topology) -> Iterator[str]:
    yield "set -eu"
    yield "ip link set lo up"
    yield "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 2>/dev/null || true"
    for uplink in topology.uplinks.values():
        for interface in uplink.interfaces:
            yield f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6 2>/dev/null || true"
            yield f"ip link set {interface} up"


def _run(device: DeviceAccess, script: str) -> None:
    done = device.run(["sh", "-c", script, "sh", f"{_PRIVATE}/{device.name}"], _SCRIPT_TIMEOUT_S)
    if done.returncode != 0:
        raise RunError(f"{device.name}: could not be configured: {(done.stderr or done.stdout).strip()}")
