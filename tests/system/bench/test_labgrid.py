"""A bench that is a place of labgrid, at a real coordinator: had by one, told to others, given back by a keeper."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import HostError
from testbed.lab import labgrid
from testbed.model.bench import Labgrid

PROGRAMS = f"{paths.BUILD / 'labgrid' / 'bin'}{os.pathsep}{os.environ['PATH']}"
COORDINATOR, CLIENT = (shutil.which(f"labgrid-{name}", path=PROGRAMS) for name in ("coordinator", "client"))
pytestmark = pytest.mark.skipif(not COORDINATOR, reason="no labgrid-coordinator; 'make test-labgrid' brings one")
DEADLINE_S = 120
HOLDS = """
import sys
from testbed.lab import labgrid
from testbed.model.bench import Labgrid
with labgrid.acquired(Labgrid(*sys.argv[1:]), (), wait=True, tell=lambda said: print(said, flush=True)):
    print("has it", labgrid.user(), flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Labgrid]:
    """A place of a coordinator on this machine."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    line = ["setpriv", "--pdeathsig", "KILL", "--", str(COORDINATOR), "-l", address]
    with (tmp_path / "coordinator.log").open("wb") as log:
        coordinator = subprocess.Popen(line, cwd=tmp_path, stdout=log, stderr=log)
    made = Labgrid("shelf-east", address, str(CLIENT))
    try:
        until = time.monotonic() + DEADLINE_S
        while asked(made, "create").returncode:
            assert time.monotonic() < until, (tmp_path / "coordinator.log").read_text()
            time.sleep(0.2)
        yield made
    finally:
        coordinator.kill()
        coordinator.wait()


def asked(place: Labgrid, *arguments: str, user: str = "amina") -> subprocess.CompletedProcess[str]:
    """Do something as a person with labgrid's own client."""
    env = {**os.environ, "LG_USERNAME": user, "LG_COORDINATOR": place.coordinator}
    line = [place.client, "-p", place.name, *arguments]
    return subprocess.run(line, env=env, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def holder(place: Labgrid) -> str:
    (line,) = (line for line in asked(place, "show").stdout.splitlines() if "acquired: " in line)
    return line.split()[-1]


def holding(place: Labgrid) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", HOLDS, place.name, place.coordinator, place.client]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(300)
def test_a_place_is_had_while_its_bench_is(place: Labgrid) -> None:
    """labgrid shows who; a person cannot have it meanwhile, nor can another run, which is told; then it is free. One
    that a person has is refused with that name and left to them; and it is waited for."""
    told: list[str] = []
    with labgrid.acquired(place, (), wait=False, tell=told.append):
        assert f"{socket.gethostname()}/{labgrid.user()}" == holder(place)
        assert 0 != asked(place, "acquire").returncode
    assert "None" == holder(place)

    assert 0 == asked(place, "acquire").returncode
    named = f"{place} is in use by {socket.gethostname()}/amina since .*; add --wait"
    with pytest.raises(HostError, match=named), labgrid.acquired(place, (), wait=False, tell=told.append):
        pass
    assert holder(place).endswith("/amina")

    def leave(said: str) -> None:
        told.append(said)
        assert 0 == asked(place, "release").returncode

    with labgrid.acquired(place, (), wait=True, tell=leave):
        assert holder(place).endswith(f"/{labgrid.user()}")
    assert [f"{socket.gethostname()}/amina"] == [word for said in told for word in said.split() if "/" in word]


@pytest.mark.timeout(300)
def test_a_killed_holder_frees_its_place(place: Labgrid) -> None:
    """labgrid's lock outlives its holder: the keeper gives it back, and who waited has it."""
    with holding(place) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("has it")
        with holding(place) as second:
            assert second.stdout is not None
            assert f".testbed-{first.pid} since" in second.stdout.readline()
            first.send_signal(signal.SIGKILL)
            assert f"has it {labgrid.user().rpartition('-')[0]}-{second.pid}\n" == second.stdout.readline()
            assert holder(place).endswith(f"-{second.pid}")
    assert "None" == holder(place)


def test_what_keeps_labgrid_from_being_asked_is_told() -> None:
    """Its client is missing; nobody answers at the coordinator."""
    for client, said in (("no-such-client", "requirements-labgrid.txt"), (str(CLIENT), "cannot be had")):
        nobody = Labgrid("shelf-east", "127.0.0.1:9", client)
        with pytest.raises(HostError, match=said), labgrid.acquired(nobody, (), wait=False, tell=print):
            pass
