"""The testbed's own processes in a run: each must live as long as it is needed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.model.ends import EVERYTHING, End

_TAIL_BYTES = 4096
STOPPED = "stopped by a signal, and not going on"
_WORDS = 300  # characters of its last words that are kept


class Process(Protocol):
    """What a part's process has to tell: a ``subprocess.Popen`` does."""

    @property
    def pid(self) -> int:
        """Its number, as long as it has not been waited for."""

    @property
    def returncode(self) -> int | None:
        """Its exit status; None where nobody knows."""

    def poll(self) -> int | None:
        """Return None while it lives."""


@dataclass(frozen=True, eq=False)
class Part:
    """A process that must live: its ``name``, how to learn its last words, and which traffic rests on it.

    From ``due_ns`` on (CLOCK_REALTIME) it may end by itself with status 0, its work being done; None: never.
    """

    name: str
    process: Process
    said: Callable[[], str] = str
    of: str = EVERYTHING
    due_ns: int | None = None

    def ended(self, now_ns: int) -> bool:
        """Return whether it has ended, and not because its work was done; one that is stopped does no work."""
        status = self.process.poll()
        if status is None:
            return _stopped(self.process.pid)
        done = status == 0 and self.due_ns is not None and now_ns >= self.due_ns
        return not done

    def end(self, at_ns: int) -> End:
        """Return what is to be known of its end; one that is stopped is killed, as nobody shall wait for it."""
        hung = self.process.poll() is None
        ending = STOPPED if hung else how(self.process.returncode)
        if hung:
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGKILL)
        return End(self.name, self.of, at_ns, ending, self.said()[:_WORDS])


def _stopped(pid: int) -> bool:
    """Return whether a signal has stopped a process, which then lives and does nothing."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:  # it ended meanwhile: the next look tells how
        return False


def how(status: int | None) -> str:
    """Return in words how a process ended."""
    if status is None:
        return "nobody knows how"
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-status}"


def last_line(log: Path) -> str:
    """Return the last line of a log, however long it has become; "" where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""
