"""Calls the roll of a lab's parts: which have ended without being asked to?"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from testbed.lab.parts import Part, Process
from testbed.model.ends import End


class Roll:
    """``parts()`` are those that must live at the moment; ``start_ns`` is the run's start, CLOCK_REALTIME."""

    def __init__(self, parts: Callable[[], Iterable[Part]], start_ns: int) -> None:
        self._parts, self._start_ns = parts, start_ns
        self._told: set[Process] = set()

    def call(self, now_ns: int) -> tuple[End, ...]:
        """Return the ends that were not told before."""
        gone = [p for p in self._parts() if p.process not in self._told and p.ended(now_ns)]
        if not gone:
            return ()
        # Who ends a part on purpose strikes it off first: one that is still on the roll was not asked to end.
        needed = {part.process for part in self._parts()}
        gone = [part for part in gone if part.process in needed]
        self._told.update(part.process for part in gone)
        return tuple(part.end(now_ns - self._start_ns) for part in gone)
