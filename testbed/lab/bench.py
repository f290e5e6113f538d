"""A bench in a run: its file checked against this host, its NICs plugged into the network, its hub a device."""

from __future__ import annotations

import os
import stat
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from testbed import paths
from testbed.errors import InputError, Problem, RunError, did_you_mean
from testbed.lab import nics, sandbox
from testbed.lab.devices import DeviceAccess, SshAccess
from testbed.lab.lender import Lender
from testbed.model.bench import VIRTUAL, Bench
from testbed.model.topology import Topology
from testbed.yaml import load

_AGENT = "SSH_AUTH_SOCK"
_PROOF = "ssh-proof"  # key or agent, as the sandbox sees it
_LOGS = "cd /var/log && tar -cf - $(ls -d hub nginx frr 2> /dev/null)"  # of what the roles run
_LOGS_S = 60.0


def find(name: str) -> Path | None:
    """Return the file of a bench that this host can lend its NICs to; None for ``virtual``.

    ``name`` is a file or the name of one in benches/. Raises InputError with all that is wrong.
    """
    if name == VIRTUAL:
        return None
    candidates = (Path(name), paths.BENCHES / f"{name}.yaml")
    path = next((path.resolve() for path in candidates if path.is_file()), None)
    if path is None:
        known = [VIRTUAL, *(path.stem for path in paths.BENCHES.glob("*.yaml"))]
        raise InputError(
            "", f"no bench {name!r} here or in {paths.shown(paths.BENCHES)}/", did_you_mean(name, known)
        )
    if refused := list(nics.problems(read(path), nics.read())):
        raise InputError.of(refused)
    return path


def read(path: Path) -> Bench:
    """Read a bench; ``ssh.key`` becomes the whole path. Raises InputError, also about the key file."""
    bench = load.read(path, Bench)
    key = str(_expanded(path.parent, bench.ssh.key)) if bench.ssh.key else ""
    bench = replace(bench, ssh=replace(bench.ssh, key=key), name=bench.name or path.stem)
    if refused := list(_proof_problems(bench)):
        raise InputError.of(refused)
    return bench


def shown(bench: Bench | None) -> Mapping[str, Path]:
    """Return the files of this host that the sandbox must see, by their names there."""
    return {} if bench is None else {_PROOF: Path(bench.ssh.key or os.environ[_AGENT])}


class BenchHub:
    """The hub on a bench, as the network's builder needs it."""

    def __init__(self, bench: Bench, topology: Topology, lender: Lender, secrets: Path) -> None:
        self._bench, self._topology, self._lender, self._secrets = bench, topology, lender, secrets

    def plug(self, hub_port: str, pid: int, port: str) -> None:
        """Make the NIC that is cabled to a port of the hub the port of a node, given by its process."""
        self._lender.lend(self._bench.nic(hub_port), pid, port)

    def access(self, devices: Mapping[str, DeviceAccess]) -> SshAccess:
        """Return the way to the hub, from the device of the network that is next to it."""
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


def _proof_problems(bench: Bench) -> Iterator[Problem]:
    place = bench.ssh.place.at("key")
    if not bench.ssh.key:
        agent = os.environ.get(_AGENT, "")
        if not agent or not Path(agent).is_socket():
            expected = (
                "name a key file, or start an agent and keep its variable (sudo --preserve-env=SSH_AUTH_SOCK)"
            )
            yield Problem(place, "neither a key nor an SSH agent", expected)
        return
    try:
        with Path(bench.ssh.key).open("rb") as file:
            status = os.fstat(file.fileno())
    except OSError as error:
        yield Problem(
            place, f"key {bench.ssh.key} cannot be read ({error.strerror})", "give the private key's file"
        )
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        yield Problem(
            place, f"key {bench.ssh.key} is open to others (mode {mode})", f"chmod 600 {bench.ssh.key}"
        )
