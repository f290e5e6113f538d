"""A process that a run has outside of its sandbox, and the run's end of the socket to it.

It gives the run what a sandbox cannot have (NICs of this host, a tenant's account). It is out of the terminal's reach,
and puts everything back when the last process with the run's end is gone: the run is over, was interrupted or killed.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from testbed.errors import HostError


class Outsider:
    """The run's end: notices the end of who is asked."""

    pid = 0
    """It lives outside of the sandbox, where its number means nothing."""
    returncode = None

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)  # what the run starts must not outlive it as its deputy
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        """Return None while it lives; what is returned then is no exit status."""
        if not self._asking.acquire(blocking=False):
            return None  # it is asked just now: who asks will notice
        try:
            looking = select.poll()
            looking.register(self._socket, select.POLLIN)  # it says nothing unasked
            return 0 if looking.poll(0) else None
        finally:
            self._asking.release()

    def close(self) -> None:
        """Want nothing any more; all is put back when no process has the run's end."""
        self._socket.close()


@contextmanager
def kept(
    module: str,
    arguments: Sequence[str],
    log: Path,
    *,
    kind: socket.SocketKind,
    ends_s: float,
    late: str,
    left: str,
    fds: Sequence[int] = (),
    secrets: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[int]:
    """Have ``python -m module SOCKET ARGUMENTS`` at work; the file number of the run's end is given.

    ``secrets`` are in its environment: arguments are seen by all. ``fds`` it inherits. On leaving, wait ``ends_s``
    until it has put everything back. Raises HostError, which says ``late`` where it has not by then, and ``left`` with
    its last words, which are in ``log``, where it could not.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with theirs, log.open("wb") as words:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), *arguments],
            env=os.environ | secrets,
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            pass_fds=[theirs.fileno(), *fds],
            start_new_session=True,  # a terminal's Ctrl-C is for the run
        )
    try:
        with ours:
            yield ours.fileno()
    finally:
        try:
            status = process.wait(timeout=ends_s)
        except subprocess.TimeoutExpired as overdue:
            raise HostError(f"{late} after {ends_s:g} s") from overdue
        if status != 0:
            raise HostError(f"{left}: {log.read_text(errors='replace').strip()}")
