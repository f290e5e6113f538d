"""Lends NICs of this host to a run's sandbox and takes them back, however the run ends; switches the hub's power.

A process of its own, outside the sandbox and outside the terminal's reach: it moves a NIC to the
network namespace that the run shows it, and holds that namespace open. When the last process with
the run's end of its socket is gone - the run is over, was interrupted or killed - it moves every NIC
home and gives it its name, addresses, routes and state back. Only then the namespaces may end: a NIC
that is a veth would end with them.

Where this process itself is killed, the kernel sends real NICs home when the sandbox ends; they are
down then, and still bear the name of the port. An alias tells which NIC they are (testbed.lab.nics).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from testbed.errors import HostError, RunError
from testbed.lab import nics
from testbed.lab.nics import Nic
from testbed.lab.outside import Outsider, kept
from testbed.lab.parts import Part, last_line

_HOME = "/proc/self/ns/net"
_WORD_BYTES = 4096
_SWITCH = "TESTBED_SWITCH"
_SWITCH_S = 20.0
_ENDS_S = 30.0  # moving a real NIC may take a driver seconds


class Lender(Outsider):
    """The run's end: asks for NICs and for the hub's power, and notices the end of who gives them."""

    def __init__(self, fd: int, log: Path | None = None) -> None:
        super().__init__(fd)
        self._log = log

    def lend(self, nic: str, pid: int, port: str) -> None:
        """Have a NIC moved to the network namespace of a process, as its port. Raises RunError."""
        with open(f"/proc/{pid}/ns/net") as there:
            error = self._ask({"nic": nic, "port": port}, [there.fileno()])
        if error is None:
            raise RunError(f"NIC {nic} was not lent: its lender has ended; logs/lender.log says why")
        if error:
            raise RunError(f"NIC {nic} cannot become the port {port}: {error}")

    def switch(self, way: Literal["off", "on"]) -> None:
        """Have the hub's power switched by the bench's command. Raises RunError."""
        error = self._ask({"switch": way})
        if error is None:
            raise RunError(f"the hub was not switched {way}: the lender has ended; logs/lender.log says why")
        if error:
            raise RunError(f"the hub cannot be switched {way}: {error}")

    def _ask(self, asked: Mapping[str, str], fds: Sequence[int] = ()) -> str | None:
        """Return what keeps it from being done, empty where it was; None: nobody answers."""
        with self._asking:
            socket.send_fds(self._socket, [json.dumps(asked).encode()], fds)
            answer = self._socket.recv(_WORD_BYTES)
        return json.loads(answer)["error"] if answer else None

    def part(self) -> Part:
        """Return the lender as a part of a run: who ended it may have ended more, and its NICs are not given back."""
        return Part("the lender of NICs", self, partial(last_line, self._log) if self._log else str)


@contextmanager
def lending(
    names: Sequence[str], log: Path, hold: int | None = None, switch: Mapping[str, str] = MappingProxyType({})
) -> Iterator[int | None]:
    """Have a lender of NICs at work, for the run's end of whose socket the file number is given.

    ``hold`` is the lock of the hub, which is in use until its NICs are back. ``switch`` has the commands, ``off`` and
    ``on``, of its power.

    On leaving, when the sandbox has ended, wait until all NICs are back. Without names there is none.
    Raises HostError where a NIC is not back as it was; ``log`` says which.
    """
    if not names:
        yield None
        return
    with kept(
        "testbed.lab.lender",
        names,
        log,
        kind=socket.SOCK_SEQPACKET,
        ends_s=_ENDS_S,
        late="the NICs of the bench are not back",
        left="not every NIC of the bench is back as it was",
        fds=[hold] if hold is not None else [],
        secrets={_SWITCH: json.dumps(dict(switch))},
    ) as fd:
        yield fd


class _Shelf:
    """The lender's own view: what is lent, where it is, and how it was."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._home = os.open(_HOME, os.O_RDONLY)
        self._lent: list[tuple[Nic, int]] = []
        self._locks = ExitStack()

    def lend(self, name: str, port: str, there: int) -> None:
        """Move a NIC to the namespace of the open file ``there``. Raises HostError."""
        if name not in self._names:
            raise HostError(f"the bench does not name {name!r}")
        lock = nics.lock(name)
        if lock is None:
            raise HostError("it is lent to another run")
        self._locks.enter_context(lock)
        nic = nics.read().get(name)
        if nic is None:
            raise HostError("this host no longer has it")
        self._lent.append((nic, there))  # what fails now may have happened by half
        nics.ip("link", "set", "dev", name, "alias", nics.ALIAS + name)
        nics.ip("link", "set", "dev", name, "name", port, "netns", f"/proc/self/fd/{there}", fds=[there])

    def take_back(self) -> list[str]:
        """Bring every NIC home; return what went wrong."""
        faults = []
        while self._lent:
            nic, there = self._lent.pop()
            try:
                if (port := nics.named_by_alias(nic.name, inside=there)) is not None:
                    move = ["name", nic.name, "netns", f"/proc/self/fd/{self._home}"]
                    nics.ip("link", "set", "dev", port, *move, inside=there, fds=[self._home])
                nics.ip(
                    "link", "set", "dev", nic.name, "alias", nic.alias
                )  # a batch has no way to quote ' or #
                nics.ip("-batch", "-", stdin="\n".join(nic.settings))
            except HostError as error:
                faults.append(f"{nic.name}: {error}")
            finally:
                os.close(there)
        self._locks.close()
        return faults


def _serve(run: socket.socket, shelf: _Shelf) -> None:
    """Answer a run's requests until nobody has the other end any more."""
    while True:
        words, fds, _, _ = socket.recv_fds(run, _WORD_BYTES, maxfds=1)
        if not words:
            return
        asked, error = json.loads(words), ""
        try:
            if "switch" in asked:
                _switch(asked["switch"])
            else:
                shelf.lend(asked["nic"], asked["port"], fds[0])
        except HostError as refused:
            error = str(refused)
        run.send(json.dumps({"error": error}).encode())


def _switch(way: str) -> None:
    """Do the command that switches the hub. Raises HostError with its last words."""
    command = json.loads(os.environ[_SWITCH]).get(way, "")
    if not command:
        raise HostError("the bench has no command for it")
    try:
        done = subprocess.run(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SWITCH_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise HostError(f"its command is not done after {_SWITCH_S:g} s") from late
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise HostError(f"its command ended with status {done.returncode}: {said[-1] if said else 'no word'}")


def main(fd: int, names: Sequence[str]) -> int:
    """Lend until the run is over, then take back; return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # through the finally below
    shelf = _Shelf(names)
    try:
        with socket.socket(fileno=fd) as run:
            _serve(run, shelf)
    finally:
        faults = shelf.take_back()
        for fault in faults:
            print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
