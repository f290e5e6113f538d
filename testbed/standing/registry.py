"""Which labs stand on this host: a folder for each, whose lock its keeper holds as long as it lives.

    NAME/lab.json    what it is, whose, since when, until when, where its sandbox is
    NAME/control     the socket of testbed.standing.protocol

The kernel drops the lock with the keeper, however that ends; a folder without it is left over and removed.
"""

from __future__ import annotations

import fcntl
import getpass
import math
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec

from testbed import paths
from testbed.errors import HostError, InputError, did_you_mean

HOME = Path("/run/testbed/labs")
_FILE, _CONTROL = "lab.json", "control"
_LOOK_S = 0.05
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class StandingLab:
    """A lab: ``what`` it was made of, its ``folder``, whose it is, the PID of its keeper and of its sandbox's PID 1.

    Times are CLOCK_REALTIME; ``until_ns`` is None until it stands. ``init`` is 0 until there is a sandbox.
    """

    name: str
    what: str
    folder: str
    owner: str
    pid: int
    started_ns: int
    until_ns: int | None = None
    init: int = 0

    def control(self, home: Path = HOME) -> Path:
        """Return the path of its socket."""
        return home / self.name / _CONTROL


@dataclass(frozen=True)
class Claim:
    """A name that is ours: its folder, and the socket that the sandbox is to answer."""

    folder: Path
    listener: socket.socket

    @property
    def name(self) -> str:
        return self.folder.name

    def write(self, entry: StandingLab) -> None:
        """Let others see what stands."""
        partial = self.folder / f"{_FILE}.partial"
        partial.write_bytes(msgspec.json.encode(entry))
        partial.replace(self.folder / _FILE)


def user() -> str:
    """Return who called sudo, or else who this is."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def check_name(name: str) -> None:
    """Raise InputError for what cannot be a lab's name."""
    if not _NAME.fullmatch(name):
        raise InputError("--name", repr(name), "use up to 40 of a-z, 0-9 and -, a letter or a digit first")


@contextmanager
def claimed(name: str, *, exactly: bool, home: Path = HOME) -> Iterator[Claim]:
    """Have a name and its control socket as long as the context lasts; all of it is gone behind it.

    Where the name is taken it becomes ``NAME-2`` and so on, or, with ``exactly``, raises InputError. Raises HostError
    where the folder cannot be made.
    """
    check_name(name)
    with ExitStack() as stack:
        with _sole(home):
            _sweep(home)
            names = (name if number == 1 else f"{name}-{number}" for number in count(1))
            free = next(candidate for candidate in names if not (home / candidate).exists())
            if exactly and free != name:
                raise InputError("--name", f"a lab {name!r} stands already", f"choose another, such as {free}")
            folder = home / free
            folder.mkdir(mode=0o700)
            stack.enter_context(paths.locked(folder))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(str(folder / _CONTROL))
        (folder / _CONTROL).chmod(0o600)
        listener.listen()
        yield Claim(folder, listener)


def labs(home: Path = HOME) -> list[StandingLab]:
    """Return the labs that stand, oldest first; what is left over of others is removed. Raises HostError."""
    try:
        if not home.exists():
            return []
    except PermissionError as error:
        raise HostError("labs are root's, as runs are; use sudo") from error
    with _sole(home):
        _sweep(home)
        found = [entry for folder in home.iterdir() if (entry := _read(folder)) is not None]
    return sorted(found, key=lambda entry: entry.started_ns)


def find(name: str | None, home: Path = HOME) -> StandingLab:
    """Return the lab of a name; without one, the only lab. Raises InputError with the labs there are, HostError."""
    known = labs(home)
    names = [entry.name for entry in known]
    if name is None:
        if len(known) == 1:
            return known[0]
        expected = f"name one with --lab: {', '.join(names)}" if known else "bring one up: 'testbed lab up NAME'"
        raise InputError("testbed lab", f"{len(known) or 'no'} labs stand", expected)
    for entry in known:
        if name == entry.name:
            return entry
    raise InputError("testbed lab", f"no lab {name!r} stands", did_you_mean(name, names))


def wait_for_end(name: str, within_s: float = math.inf, home: Path = HOME) -> bool:
    """Return whether a lab's keeper has let go of its lock within this time; at once where it is gone."""
    deadline_s = time.monotonic() + within_s
    while True:
        with suppress(BlockingIOError):
            with suppress(FileNotFoundError), paths.locked(home / name, fcntl.LOCK_SH | fcntl.LOCK_NB):
                pass
            return True
        if time.monotonic() > deadline_s:
            return False
        time.sleep(_LOOK_S)


def _read(folder: Path) -> StandingLab | None:
    """Return what a folder says; None while it is being made."""
    try:
        return msgspec.json.decode((folder / _FILE).read_bytes(), type=StandingLab)
    except (OSError, msgspec.MsgspecError):
        return None


def _sweep(home: Path) -> None:
    """Remove the folders that nobody holds."""
    for folder in list(home.iterdir()):
        with suppress(BlockingIOError, NotADirectoryError, FileNotFoundError), paths.locked(folder):
            shutil.rmtree(folder)


@contextmanager
def _sole(home: Path) -> Iterator[None]:
    """Be alone with the registry."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with paths.locked(home, fcntl.LOCK_EX):
            yield
    except PermissionError as error:
        raise HostError("labs are root's, as runs are; use sudo") from error
