"""What is spoken on a lab's control socket."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import HostError, InputError, RunError
from testbed.standing import protocol, registry
from testbed.standing.client import LabClient
from testbed.standing.registry import StandingLab
from testbed.standing.server import ControlServer

Served = tuple[StandingLab, ControlServer, threading.Event]


@pytest.fixture
def entry(tmp_path: Path) -> Iterator[Served]:
    """A served socket, its server and whether it was asked to end."""
    down = threading.Event()
    with registry.claimed("lab", exactly=True, home=tmp_path) as claim:
        found = StandingLab("lab", "smoke", "/", "amina", 1, 1)
        server = ControlServer(claim.listener, "lab lab is coming up", down.set)
        server.start()
        yield found, server, down


def serve(server: ControlServer) -> None:
    def outage(asked: protocol.AskOutage) -> dict[str, Any]:
        if "lte" != asked.link:
            raise InputError("", f"no link {asked.link!r}")
        return {"did": f"{asked.link} {asked.duration}"}

    def check(_: protocol.AskCheck) -> dict[str, Any]:
        return {"ratio": 1 / 0}

    numbers = count()
    asks = {"outage": (protocol.AskOutage, outage), "check": (protocol.AskCheck, check)}
    server.serve(asks, lambda: lambda: {"number": next(numbers)})


def test_a_run_that_goes_on_is_looked_at_and_not_touched(entry: Served, tmp_path: Path) -> None:
    """What is not served yet is refused with the reason, and is there when the run is over."""
    found, server, _ = entry
    state = {"state": (protocol.AskState, lambda _: {"hands": False})}
    server.serve(state, lambda: lambda: {"number": 1}, still=True)
    with LabClient(found, tmp_path) as client:
        assert {"hands": False} == client.ask("state")
        with pytest.raises(RunError, match="lab lab is coming up"):
            client.ask("outage", link="lte", duration="10s")
        serve(server)
        assert {"did": "lte 10s"} == client.ask("outage", link="lte", duration="10s")


def test_an_answer_belongs_to_its_question(entry: Served, tmp_path: Path) -> None:
    """One connection asks as often as it likes; what is refused is raised as who asked should see it."""
    found, server, _ = entry
    serve(server)
    with LabClient(found, tmp_path) as client:
        assert {"did": "lte 10s"} == client.ask("outage", link="lte", duration="10s")
        with pytest.raises(InputError, match="no link 'geo'"):
            client.ask("outage", link="geo", duration="10s")
        with pytest.raises(InputError, match="outage: Object missing required field `duration`"):
            client.ask("outage", link="lte")
        with pytest.raises(InputError, match="Object contains unknown field `strength`"):
            client.ask("outage", link="lte", duration="1s", strength=3)
        with pytest.raises(InputError, match="unknown ask 'outrage'; did you mean 'outage'?"):
            client.ask("outrage")
        assert {"did": "lte 10s"} == client.ask("outage", link="lte", duration="10s")


def test_what_was_not_foreseen_is_answered_too(
    entry: Served, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The lab stands on; the log has where it came from."""
    found, server, _ = entry
    serve(server)
    with LabClient(found, tmp_path) as client:
        with pytest.raises(RunError, match="ZeroDivisionError: division by zero"):
            client.ask("check")
        assert {"did": "lte 10s"} == client.ask("outage", link="lte", duration="10s")
    assert "in check" in capfd.readouterr().err


def test_a_lab_that_comes_up_can_only_be_ended(
    entry: Served, tmp_path: Path
) -> None:
    """Everything else is told so."""
    found, _, down = entry
    with LabClient(found, tmp_path) as client:
        with pytest.raises(RunError, match="lab lab is coming up"):
            client.ask("state")
        assert {} == client.ask("down")
        assert down.wait(60)


def test_watching_is_a_stream(entry: Served, tmp_path: Path) -> None:
    """Each sample is a line; who has seen enough hangs up, and others are answered meanwhile and after."""
    found, server, _ = entry
    serve(server)
    with LabClient(found, tmp_path) as watcher, LabClient(found, tmp_path) as other:
        assert [0, 1, 2] == [sample["number"] for sample in islice(watcher.watch(), 3)]
        assert {"did": "lte 1s"} == other.ask("outage", link="lte", duration="1s")
    with LabClient(found, tmp_path) as client:
        assert {"did": "lte 1s"} == client.ask("outage", link="lte", duration="1s")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"up\n", "control socket: no request: JSON is malformed"),
        (b'{"with": {}}\n', "missing required field `ask`"),
        (b"x" * (1 << 20) + b"\n", "a line of more than 1048576 bytes; send less at once"),
    ],
)
def test_what_is_no_request_is_refused(
    entry: Served, tmp_path: Path, line: bytes, said: str
) -> None:
    """And the connection with it."""
    found, _, _ = entry
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(found.control(tmp_path)))
        raw.sendall(line)
        answer = json.loads(raw.makefile().readline())
        assert said in answer["error"]
        assert 2 == answer["status"]


def test_a_lab_that_is_gone_does_not_answer(tmp_path: Path) -> None:
    """Whoever asks is told so."""
    with pytest.raises(HostError, match=r"lab gone does not answer \(No such file or directory\)"):
        LabClient(StandingLab("gone", "smoke", "/", "amina", 1, 1), tmp_path)
