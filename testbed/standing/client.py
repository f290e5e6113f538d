"""A lab as those outside of its sandbox see it: ask it, watch it, run a command in it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from testbed.errors import HostError
from testbed.standing import protocol
from testbed.standing.protocol import Values
from testbed.standing.registry import HOME, StandingLab

PATIENCE_S = 120.0
"""A check of hours takes its time."""
_ENTER = ("--pid", "--mount", "--net", "--ipc", "--uts")


class LabClient:
    """A connection to a lab's control socket; a context manager. Raises HostError where the lab is not there.

    One that says nothing for ``patience_s`` has ended for who asks.
    """

    def __init__(self, entry: StandingLab, home: Path = HOME, patience_s: float = PATIENCE_S) -> None:
        self.entry = entry
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(patience_s)
        try:
            self._socket.connect(str(entry.control(home)))
        except OSError as error:
            self._socket.close()
            raise HostError(f"lab {entry.name} does not answer ({error.strerror})") from error
        self._lines = protocol.lines(self._socket)
        self._asked = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._socket.close()

    def ask(self, what: str, **arguments: Any) -> Values:
        """Return the answer. Raises what the lab refuses with, HostError where it has ended."""
        self._send(what, arguments)
        return self._receive("answer")

    def watch(self) -> Iterator[Values]:
        """Yield ten samples a second, until the lab ends. The connection is good for nothing else from then on."""
        self._send("watch", {})
        while True:
            try:
                yield self._receive("sample")
            except HostError:
                return

    def command(self, node: str, command: Sequence[str]) -> list[str]:
        """Return the command line on this host that runs ``command`` on a node."""
        inside = self.ask("command", node=node, command=list(command))["argv"]
        return [*entered(self.entry), *inside]

    def _send(self, what: str, arguments: Values) -> None:
        self._asked += 1
        try:
            protocol.write(self._socket, {"id": self._asked, "ask": what, "with": arguments})
        except OSError as error:
            raise protocol.gone(self.entry.name) from error

    def _receive(self, key: str) -> Values:
        try:
            line = next(self._lines, b"")
        except OSError:
            line = b""
        if not line:
            raise protocol.gone(self.entry.name)
        said: Values = msgspec.json.decode(line)
        if "error" in said:
            raise protocol.raised(said)
        values: Values = said[key]
        return values


def entered(entry: StandingLab) -> list[str]:
    """Return what a command line begins with that is to run inside a lab's sandbox."""
    return ["nsenter", "--target", str(entry.init), *_ENTER, "--"]


def become(command: Sequence[str]) -> int:
    """Replace this process by a command, which has the terminal and whose exit status is ours. Raises HostError."""
    try:
        os.execvp(command[0], list(command))
    except OSError as error:
        raise HostError(f"{command[0]} cannot be started ({error.strerror}); install util-linux") from error


def ask(entry: StandingLab, what: str, patience_s: float = PATIENCE_S, **arguments: Any) -> Values:
    """Ask a lab one thing. See ``LabClient``."""
    with LabClient(entry, patience_s=patience_s) as client:
        return client.ask(what, **arguments)
