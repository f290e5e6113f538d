"""Runs of the whole program, as a user starts it, on this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from testbed import paths
from testbed.result.record import Record
from tests.system.conftest import BUSY

SCENARIO = paths.SCENARIOS / "smoke.yaml"
ENDS_S = 60.0
TRIES = 3

T = TypeVar("T")


@dataclass(frozen=True)
class Host:
    """What a run could leave on the host."""

    links: frozenset[str]
    mounts: str
    namespaces: frozenset[str]
    firewall: str
    processes: frozenset[str]

    @classmethod
    def look(cls) -> Host:
        """Return the host's state as it is now."""
        return cls(
            links=frozenset(os.listdir("/sys/class/net")),
            mounts=Path("/proc/self/mounts").read_text(),
            namespaces=frozenset(_namespaces()),
            firewall=_said("nft", "list", "ruleset"),
            processes=frozenset(_ours()),
        )

    def left(self, later: Host) -> dict[str, Any]:
        """Return what is different later; of processes and namespaces what came, as those before may be ending."""
        return {
            "links": later.links ^ self.links,
            "mounts": set(later.mounts.splitlines()) ^ set(self.mounts.splitlines()),
            "namespaces": later.namespaces - self.namespaces,
            "firewall": set(later.firewall.splitlines()) ^ set(self.firewall.splitlines()),
            "processes": later.processes - self.processes,
        }


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _namespaces() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        for kind in ("net", "mnt", "pid"):
            try:
                yield os.readlink(process / "ns" / kind)
            except OSError:
                continue  # it ended meanwhile, or is the kernel's


def _ours() -> Iterator[str]:
    """Yield the command lines of processes such as a run starts."""
    names = (
        "linkd",
        "anchor",
        "irtt",
        "nginx",
        "keepalived",
        "dnsmasq",
        "udhcpc",
        "azurite",
        "mininet:",
        "tini",
    )
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if any(name in line for name in names):
            yield f"{process.name} {line}"


@dataclass
class Testbed:
    """The command, with its results in a folder of the test."""

    __test__ = False
    results: Path

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "testbed", "run", "--json", "--results", str(self.results)]
        return subprocess.Popen(
            [*command, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> tuple[Path, dict[str, Any]]:
        """Return the folder and the result.json of the only run."""
        (folder,) = self.results.iterdir()
        return folder, json.loads((folder / "result.json").read_text())


def on_a_calm_host(folder: Path, play: Callable[[Path], T]) -> T:
    """Play one run into a results folder, again while the hypervisor takes much; return the calmest."""
    tries: list[tuple[float, T]] = []
    while not tries or (tries[-1][0] > BUSY and len(tries) < TRIES):
        results = folder / f"results{len(tries)}"
        outcome = play(results)
        (run,) = results.iterdir()
        fidelity = json.loads((run / "result.json").read_text())["fidelity"] or {}
        tries.append((fidelity.get("stolen_share") or 0.0, outcome))
    return min(tries, key=lambda tried: tried[0])[1]


def stolen_in(record: Record) -> float:
    """Return the share of the processors' time that the hypervisor took while a run was played."""
    return (record.fidelity.stolen_share if record.fidelity else None) or 0.0


def events(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Yield what a run tells, until it ends."""
    assert process.stdout
    for line in process.stdout:
        yield json.loads(line)


def until(process: subprocess.Popen[str], kind: str, **values: Any) -> dict[str, Any]:
    """Read what a run tells until an event with these values; fail with its last words where none comes."""
    event: dict[str, Any] = {}
    for event in events(process):
        if event["event"] == kind and all(event.get(key) == value for key, value in values.items()):
            return event
    assert process.stderr
    raise AssertionError(
        f"the run ended without {kind} {values}; last event {event}; {process.stderr.read()}"
    )


@pytest.fixture
def testbed(tmp_path: Path) -> Testbed:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    return Testbed(tmp_path / "results")


@pytest.fixture
def untouched_host() -> Iterator[None]:
    """The host is the same after the test as before; the kernel may take some seconds to end a sandbox."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    before = Host.look()
    yield
    deadline = time.monotonic() + ENDS_S
    while any((left := before.left(Host.look())).values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert {} == {what: these for what, these in left.items() if these}
