"""``testbed bench check``: whether a bench's cables, NICs, SSH and hub are as its file says.

It takes the NICs as a run does, in a sandbox, and gives them back. ``python -m testbed.checks.bench``
is the part in the sandbox.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import msgspec

from testbed.checks.check import Ability, Check
from testbed.errors import HostError, TestbedError
from testbed.lab import bench as benches
from testbed.lab import lender, sandbox
from testbed.lab.bench import BenchHub, Chosen
from testbed.lab.devices import DeviceAccess
from testbed.lab.lender import Lender
from testbed.lab.network import Network
from testbed.model.bench import MANAGEMENT, Bench, Ssh
from testbed.model.topology import NodeKind, Topology, WireEnd
from testbed.yaml import load

_CARRIER_S = 10.0  # autonegotiation takes some seconds
_LOSS_S = 4.0
_LEASE_S = 20.0  # a client that nobody has answered asks less and less often
_CLOCK_S = 60.0
_TOOLS = {
    "ip": "iproute2",
    "udhcpc": "udhcpc",
    "dnsmasq": "dnsmasq-base",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ping": "iputils-ping",
    "keepalived": "keepalived",
    "nginx": "nginx libnginx-mod-http-headers-more-filter",
}
"""What the hub's roles run -> the package that has it."""


@dataclass(frozen=True)
class _Job:
    """What the part in the sandbox is told on its standard input."""

    bench: str
    hub: str
    topology: str
    lender: int


def check_bench(chosen: Chosen, topology_path: Path, hold: int | None = None) -> list[Check]:
    """Take the NICs of the hub, look at everything, give them back; return what was found.

    ``hold`` is its lock. Raises HostError where the sandbox or the NICs cannot be had.
    """
    with tempfile.TemporaryDirectory() as folder:
        logs = Path(folder)
        with lender.lending([nic for nic, _ in benches.read(chosen).nics()], logs / "lender.log", hold) as fd:
            job = _Job(str(chosen.path), chosen.hub, str(topology_path), fd or 0)
            return _in_sandbox(job, logs / "check.log")


def _in_sandbox(job: _Job, log: Path) -> list[Check]:
    with log.open("wb") as file:
        process = sandbox.spawn([sys.executable, "-m", "testbed.checks.bench"], file, [job.lender])
    try:
        output, _ = process.communicate(json.dumps(asdict(job)).encode() + b"\n")
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise HostError(f"the check died: {log.read_text(errors='replace').strip()}")
    return [msgspec.json.decode(line, type=Check) for line in output.splitlines()]


def _checks(bench: Bench, topology: Topology, lent: Lender) -> Iterator[Check]:
    """Look at everything, the hub last; in the sandbox."""
    sandbox.prepare(benches.shown(bench))
    hub = BenchHub(bench, topology, lent, sandbox.SHARED)
    network = Network(topology, sandbox.SHARED, hub)
    network.build()
    cables = [_Cable.of(end, network) for ends in topology.connections() for end in _to_hub(ends, topology)]
    for cable in cables:
        yield _check(f"{cable.port}: link", cable.is_up(_CARRIER_S), "up", "no carrier", f"plug in {cable}")
    network.start_services({})
    if bench.ssh is None:
        yield from _from_outside(topology, network)
        return
    device = network.devices[topology.hub.name]
    try:
        device.wait()
    except TestbedError as error:
        yield Check("ssh", Ability.MISSING, str(error), "see docs/bench.md")
        return
    yield Check("ssh", Ability.OK, f"{bench.ssh.user}@{bench.ssh.address} from {bench.seat(topology)}")
    yield from _host_key(bench.ssh)
    for cable in cables:
        if cable.port != MANAGEMENT:
            yield from _wiring(cable, device, management=bench.management is not None)
    yield from _contents(device)


def _from_outside(topology: Topology, network: Network) -> Iterator[Check]:
    """What of a closed hub shows: it asks for leases, and it answers on its LAN."""
    yield Check("ssh", Ability.LIMITED, "none: the hub is closed", "scenarios say hub: {provision: none}")
    for uplink in topology.uplinks:
        addressed = _until(partial(network.addressed, uplink), _LEASE_S)
        found = f"the hub has no address there after {_LEASE_S:g} s"
        advice = f"its port to {uplink} must be a DHCP client"
        yield _check(f"{uplink}: lease", addressed, "the hub has it", found, advice)
    client = topology.of_kind(NodeKind.CLIENT)[0]
    ping = ["ping", "-c", "1", "-W", "1", topology.hub_lan_address]
    answers = _until(lambda: network.devices[client.name].run(ping).returncode == 0, _LEASE_S)
    advice = "its LAN address must be the topology's"
    found = f"{topology.hub_lan_address} answers {client.name}"
    yield _check("lan: address", answers, found, f"{topology.hub_lan_address} does not answer", advice)


