"""How long a lab's processes waited for a processor: a starved tenant or daemon is late by it, and no link is to blame.

By the kernel's own account of every thread (schedstat, see proc(5)): how long it ran, and how long it was ready to run
and did not. Many short waits harm nobody, as between two of them the work was done. So what is looked for are times
in which a thread was ready without a pause, and how much of them it spent waiting: all that it did then came so much
later.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from testbed.units import format_duration

_BUSY = 0.95  # of the time between two looks: a thread that was ready so long made no pause


@dataclass(frozen=True)
class Wait:
    """A thread of ``name`` was ready without a pause until ``at_ns`` (CLOCK_REALTIME), ``waited_ns`` of it in vain."""

    name: str
    waited_ns: int
    at_ns: int

    def __str__(self) -> str:
        return f"{self.name} waited {format_duration(self.waited_ns)} for a processor"


@dataclass(frozen=True)
class _Account:
    t_ns: int
    ran_ns: int
    waited_ns: int
    in_a_row_ns: int = 0

    def waited_since(self, before: _Account) -> int:
        """Return how long it has waited in a row, where it made no pause since then; 0 where it did."""
        waited_ns = self.waited_ns - before.waited_ns
        busy = self.ran_ns - before.ran_ns + waited_ns >= _BUSY * (self.t_ns - before.t_ns)
        return before.in_a_row_ns + waited_ns if busy else 0


class Starvation:
    """Looks at all threads of a sandbox but the one that looks, in which no other process can be seen."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._accounts: dict[tuple[str, str], tuple[_Account, ...]] = {}  # of the last two looks
        self.longest: Wait | None = None
        """The longest so far; None before the second look."""

    def look(self, now_ns: int) -> None:
        """Bring the accounts up to date; the shorter the time since the last look, the less is missed."""
        found: dict[tuple[str, str], tuple[_Account, ...]] = {}
        for thread, ran_ns, waited_ns in self._threads():
            now, before = _Account(now_ns, ran_ns, waited_ns), self._accounts.get(thread, ())
            # A wait is booked when it is over: what is missing at one look may come with the next.
            in_a_row_ns = max((now.waited_since(account) for account in before), default=0)
            found[thread] = (*before[-1:], replace(now, in_a_row_ns=in_a_row_ns))
            if before:
                self.longest = self.longest or Wait("", 0, now_ns)
            if self.longest is not None and in_a_row_ns > self.longest.waited_ns:
                self.longest = Wait(_name(self._proc / thread[0]), in_a_row_ns, now_ns)
        self._accounts = found

    def _threads(self) -> Iterator[tuple[tuple[str, str], int, int]]:
        """Yield each thread, with how long it has run and waited, in ns."""
        looking = (str(os.getpid()), str(threading.get_native_id()))
        for process in os.listdir(self._proc):
            if not process.isdecimal():
                continue
            with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
                for thread in os.listdir(f"{self._proc}/{process}/task"):
                    if (process, thread) == looking:
                        continue
                    with open(f"{self._proc}/{process}/task/{thread}/schedstat", "rb") as file:
                        ran_ns, waited_ns, _ = map(int, file.read().split())
                    yield (process, thread), ran_ns, waited_ns


def _name(process: Path) -> str:
    """Return what people call a process: a Python program by its module."""
    with suppress(OSError):
        words = (process / "cmdline").read_text("utf-8", "replace").split("\0")
        if "-m" in words[1:-1]:
            return words[words.index("-m") + 1]
        return (process / "comm").read_text().strip()
    return f"process {process.name}"
