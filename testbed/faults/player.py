"""Plays the faults of a run at their instants, and remembers when they really happened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from testbed.faults.actor import Actor
from testbed.model.event import FAULTS, Kind
from testbed.model.facts import Facts, Happening

Do = Callable[[], None]


class FaultPlayer:
    """Applies and undoes faults in a thread of its own; ``clock`` gives CLOCK_REALTIME in ns.

    The first one that cannot be applied ends it: ``check`` raises why.
    """

    def __init__(self, actors: Iterable[Actor], start_ns: int, clock: Callable[[], int]) -> None:
        self._start_ns, self._clock = start_ns, clock
        self._actors = tuple(actors)
        self._applied: dict[Actor, int] = {}
        self._undone: dict[Actor, int] = {}
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(1, "faults")
        self._playing: Future[None] | None = None

    def start(self) -> None:
        """Begin to wait for the first instant."""
        self._playing = self._thread.submit(self._play)

    @property
    def over(self) -> bool:
        """Whether all faults are over, or one could not be applied."""
        return self._playing is not None and self._playing.done()

    def check(self) -> None:
        """Raise what ended the playing too early: RunError for a fault that could not be applied."""
        if self._playing is not None and self._playing.done():
            self._playing.result()

    def join(self) -> None:
        """Wait until all faults are over, or one could not be applied."""
        self._thread.shutdown()

    def stop(self) -> None:
        """End the playing; faults that are not undone stay."""
        self._stopped.set()
        self.join()

    def as_happened(self, facts: Facts) -> Facts:
        """Return the facts with the times at which the faults had really been applied and undone."""
        return replace(facts, events=tuple(map(self._as_happened, facts.events)))

    def _as_happened(self, event: Happening) -> Happening:
        if FAULTS[Kind(event.kind)].by_link:  # to the nanosecond
            return event
        for actor in self._actors:
            played = actor.event
            if (played.kind, played.uplink, played.at) == (event.kind, event.uplink, event.start_ns):
                start_ns = self._applied.get(actor, event.start_ns)
                return replace(event, start_ns=start_ns, end_ns=self._undone.get(actor, event.end_ns))
        return event

    def _steps(self) -> Sequence[tuple[int, Actor, Do, dict[Actor, int]]]:
        """Return what is to be done, in order of time; of two at once, what ends comes first."""
        steps: list[tuple[int, Actor, Do, dict[Actor, int]]] = []
        for actor in self._actors:
            steps.append((actor.undo_ns, actor, actor.undo, self._undone))
        for actor in self._actors:
            steps.append((actor.apply_ns, actor, actor.apply, self._applied))
        return sorted(steps, key=lambda step: step[0])

    def _play(self) -> None:
        for at_ns, actor, do, done in self._steps():
            wait_s = (self._start_ns + at_ns - self._clock()) / 1e9
            if self._stopped.wait(max(wait_s, 0)):
                return
            do()
            done[actor] = self._clock() - self._start_ns
