"""``testbed role check``: whether a failover role keeps the contract of docs/roles.md.

It is tried on a hub of a small lab, in a sandbox, with what a run would give it. ``python -m testbed.checks.role``
is the part in the sandbox.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import msgspec

from testbed.checks.check import Ability, Check
from testbed.errors import HostError, TestbedError
from testbed.lab import sandbox
from testbed.lab.devices import DeviceAccess, NamespaceAccess
from testbed.lab.provision import provision
from testbed.link.native import Spin
from testbed.model.scenario import Scenario
from testbed.model.topology import NodeKind, Topology, Uplink, WireEnd
from testbed.paths import PLAYBOOKS
from testbed.run import job, plan
from testbed.run import role as roles
from testbed.run.bringup import SECRETS, Rig, bring_up
from testbed.run.job import Job
from testbed.run.variables import hub_variables, provisioned
from testbed.tenant.backend import Access
from testbed.yaml import load
from testbed.yaml.overrides import Override

LEFT_S = 30.0
"""A dead uplink must be left within this, and a healed one taken again within twice as long."""
_SILENCE_S = 1.0  # of what another uplink carries, while one dies that carries nothing
_WATCHED_S = 6.0  # longer than a hub with the default timers takes to notice
_PINGS, _PING_BYTES = 20, 1000
_LAB = """\
# role-check.yaml: a hub with two good uplinks
topology: {topology}
duration: 1 min
uplinks:
{uplinks}
hub: {{failover: none, cache: off}}
objectives:
  - {{metric: backhaul_bytes, at_least: 0 B}}
"""
_SNAPSHOT = "ip rule show; nft list tables 2> /dev/null; ip -brief link show | cut -d ' ' -f 1"
_WITHOUT_PYTHON = {"raw", "install", "script", "set_fact", "assert", "fail", "debug", "meta", "wait_for_connection"}
_WITHOUT_PYTHON |= {"include_tasks", "import_tasks", "include_role", "import_role", "include_vars", "pause"}
_MODULES = {"apt", "command", "copy", "file", "get_url", "lineinfile", "package", "service", "shell", "stat"}
_MODULES |= {"systemd", "template", "blockinfile", "replace", "slurp", "sysctl", "uri", "user", "cron", "setup"}


@dataclass(frozen=True)
class _Asked:
    """What the part in the sandbox is told on its standard input."""

    folder: str
    failover: str


def check_role(failover: str, topology: Path, hear: Callable[[Check], None] = lambda check: None) -> list[Check]:
    """Try a failover, shipped or a role's folder, on a hub; return what was found, and let ``hear`` know at once.

    Raises InputError where the role is not whole, HostError where the sandbox cannot be had.
    """
    if "/" in failover:
        roles.find(failover, "", Path())  # its mistakes are told before those of a scenario that names it
    with tempfile.TemporaryDirectory(prefix="testbed-role-") as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        uplinks = load.read(topology, Topology).uplinks
        links = "".join(f"  {uplink}: {{fixed: {{delay: 10 ms}}}}\n" for uplink in uplinks)
        scenario = folder / "role-check.yaml"
        scenario.write_text(_LAB.format(topology=topology, uplinks=links.rstrip()))
        change = Override.parse(f"hub.failover={failover}")
        made = plan.make(scenario, [change])
        role = made.role or roles.shipped(failover)
        job.pack(replace(plan.make(scenario), role=made.role), folder)
        found = [_python_needed(role)]
        hear(found[0])
        for check in _in_sandbox(_Asked(name, failover), folder / "logs" / "check.log"):
            found.append(check)
            hear(check)
        return found


def _python_needed(role: Path) -> Check:
    """Look for what the role's tasks use of Ansible that runs in Python on the hub."""
    used = set()
    for path in roles.files(role):
        if path.suffix in (".yml", ".yaml") and path.parent.name in ("tasks", "handlers"):
            for key in re.findall(r"^\s*(?:- )?([a-z_.]+):", path.read_text(), re.MULTILINE):
                name = key.rpartition(".")[2]
                if name not in _WITHOUT_PYTHON and ("." in key or name in _MODULES):
                    used.add(key)
    if used:
        advice = "a router has none; raw and install do without (docs/provisioning.md)"
        return Check("python", Ability.LIMITED, f"needed on the hub for {', '.join(sorted(used))}", advice)
    return Check("python", Ability.OK, "not needed on the hub")


