"""A worker of a real scheduler that is killed while it plays: each result once.

A stand-in plays: a shell script in place of the player's command; scheduler and workers are the commands themselves.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="requirements-campaign.txt is not installed")

from testbed.campaign import agenda, spread  # noqa: E402
from testbed.campaign.agenda import Agenda, AgendaRun  # noqa: E402
from testbed.campaign.dask_crew import DaskCrew  # noqa: E402
from testbed.campaign.player import Assignment  # noqa: E402
from testbed.campaign.wire import Wire  # noqa: E402
from testbed.result.store import ResultWriter  # noqa: E402
from tests.unit.result.records import S, record, verdict  # noqa: E402

NEEDS = ("nic=shelf-3",)
ONCE = 'printf "%s\n" "$2" >> "$0/played"; while [ ! -e "$0/go" ]; do sleep 0.1; done; cp "$0/result.json" "$2/"'
TESTBED = (sys.executable, "-m", "testbed")
DEADLINE_S = 120


def started(stack: ExitStack, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as said:
        process = stack.enter_context(
            subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "--", *TESTBED, *arguments], stdout=said, stderr=said)
        )
    stack.callback(process.kill)
    return process


def said(log: Path, word: str) -> str:
    """Wait until a process has said a word, and return the line's last one."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        for line in log.read_text().splitlines():
            if word in line:
                return line.split()[-1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[tuple[Wire, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers that have shelf-3."""
    with ExitStack() as stack:
        started(stack, tmp_path / "scheduler.log", "scheduler", "--listen", "127.0.0.1:0")
        address = said(tmp_path / "scheduler.log", "scheduler at")
        workers = []
        for name in ("a", "b"):
            log = tmp_path / f"{name}.log"
            workers.append(started(stack, log, "worker", address, "--resources", NEEDS[0]))
            said(log, "worker")
        for name in ("a", "b"):
            said(tmp_path / f"{name}.log", "at once")
        yield Wire.parse(address, None, "--on"), workers


@pytest.mark.timeout(300)
def test_a_killed_workers_run_is_played_elsewhere(
    tmp_path: Path, lab: tuple[Wire, list[subprocess.Popen[bytes]]]
) -> None:
    """One of two workers is killed while both have a run: all results, each once."""
    wire, workers = lab
    folder, names = tmp_path / "campaign", ("1", "2", "3", "4")
    for name in names:
        (folder / agenda.FOLDER / name / "inputs").mkdir(parents=True)
    ResultWriter(tmp_path, record(verdict(2 * S)))
    runs = tuple(AgendaRun(Assignment(name), (), S) for name in names)
    killed = False

    def tell(_: spread.Headway) -> None:
        nonlocal killed
        log = tmp_path / "played"
        if not killed and log.exists() and 2 == len(log.read_text().splitlines()):
            workers[0].send_signal(signal.SIGKILL)
            workers[0].wait()
            killed = True
            (tmp_path / "go").touch()

    with DaskCrew(wire, ("sh", "-euc", ONCE, str(tmp_path))) as crew:
        assert "" == crew.fault(NEEDS)
        assert "no worker has root-of-all" in crew.fault(("root-of-all",))
        campaign = spread.play(Agenda("smoke", (), NEEDS, runs), folder, crew, tell, time.monotonic)
        assert [1] == [host.places_for(NEEDS) for host in crew.hosts()]

    assert killed
    assert (names, {}) == (campaign.runs, campaign.died)
    assert 4 == len(campaign.results)
