"""One run for a whole session, though pytest-xdist's workers are many: who comes first plays, the others wait."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

_SESSION = pytest.StashKey[str]()


@dataclass(frozen=True)
class Told:
    """What the worker that played says of a run: its folder, where it left a result; else what was wrong."""

    folder: str | None
    error: str
    tries: int


@dataclass
class Turn:
    """A run in the session's book; ``told`` is None until somebody has played it."""

    told: Told | None = None


@contextmanager
def turn(config: pytest.Config, key: str) -> Iterator[Turn]:
    """Have a run to oneself. What the entry is told in the context, the session's other workers read.

    The kernel frees the lock of a worker that dies; the next one then finds no word and plays.
    """
    folder = _folder(config)
    if folder is None:  # one process alone
        yield Turn()
        return
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / hashlib.sha256(key.encode()).hexdigest()).open("a+b") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        book.seek(0)
        content = book.read()
        entry = Turn(msgspec.json.decode(content, type=Told) if content else None)
        try:
            yield entry
        finally:
            if not content and entry.told is not None:
                book.write(msgspec.json.encode(entry.told))


def remember(config: pytest.Config, session: str) -> None:
    """Note where the workers of this process meet, to ``forget`` it at the end."""
    config.stash[_SESSION] = session


def forget(config: pytest.Config) -> None:
    """Remove the session's book; called by the process that started the workers."""
    if session := config.stash.get(_SESSION, None):
        shutil.rmtree(_meeting_place(session), ignore_errors=True)


def _folder(config: pytest.Config) -> Path | None:
    """Return where the workers of a session meet, named by pytest-xdist's id of it; None in any other process."""
    worker: dict[str, str] = getattr(config, "workerinput", {})
    return _meeting_place(worker["testrunuid"]) if "testrunuid" in worker else None


def _meeting_place(session: str) -> Path:
    return Path(tempfile.gettempdir()) / f"testbed-pytest-{session}"
