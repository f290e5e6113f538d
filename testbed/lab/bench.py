"""A bench in a run: its file checked against this host, its NICs plugged into the network, its hub a device."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from testbed import paths
from testbed.errors import InputError, Problem, RunError, did_you_mean
from testbed.lab import nics, sandbox
from testbed.lab.devices import DeviceAccess, SshAccess
from testbed.lab.lender import Lender
from testbed.lab.power import Power
from testbed.model.bench import VIRTUAL, Bench, BenchFile, Ssh
from testbed.model.topology import Topology
from testbed.yaml import load

_AGENT = "SSH_AUTH_SOCK"
_PROOF = "ssh-proof"  # key or agent, as the sandbox sees it
_LOGS = "cd /var/log && tar -cf - $(ls -d hub nginx frr 2> /dev/null)"  # of what the roles run
_LOGS_S = 60.0


@dataclass(frozen=True)
class Chosen:
    """The hub that a run is played on: the file of its bench, and its name where the file has several."""

    path: Path
    hub: str = ""

    @property
    def title(self) -> str:
        """The hub as results name it: ``shelf``, or ``shelf/east`` of several."""
        return f"{self.path.stem}/{self.hub}" if self.hub else self.path.stem


def find(name: str, hub: str = "", here: bool = True) -> Chosen | None:
    """Return a hub that this host can lend its NICs to, now or when another run is over; None for ``virtual``.

    Where it is not ``here``, another host's NICs are meant. ``name`` is a bench's file or the name of one in benches/,
    ``hub`` one of its hubs. Raises InputError with all that is wrong.
    """
    if name == VIRTUAL:
        if hub:
            raise InputError("--hub", f"hub {hub!r} of no bench", "add --bench FILE")
        return None
    candidates = (Path(name), paths.BENCHES / f"{name}.yaml")
    path = next((path.resolve() for path in candidates if path.is_file()), None)
    if path is None:
        known = [VIRTUAL, *(path.stem for path in paths.BENCHES.glob("*.yaml"))]
        raise InputError(
            "", f"no bench {name!r} here or in {paths.shown(paths.BENCHES)}/", did_you_mean(name, known)
        )
    chosen = _choose(path, hub)
    if here and (refused := list(nics.problems(read(chosen), nics.read(), lent_too=True))):
        raise InputError.of(refused)
    return chosen


def read(chosen: Chosen) -> Bench:
    """Read the hub of a bench; ``ssh.key`` becomes the whole path. Raises InputError, also about the key file."""
    bench = replace(load.read(chosen.path, BenchFile).benches[_choose(chosen.path, chosen.hub).hub], name=chosen.title)
    if bench.ssh is None:
        return bench
    key = str(_expanded(chosen.path.parent, bench.ssh.key)) if bench.ssh.key else ""
    ssh = replace(bench.ssh, key=key)
    if refused := list(_proof_problems(ssh)):
        raise InputError.of(refused)
    return replace(bench, ssh=ssh)


def listed() -> list[Path]:
    """Return the files in benches/."""
    return sorted(paths.BENCHES.glob("*.yaml"))


def _choose(path: Path, hub: str) -> Chosen:
    """Return a hub of a file. Raises InputError where the file has no such one, or several and none is said."""
    known = load.read(path, BenchFile).benches
    if hub in known:
        return Chosen(path, hub)
    if not hub:
        raise InputError(paths.shown(path), "the bench has several hubs", f"add --hub: {', '.join(known)}")
    expected = "leave --hub away: it has one" if "" in known else did_you_mean(hub, known)
    raise InputError(paths.shown(path), f"the bench has no hub {hub!r}", expected)


def shown(bench: Bench | None) -> Mapping[str, Path]:
    """Return the files of this host that the sandbox must see, by their names there."""
    if bench is None or bench.ssh is None:
        return {}
    return {_PROOF: Path(bench.ssh.key or os.environ[_AGENT])}


class BenchPower(Power):
    """By the bench's commands, which the lender does, outside of the sandbox."""

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    def off(self) -> None:
        self._lender.switch("off")

    def on(self) -> None:
        self._lender.switch("on")


class BenchHub:
    """The hub on a bench, as the network's builder needs it."""

    def __init__(self, bench: Bench, topology: Topology, lender: Lender, secrets: Path) -> None:
        self._bench, self._topology, self._lender, self._secrets = bench, topology, lender, secrets

    def plug(self, hub_port: str, pid: int, port: str) -> None:
        """Make the NIC that is cabled to a port of the hub the port of a node, given by its process."""
        self._lender.lend(self._bench.nic(hub_port), pid, port)

    @property
    def power(self) -> Power | None:
        """The hub's power, where the bench can switch it."""
        return BenchPower(self._lender) if self._bench.power else None

    def access(self, devices: Mapping[str, DeviceAccess]) -> SshAccess | None:
        """Return the way to the hub, from the device of the network that is next to it; None: it is closed."""
        if self._bench.ssh is None:
            return None
        seat = devices[self._bench.seat(self._topology)]
        proof, folder = sandbox.SHARED / _PROOF, self._secrets / "ssh"
        return SshAccess(self._topology.hub.name, seat, self._bench.ssh, proof, folder)


def keep_logs(hub: DeviceAccess, target: Path) -> None:
    """Fetch what the hub's roles have logged into a folder of its name below ``target``. Raises RunError."""
    with tempfile.TemporaryFile() as archive, tempfile.TemporaryFile() as said:
        fetching = hub.popen(["sh", "-c", _LOGS], stdout=archive, stderr=said)
        try:
            status = fetching.wait(_LOGS_S)
        except subprocess.TimeoutExpired as late:
            fetching.kill()
            fetching.wait()
            raise RunError(f"{hub.name}: its logs did not come within {_LOGS_S:g} s") from late
        archive.seek(0)
        said.seek(0)
        if status != 0:
            raise RunError(f"{hub.name}: its logs could not be fetched: {said.read().decode().strip()}")
        try:
            with tarfile.open(fileobj=archive) as logs:
                logs.extractall(target / hub.name, filter="data")
        except (tarfile.TarError, OSError) as error:
            raise RunError(f"{hub.name}: its logs could not be unpacked: {error}") from error


def _expanded(base: Path, key: str) -> Path:
    """Return a key's path: ``~`` is the home of the user who called sudo."""
    if key.startswith("~/"):
        key = f"~{os.environ.get('SUDO_USER', '')}{key[1:]}"
    return base / Path(key).expanduser()


def _proof_problems(ssh: Ssh) -> Iterator[Problem]:
    place = ssh.place.at("key")
    if not ssh.key:
        agent = os.environ.get(_AGENT, "")
        if not agent or not Path(agent).is_socket():
            expected = (
                "name a key file, or start an agent and keep its variable (sudo --preserve-env=SSH_AUTH_SOCK)"
            )
            yield Problem(place, "neither a key nor an SSH agent", expected)
        return
    try:
        with Path(ssh.key).open("rb") as file:
            status = os.fstat(file.fileno())
    except OSError as error:
        yield Problem(
            place, f"key {ssh.key} cannot be read ({error.strerror})", "give the private key's file"
        )
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield Problem(
            place, f"key {ssh.key} is open to others (mode {mode})", f"chmod 600 {ssh.key}"
        )
