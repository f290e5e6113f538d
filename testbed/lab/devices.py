"""Access to a device of the lab: run commands on it, provision it. The seam between namespaces and hardware."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed.errors import RunError
from testbed.model.bench import Ssh
from testbed.paths import ROOT

PRIVATE_FILES = """\
set -eu
# $1: a folder of this device on a tmpfs; it receives what the device writes to /etc, /var and /root.
mount --make-rprivate /
for top in etc var root; do
    mkdir -p "$1/$top" "$1/.$top"
    mount -t overlay "testbed-$top" -o "lowerdir=/$top,upperdir=$1/$top,workdir=$1/.$top" "/$top"
done
mount -t tmpfs -o mode=0755 testbed-run /run
mkdir -p /run/lock /run/hub
"""
"""Gives a device /etc, /var, /root and /run of its own: ``sh -c PRIVATE_FILES sh FOLDER`` in its mount namespace."""

_CONNECT_S = 5
_RETRY_S = 0.5
_DENIALS = ("Permission denied", "Host key verification failed", "sudo: ")


class DeviceAccess(ABC):
    """A way to a device. The subclasses say how a command gets there; the rest follows from it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def argv(self, command: Sequence[str]) -> list[str]:
        """Return the command line on the lab host that runs ``command`` on the device."""

    @abstractmethod
    def host_vars(self) -> Mapping[str, str | int]:
        """Return what Ansible's inventory has to say about the device."""

    def wait(self) -> None:  # noqa: B027  (most devices have nothing to wait for)
        """Wait until the device takes commands. Raises RunError."""

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command on the device; the options are those of ``subprocess.Popen``."""
        return subprocess.Popen(self.argv(command), **options)

    def popen_module(
        self, module: str, *arguments: str, wrapper: Sequence[str] = (), **options: Any
    ) -> subprocess.Popen[str]:
        """Start a module of testbed on a device that sees this host's files; ``wrapper`` is a command such as nice.

        Its output is a pipe of text, its process group its own; the options are those of ``subprocess.Popen``.
        """
        return self.popen(
            [*wrapper, sys.executable, "-P", "-m", module, *arguments],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
            **options,
        )

    def run(self, command: Sequence[str], timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command on the device and return its output as text, whatever its exit status.

        Raises RunError when it is still running after ``timeout_s``.
        """
        try:
            return subprocess.run(
                self.argv(command), capture_output=True, text=True, timeout=timeout_s, check=False
            )
        except subprocess.TimeoutExpired as late:
            raise RunError(
                f"{self.name}: {' '.join(command)} is still running after {timeout_s:g} s"
            ) from late


class NamespaceAccess(DeviceAccess):
    """A device that lives in the network and mount namespaces of a process, such as a Mininet node."""

    def __init__(self, name: str, pid: int) -> None:
        super().__init__(name)
        self.pid = pid

    def argv(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "--target", str(self.pid), "--net", "--mount", "--", *command]

    def host_vars(self) -> Mapping[str, str | int]:
        return {
            "ansible_connection": "namespace",
            "ansible_namespace_pid": self.pid,
            "ansible_python_interpreter": sys.executable,
        }


class SshAccess(DeviceAccess):
    """A device that is reached by OpenSSH from another one: a hub on a bench, from a client on its LAN.

    ``folder``, in memory, receives what only this run is to use: configuration, known hosts, and one
    connection that all commands share. The user's own SSH configuration is not read.
    """

    def __init__(self, name: str, seat: DeviceAccess, ssh: Ssh, proof: Path, folder: Path) -> None:
        """``proof`` is the key file, or the agent's socket where ``ssh`` names no key."""
        super().__init__(name)
        self._seat, self._ssh, self._proof, self._folder = seat, ssh, proof, folder
        folder.mkdir(mode=0o700)
        (folder / "known_hosts").write_text(f"{name} {ssh.host_key}\n" if ssh.host_key else "")
        (folder / "config").write_text("\n".join([f"Host {name}", *self._configuration()]) + "\n")
        self._client = folder / "ssh"
        command = seat.argv(["ssh", "-F", str(folder / "config")])
        self._client.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        self._client.chmod(0o700)

    def argv(self, command: Sequence[str]) -> list[str]:
        sudo = [] if self._ssh.user == "root" else ["sudo", "-n", "--"]
        return [str(self._client), self.name, "--", shlex.join([*sudo, *command])]

    def host_vars(self) -> Mapping[str, str | int]:
        return {
            "ansible_connection": "ssh",
            "ansible_ssh_executable": str(self._client),
            "ansible_ssh_args": "-o BatchMode=yes",  # Ansible's own would open a connection beside ours
            "ansible_ssh_use_tty": "false",  # or what a role starts would end with its task
            "ansible_become": "false" if self._ssh.user == "root" else "true",
        }

    def wait(self) -> None:
        """Wait until the device takes commands. Raises RunError saying what was tried, and how it failed."""
        within_s = self._ssh.answers_within / 1e9
        deadline_s = time.monotonic() + within_s
        while True:
            done = self.run(["true"])
            if done.returncode == 0:
                return
            said = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
            # A hub that is still booting is silent, refuses or breaks off; what it denies, it will deny again.
            if any(denial in said for denial in _DENIALS):
                raise RunError(f"{self.name}: no access by {self._way()}: {said}")
            if time.monotonic() > deadline_s:
                raise RunError(f"{self.name}: no answer within {within_s:g} s to {self._way()}: {said}")
            time.sleep(_RETRY_S)

    def _way(self) -> str:
        ssh = self._ssh
        proof = f"the key {Path(ssh.key).name}" if ssh.key else "the keys of the SSH agent"
        return f"ssh {ssh.user}@{ssh.address} -p {ssh.port} from {self._seat.name} with {proof}"

    def _configuration(self) -> Iterator[str]:
        ssh = self._ssh
        yield f"HostName {ssh.address}"
        yield f"HostKeyAlias {self.name}"
        yield f"User {ssh.user}"
        yield f"Port {ssh.port}"
        yield f"UserKnownHostsFile {self._folder}/known_hosts"
        yield "GlobalKnownHostsFile none"
        yield f"StrictHostKeyChecking {'yes' if ssh.host_key else 'accept-new'}"
        yield f"IdentityFile {self._proof if ssh.key else 'none'}"
        yield f"IdentityAgent {'none' if ssh.key else self._proof}"
        yield "BatchMode yes"
        yield "LogLevel ERROR"
        yield "RequestTTY no"
        yield f"ConnectTimeout {_CONNECT_S}"
        yield f"ServerAliveInterval {_CONNECT_S}"
        yield "ControlMaster auto"
        yield "ControlPersist yes"
        yield f"ControlPath {self._folder}/control"