def _host_key(ssh: Ssh) -> Iterator[Check]:
    if not ssh.host_key:
        known = (sandbox.SHARED / "ssh" / "known_hosts").read_text().split()
        advice = f"to accept no other key, write host_key: {' '.join(known[1:3])}"
        yield Check("host key", Ability.LIMITED, "taken on trust in each run", advice)


def _wiring(cable: _Cable, hub: DeviceAccess, *, management: bool) -> Iterator[Check]:
    """Check that a cable ends where the file says: the hub's port must lose its carrier with this end of it."""
    name = f"{cable.port}: wiring"
    if hub.run(["ip", "link", "show", "dev", cable.port]).returncode != 0:
        lines = hub.run(["ip", "-oneline", "link", "show"]).stdout.splitlines()
        ports = ", ".join(re.split("[:@] ?", line)[1] for line in lines)
        yield Check(name, Ability.MISSING, f"the hub has no port {cable.port!r}", f"it has: {ports}")
        return
    if cable.is_lan:
        # Its carrier tells nothing where the hub's LAN is a bridge.
        yield Check(name, Ability.OK, "not tried" if management else "SSH came this way")
        return
    cable.set("down")
    try:
        lost = _until(lambda: not _has_carrier(hub, cable.port), _LOSS_S)
    finally:
        cable.set("up")
    found = f"{cable} ends in {cable.port}"
    advice = "the cable ends elsewhere, or this NIC keeps its link while it is down"
    yield (
        Check(name, Ability.OK, found)
        if lost
        else Check(name, Ability.LIMITED, f"{cable.port} kept its carrier while {cable} was down", advice)
    )


def _contents(hub: DeviceAccess) -> Iterator[Check]:
    script = "".join(f"command -v {tool} > /dev/null || echo {tool};" for tool in (*_TOOLS, "python3"))
    lacks = hub.run(["sh", "-c", f"PATH=$PATH:/usr/sbin:/sbin; {script}"]).stdout.split()
    packages = " ".join(package for tool, package in _TOOLS.items() if tool in lacks)
    advice = f"a hub on a bench cannot install what it lacks during a run: apt install {packages}"
    missing = [tool for tool in lacks if tool != "python3"]
    yield _check("programs", not missing, "all that the roles run", f"no {', '.join(missing)}", advice)
    if "python3" in lacks:
        advice = "the testbed's roles need none; roles of your own may"
        yield Check("python", Ability.LIMITED, "no python3", advice)
    away_s = float(hub.run(["date", "+%s"]).stdout or 0) - time.time()
    advice = "set it: certificates and tokens of a run are valid from a few minutes ago"
    yield _check("clock", abs(away_s) < _CLOCK_S, "right", f"{away_s:+.0f} s away", advice)


@dataclass(frozen=True)
class _Cable:
    """A cable to the hub: the node and port of the network at this end, the hub's port at the other."""

    node: str
    near: str
    port: str
    is_lan: bool
    device: DeviceAccess

    @classmethod
    def of(cls, ends: tuple[WireEnd, WireEnd], network: Network) -> _Cable:
        hub, near = ends
        is_lan = "/" in network.topology.hub.ports.get(hub.port, "")
        return cls(near.node, near.port, hub.port, is_lan, network.devices[near.node])

    def __str__(self) -> str:
        return f"the cable from {self.node}"

    def is_up(self, within_s: float) -> bool:
        return _until(
            lambda: "LOWER_UP" in self.device.run(["ip", "link", "show", self.near]).stdout, within_s
        )

    def set(self, state: str) -> None:
        self.device.run(["ip", "link", "set", self.near, state])


def _to_hub(ends: tuple[WireEnd, WireEnd], topology: Topology) -> Iterator[tuple[WireEnd, WireEnd]]:
    a, b = ends
    if topology.hub.name in (a.node, b.node):
        yield (a, b) if a.node == topology.hub.name else (b, a)


def _has_carrier(device: DeviceAccess, port: str) -> bool:
    return "LOWER_UP" in device.run(["ip", "link", "show", "dev", port]).stdout


def _check(name: str, fine: bool, right: str, wrong: str, advice: str) -> Check:
    return Check(name, Ability.OK, right) if fine else Check(name, Ability.MISSING, wrong, advice)


def _until(holds: Callable[[], bool], within_s: float) -> bool:
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.2)
    return True


def main() -> int:
    """Check what standard input names, and write a check a line."""
    job = msgspec.json.decode(sys.stdin.readline(), type=_Job)
    lent = Lender(job.lender)
    bench = benches.read(Chosen(Path(job.bench), job.hub))
    topology = bench.fit(load.read(Path(job.topology), Topology))
    try:
        for check in _checks(bench, topology, lent):
            print(json.dumps(asdict(check)), flush=True)
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
