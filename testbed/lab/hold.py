"""One run at a time on a hub: who has it, since when; and nobody has it when its last process is dead.

The lock is the kernel's (flock), held by ``testbed`` and by the lender of the bench's NICs: it is free when both have
ended, however they ended. What its file says is for people, and counts only while the lock is held. Where the hub is
a place of labgrid, that is had as well.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TextIO

import msgspec

from testbed.errors import HostError, InputError
from testbed.lab import bench, labgrid, nics
from testbed.lab.bench import Chosen


@dataclass(frozen=True)
class Holder:
    """Who has a hub: the ``user`` who called sudo, the process, since when (CLOCK_REALTIME), and what for."""

    user: str
    pid: int
    since_ns: int
    what: str

    def __str__(self) -> str:
        return f"{self.user} since {self.since} ({self.what}, process {self.pid})"

    @property
    def since(self) -> str:
        """Since when, for people here."""
        return f"{datetime.fromtimestamp(self.since_ns / 1e9).astimezone():%d %b %H:%M:%S}"


@contextmanager
def held(
    chosen: Chosen | None, what: str, now_ns: int, *, wait: bool, tell: Callable[[str], None]
) -> Iterator[int | None]:
    """Have a hub to oneself for ``what``; of the virtual one, None, there are enough. Gives the lock's file number.

    Where somebody else has it, wait for its end and ``tell`` so first, or raise HostError, which says who. Raises
    InputError where its NICs cannot be lent all the same.
    """
    if chosen is None:
        yield None
        return
    with _opened(_file(chosen)) as file:
        if not _locked(file, fcntl.LOCK_EX):
            told = f"hub {chosen.title} is in use by {_said(file) or 'another run'}"
            if not wait:
                raise HostError(f"{told}; add --wait to wait for it")
            tell(f"{told}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        read = bench.read(chosen)
        if refused := list(nics.problems(read, nics.read())):
            raise InputError.of(refused)
        user = os.environ.get("SUDO_USER") or getpass.getuser()
        _write(file, msgspec.json.encode(Holder(user, os.getpid(), now_ns, what)).decode())
        try:
            with labgrid.acquired(read.labgrid, [name for name, _ in read.nics()], wait=wait, tell=tell):
                yield file.fileno()
        finally:
            _write(file, "")


def holder(chosen: Chosen) -> Holder | None:
    """Return who has a hub; None: nobody."""
    try:
        with _file(chosen).open() as file:
            said = _said(file)
            return said if said and not _locked(file, fcntl.LOCK_SH) else None
    except FileNotFoundError:
        return None


def _file(chosen: Chosen) -> Path:
    digest = hashlib.sha256(f"{chosen.path.resolve()}\n{chosen.hub}".encode()).hexdigest()
    return nics.LOCKS / f"testbed-hub-{digest[:16]}"


def _opened(path: Path) -> TextIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+")
    except OSError as error:
        raise HostError(f"{path} cannot be written ({error.strerror}); a hub is had by root: use sudo") from error


def _locked(file: TextIO, kind: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    return False


def _said(file: TextIO) -> Holder | None:
    file.seek(0)
    try:
        return msgspec.json.decode(file.read(), type=Holder)
    except msgspec.MsgspecError:  # nobody, or it is being written
        return None


def _write(file: TextIO, text: str) -> None:
    file.seek(0)
    file.truncate()
    file.write(text)
    file.flush()
