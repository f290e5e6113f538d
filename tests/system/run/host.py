"""What a run could leave on the host."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENDS_S = 60.0
SETTINGS = ("net", "vm", "kernel")
OF_THEMSELVES = ("random", "ns_last_pid", "stat_refresh", "nf_conntrack_count", "flush", "pty/nr")
"""Below /proc/sys, what changes by itself or acts when it is read."""
MOUNT_S = {"lock", "mount"}
"""In /run, what mount(8) makes on any host."""


@dataclass(frozen=True)
class Host:
    """The host's state at a moment."""

    links: frozenset[str]
    mounts: frozenset[str]
    namespaces: frozenset[str]
    firewall: frozenset[str]
    processes: frozenset[str]
    settings: frozenset[str]
    shm: frozenset[str]
    run: frozenset[str]
    apart: frozenset[str]
    """The PID namespaces that others have on the host: what they start and end in them is theirs."""

    @classmethod
    def look(cls, apart: frozenset[str] = frozenset()) -> Host:
        """Return the host's state as it is now, without what lives in the PID namespaces ``apart``."""
        own = os.readlink("/proc/self/ns/pid")
        processes = [process for process in Path("/proc").glob("[0-9]*") if _namespace(process, "pid") not in apart]
        return cls(
            links=frozenset(os.listdir("/sys/class/net")),
            mounts=frozenset(Path("/proc/self/mounts").read_text().splitlines()),
            namespaces=frozenset(_namespaces(processes)),
            firewall=frozenset(_said("nft", "list", "ruleset").splitlines()),
            processes=frozenset(_ours(processes)),
            settings=frozenset(_settings()),
            shm=frozenset(_own("/dev/shm")),
            run=frozenset(_own("/run")),
            apart=frozenset(_namespace(process, "pid") for process in processes) - {own, ""},
        )

    def left(self, later: Host) -> dict[str, Any]:
        """Return what is different later; of processes and namespaces what came, as those before may be ending."""
        changed = ("links", "mounts", "firewall", "settings", "shm", "run")
        return {
            **{what: getattr(later, what) ^ getattr(self, what) for what in changed},
            **{what: getattr(later, what) - getattr(self, what) for what in ("namespaces", "processes")},
        }


def settled(before: Host) -> Host:
    """Return the host's state when it is as before, or a minute later: the kernel takes seconds to end a sandbox."""
    deadline = time.monotonic() + ENDS_S
    while any(before.left(later := Host.look(before.apart)).values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return later


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _settings() -> Iterator[str]:
    """Yield the kernel's settings that can be read, with their values."""
    for top in SETTINGS:
        for path in Path("/proc/sys", top).rglob("*"):
            if path.is_file() and not any(word in str(path) for word in OF_THEMSELVES):
                try:
                    yield f"{path}={path.read_text(errors='replace').strip()}"
                except OSError:
                    continue  # it cannot be read, or went with its interface


def _own(folder: str) -> set[str]:
    """Return what lies in a folder that a sandbox of the test session has to itself; other people use the host's."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return set(os.listdir(folder)) - MOUNT_S if "TESTBED_SANDBOX" in os.environ and mounts.count(folder) else set()


def _namespace(process: Path, kind: str) -> str:
    """Return the namespace of this kind that a process is in; "" where it ended meanwhile, or is the kernel's."""
    try:
        return os.readlink(process / "ns" / kind)
    except OSError:
        return ""


def _namespaces(processes: Iterable[Path]) -> Iterator[str]:
    for process in processes:
        yield from filter(None, (_namespace(process, kind) for kind in ("net", "mnt", "pid")))


def _ours(processes: Iterable[Path]) -> Iterator[str]:
    """Yield the command lines of processes such as a run starts."""
    names = (
        *("linkd", "anchor", "irtt", "nginx", "keepalived", "dnsmasq", "udhcpc", "azurite", "mininet:", "tini"),
        *("frr/", "testbed.probes", "testbed.dish", "testbed.lab", "testbed.run", "ansible"),
    )
    for process in processes:
        try:
            line = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if any(name in line for name in names):
            yield f"{process.name} {line}"