def _in_sandbox(asked: _Asked, log: Path) -> Iterator[Check]:
    with log.open("wb") as file:
        process = sandbox.spawn([sys.executable, "-m", "testbed.checks.role"], file)
    try:
        if process.stdin is None or process.stdout is None:
            raise HostError("the sandbox has no pipes")
        process.stdin.write(json.dumps(asdict(asked)).encode() + b"\n")
        process.stdin.close()
        for line in process.stdout:
            yield msgspec.json.decode(line, type=Check)
        status = process.wait()
    finally:
        process.kill()
        process.wait()
    if status != 0:
        raise HostError(f"the check died: {log.read_text(errors='replace').strip()}")


class _Trial:
    """A hub in a lab that is up, on which a role is tried."""

    def __init__(self, played: Job, lab: Rig, failover: str) -> None:
        self._job, self._lab, self._failover = played, lab, failover
        self._topology: Topology = played.topology
        self._devices: Mapping[str, DeviceAccess] = lab.network.devices
        now = datetime.now(UTC)
        span = now - timedelta(minutes=5), now + timedelta(hours=1)
        self._tokens = {access: lab.tenant.credential(*span, access) for access in Access}

    @cached_property
    def _hub(self) -> DeviceAccess:
        return self._devices[self._topology.hub.name]

    def checks(self) -> Iterator[Check]:
        """Try everything; what rests on a thing that failed is not tried."""
        before = self._snapshot()
        preferred, backup, *_ = sorted(self._topology.uplinks.values(), key=lambda uplink: uplink.metric)
        yield (applied := self._applies("provision"))
        if applied.state is not Ability.OK:
            return
        yield (carries := self._carries("carries", preferred))
        if carries.state is not Ability.OK:
            return
        yield from self._left(preferred)
        yield self._undisturbed(preferred, backup)  # after it the backup may be out for a while
        yield self._applies("again")
        yield self._carries("carries again", preferred)
        yield self._gone(before)

    def _applies(self, name: str) -> Check:
        began_s = time.monotonic()
        try:
            self._provision(self._failover)
        except TestbedError as error:
            return Check(name, Ability.MISSING, str(error), "a role must end well, as often as it is played")
        return Check(name, Ability.OK, f"in {time.monotonic() - began_s:.1f} s")

    def _provision(self, failover: str) -> None:
        hub = replace(self._job.scenario.hub, failover=failover)
        scenario: Scenario = replace(self._job.scenario, hub=hub)
        variables = hub_variables(scenario, self._topology, self._lab.tenant.endpoint, self._tokens, self._job.role)
        groups = provisioned(scenario, self._lab.network)
        each = {device.name: variables for devices in groups.values() for device in devices}
        provision(PLAYBOOKS / "hub.yml", groups, each, SECRETS)

    def _carries(self, name: str, uplink: Uplink) -> Check:
        carried = _until(lambda: self._carrier() == uplink.name, 10.0)
        if carried is not None:
            return Check(name, Ability.OK, f"{uplink.name}, which is preferred, carries")
        found = f"{self._carrier() or 'no uplink'} carries, and {uplink.name} is preferred"
        return Check(name, Ability.MISSING, found, "when a role has ended, its hub must be ready")

    def _left(self, uplink: Uplink) -> Iterator[Check]:
        with self._black_hole(uplink):
            left_s = _until(lambda: self._pinged(count=1), LEFT_S)
            taken = self._carrier()
        if left_s is None or taken in (uplink.name, None):
            found = f"{uplink.name} was dark for {LEFT_S:g} s, and nothing else carried"
            yield Check("dead uplink", Ability.MISSING, found, "that is what a failover is for")
            return
        yield Check("dead uplink", Ability.OK, f"{uplink.name} was left for {taken} after {left_s:.1f} s")
        back_s = _until(lambda: self._carrier() == uplink.name, 2 * LEFT_S)
        if back_s is None:
            found = f"{uplink.name} was good again for {2 * LEFT_S:g} s, and not taken"
            yield Check("return", Ability.LIMITED, found, "objectives on a return will fail")
            return
        yield Check("return", Ability.OK, f"{uplink.name} was taken again after {back_s:.1f} s")

    def _undisturbed(self, carrying: Uplink, dying: Uplink) -> Check:
        """What runs over one uplink must not notice that another one dies."""
        last_s = worst_s = time.monotonic()
        worst_s = 0.0
        with self._black_hole(dying):
            end_s = last_s + _WATCHED_S
            while (now_s := time.monotonic()) < end_s:
                if self._pinged(count=1):
                    last_s = time.monotonic()
                worst_s = max(worst_s, now_s - last_s)
        if worst_s > _SILENCE_S:
            found = f"{carrying.name} carried nothing for {worst_s:.1f} s while {dying.name} died"
            advice = "what happens to an uplink that carries nothing is nobody's business"
            return Check("idle uplink dies", Ability.MISSING, found, advice)
        return Check("idle uplink dies", Ability.OK, f"what {carrying.name} carries goes on while {dying.name} dies")

    def _gone(self, before: Mapping[str, Counter[str]]) -> Check:
        self._provision("none")
        after = self._snapshot()
        left = [f"{what} {name}" for what in after for name in sorted(after[what] - before[what])]
        lost = [f"no {what} {name}" for what in after for name in sorted(before[what] - after[what])]
        if left or lost:
            advice = "note in /etc/hub/made how what the role makes goes again"
            return Check("goes again", Ability.MISSING, "; ".join(left + lost), advice)
        return Check("goes again", Ability.OK, "with another failover nothing of it is left")

    def _snapshot(self) -> Mapping[str, Counter[str]]:
        """Return what a role may leave on a hub: rules, tables and ports by their words, programs by their names."""
        words = self._hub.run(["sh", "-c", _SNAPSHOT]).stdout.splitlines()
        return {"": Counter(words), "program": Counter(_programs(self._hub))}

    def _carrier(self) -> str | None:
        """Return the uplink over which the client's pings reach the tenant; None: they do not, or over several."""
        before = self._sent()
        if not self._pinged(count=_PINGS):
            return None
        sent = {uplink: bytes_ - before[uplink] for uplink, bytes_ in self._sent().items()}
        took = [uplink for uplink, bytes_ in sent.items() if bytes_ >= 0.8 * _PINGS * _PING_BYTES]
        return took[0] if len(took) == 1 else None

    def _pinged(self, count: int) -> bool:
        command = ["ping", "-q", "-c", str(count), "-i", "0.02", "-s", str(_PING_BYTES), "-W", "0.3", self._target]
        client = next(iter(self._topology.of_kind(NodeKind.CLIENT))).name
        return self._devices[client].run(command).returncode == 0

    @cached_property
    def _target(self) -> str:
        tenant = self._topology.tenant
        return next(address for port in tenant.ports if (address := tenant.address(port)))

    def _sent(self) -> dict[str, int]:
        """Return the bytes that each CPE has received from the hub."""
        return {name: self._received(self._cpe_port(name)) for name in self._topology.uplinks}

    def _received(self, port: WireEnd) -> int:
        said = self._devices[port.node].run(["ip", "-statistics", "-json", "link", "show", "dev", port.port])
        return int(json.loads(said.stdout)[0]["stats64"]["rx"]["bytes"])

    def _cpe_port(self, uplink: str) -> WireEnd:
        port = self._topology.cpe_port(uplink)
        if port is None:
            raise HostError(f"the topology has no wire to {uplink}'s CPE")
        return port

    @contextmanager
    def _black_hole(self, uplink: Uplink) -> Iterator[None]:
        """An uplink's CPE forwards nothing: its port is up and its lease is good."""
        cpe = self._devices[self._cpe_port(uplink.name).node]
        chain = "chain forward { type filter hook forward priority 0; policy drop; }"
        _do(cpe, "nft", f"table ip blackhole {{\n{chain}\n}}")
        try:
            yield
        finally:
            _do(cpe, "nft", "delete table ip blackhole")


