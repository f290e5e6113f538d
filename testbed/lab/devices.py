"""Access to a device of the lab: run commands on it, provision it. The seam between namespaces and hardware."""

from __future__ import annotations

import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from testbed.errors import RunError

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

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command on the device; the options are those of ``subprocess.Popen``."""
        return subprocess.Popen(self.argv(command), **options)

    def run(self, command: Sequence[str], timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
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
