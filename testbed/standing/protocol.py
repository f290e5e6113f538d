"""What is spoken on a lab's control socket: JSON objects, one a line. docs/lab.md describes it for other programs.

    -> {"id": 1, "ask": "set", "with": {"link": "starlink", "values": "loss 5%", "for_ns": 30000000000}}
    <- {"id": 1, "answer": {...}}            or {"id": 1, "error": "...", "status": 2}
    -> {"id": 2, "ask": "watch"}
    <- {"id": 2, "sample": {...}}            ten a second, until the connection ends
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from testbed.errors import HostError, InputError, RunError, TestbedError

MOST_BYTES = 1 << 20
"""Of a line: more than any file of events has."""

Values = Mapping[str, Any]


class LabRequest(msgspec.Struct, rename={"arguments": "with"}):
    """What is asked, and with what; the answer bears the ``id``."""

    ask: str
    id: int = 0
    arguments: dict[str, Any] = {}


def write(connection: socket.socket, message: Values) -> None:
    """Send a message. Raises OSError where nobody hears it."""
    connection.sendall(json.dumps(message, default=str).encode() + b"\n")


def lines(connection: socket.socket) -> Iterator[bytes]:
    """Yield the lines that come until the other side hangs up. Raises InputError for one that does not end."""
    with connection.makefile("rb") as stream:
        while line := stream.readline(MOST_BYTES):
            if not line.endswith(b"\n") and len(line) == MOST_BYTES:
                raise InputError("control socket", f"a line of more than {MOST_BYTES} bytes", "send less at once")
            yield line


def parse(line: bytes) -> LabRequest:
    """Read a request. Raises InputError."""
    try:
        return msgspec.json.decode(line, type=LabRequest)
    except msgspec.MsgspecError as error:
        expected = 'write {"id": 1, "ask": "state", "with": {}}, a line each'
        raise InputError("control socket", f"no request: {error}", expected) from error


def refusal(error: TestbedError) -> Values:
    """Return what is answered in place of an answer."""
    return {"error": str(error), "status": error.exit_status}


def raised(answer: Values) -> TestbedError:
    """Return the error of an answer as who asked is to see it."""
    said = str(answer["error"])
    return InputError("", said) if answer.get("status") == InputError.exit_status else RunError(said)


def gone(name: str) -> HostError:
    """Return what is raised where a lab ends while it is asked."""
    return HostError(f"lab {name} has ended")


class _Arguments(msgspec.Struct, forbid_unknown_fields=True):
    """What comes with a request."""


class AskState(_Arguments):
    """What stands, since when, what its links do, what was done by hand."""


class AskCommand(_Arguments):
    """The command line, inside the sandbox, that runs ``command`` on a node."""

    node: str
    command: list[str]


class AskLog(_Arguments):
    """The files that a node writes to, as they are seen in the sandbox."""

    node: str


class AskSet(_Arguments):
    """Change a link live; ``values`` as in 'loss 5% delay 100ms for 30s', or 'schedule'."""

    link: str
    values: str
    direction: Literal["both", "up", "down"] = "both"


class AskOutage(_Arguments):
    """Interrupt a link, ``duration`` as in '10s'; with ``hold`` its packets wait."""

    link: str
    duration: str
    hold: bool = False
    direction: Literal["both", "up", "down"] = "both"


class AskPlay(_Arguments):
    """Play the events of a YAML text, counted from now; ``file`` is its name in messages."""

    file: str
    text: str


class AskCheck(_Arguments):
    """Judge the objectives over the last ``last`` ('60s'); empty: since the lab is up."""

    last: str = ""


class AskSave(_Arguments):
    """What was done by hand, as events."""


class AskDown(_Arguments):
    """End the lab."""


class AskWatch(_Arguments):
    """Samples, ten a second, until the connection ends."""