def _do(device: DeviceAccess, *command: str) -> None:
    done = device.run(command)
    if done.returncode != 0:
        raise HostError(f"{device.name}: {' '.join(command)}: {done.stderr.strip()}")


def _programs(device: DeviceAccess) -> Iterator[str]:
    """Yield the names of what runs in a device's network namespace; a shell's naps come and go."""
    if not isinstance(device, NamespaceAccess):
        return
    home = os.readlink(f"/proc/{device.pid}/ns/net")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name = (folder / "comm").read_text().strip()
            if os.readlink(folder / "ns/net") == home and name != "sleep":
                yield name
        except OSError:  # it ended meanwhile, or is the kernel's
            continue


def _until(holds: Callable[[], bool], within_s: float) -> float | None:
    """Return after how many seconds it held; None: not in that time."""
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > within_s:
            return None
    return time.monotonic() - began_s


def main() -> int:
    """Try what standard input names, and write a check a line."""
    asked = msgspec.json.decode(sys.stdin.readline(), type=_Asked)
    folder = Path(asked.folder)
    try:
        played = job.unpack(folder)
        lab = bring_up(played, folder, lambda name: nullcontext(), lambda: datetime.now(UTC), spin=Spin.NEAR)
        for check in _Trial(played, lab, asked.failover).checks():
            print(json.dumps(asdict(check)), flush=True)
    except TestbedError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
