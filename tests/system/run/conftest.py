"""Runs of the whole program, as a user starts it, on this host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from testbed import paths
from testbed.result.record import Record
from testbed.result.store import Result
from tests.system.conftest import BUSY
from tests.system.run.host import Host, settled

SCENARIO = paths.SCENARIOS / "smoke.yaml"
TRIES = 3

T = TypeVar("T")


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
    """Play one run into a results folder, again while the hypervisor takes much or the host starves it.

    Returns the calmest. What was played again is in the session's warnings; a run of which a part died is not.
    """
    tries: list[tuple[tuple[bool, float], T]] = []
    while len(tries) < TRIES:
        results = folder / f"results{len(tries)}"
        outcome = play(results)
        (run,) = results.iterdir()
        record = Result.load(run).record
        missed = "" if record.fidelity is None or record.fidelity.valid else record.fidelity.reason
        tries.append(((bool(missed), stolen_in(record)), outcome))
        if not missed and stolen_in(record) <= BUSY:
            break
        warnings.warn(f"played again: {missed or f'the hypervisor took {stolen_in(record):.0%}'}", stacklevel=2)
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
    left = before.left(settled(before))
    assert {} == {what: these for what, these in left.items() if these}
