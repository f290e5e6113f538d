"""Plays the events of a file in a lab that stands, counted from now: links by the engine, the rest by actors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import yaml

from testbed import faults
from testbed.errors import NOWHERE, InputError, Place, Problem
from testbed.faults import Actor
from testbed.faults.player import FaultPlayer
from testbed.link.backend import Change, LinkEvent
from testbed.model.event import Event
from testbed.model.link import Direction
from testbed.model.scenario import Scenario
from testbed.run import plan
from testbed.run.bringup import Rig
from testbed.run.guard import carry_on, trace, words
from testbed.run.job import Job
from testbed.standing import hands
from testbed.traces.compile import LinkPair
from testbed.traces.impair import impair
from testbed.units import format_duration
from testbed.yaml import load

LEAD_NS = 200 * 10**6
"""From the decision to play until time 0 of the file."""

Inject = Callable[[str, Direction | None, LinkEvent], None]


@dataclass(frozen=True)
class EventFile:
    """Events as a scenario has them; their times count from when the file is played."""

    events: tuple[Event, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)


def read(text: str, file: str, job: Job) -> tuple[Event, ...]:
    """Read the events of a YAML text, a whole scenario's or alone, for the lab of a job.

    Raises InputError with every problem found.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        root = None  # what is wrong with it is said below
    keys = {key.value for key, _ in root.value} if isinstance(root, yaml.MappingNode) else set()
    if "topology" in keys:
        events = load.parse(text, Scenario, file).shifted().events
    else:
        events = load.parse(text, EventFile, file).events
    if not events:
        raise InputError(file, "no event", "write one: 'events: [{at: 0 s, uplink: NAME, outage: 10 s}]'")
    lasts = max(job.scenario.duration, *(event.end_ns for event in events if event.kinds))
    scenario = replace(job.scenario, events=events, duration=lasts)
    problems: list[Problem] = [*scenario.problems(), *plan.event_problems(scenario, job.topology)]
    problems += plan.switch_problems(scenario, job.bench) if job.bench else ()
    if problems:
        raise InputError.of(problems)
    return events


class Players:
    """The files of events that are being played in a lab; ``start_ns`` is its start, CLOCK_REALTIME."""

    def __init__(self, lab: Rig, schedules: Mapping[str, LinkPair], start_ns: int, inject: Inject) -> None:
        self._lab, self._schedules, self._start_ns, self._inject = lab, schedules, start_ns, inject
        self._actors = 0
        self._playing: list[tuple[FaultPlayer, Sequence[Actor]]] = []
        self._stopped = threading.Event()

    def play(self, events: Sequence[Event], heard: Callable[[str], None]) -> None:
        """Begin to play events, whose times count from the lab's start; ``heard`` learns what goes wrong with one.

        Raises RunError where what they need does not start.
        """
        actors: list[Actor] = []
        if self._lab.site is not None:
            actors += faults.actors_for(events, self._lab.site, self._actors)
            self._actors += len(events)
        for actor in actors:
            actor.open()
        self._lab.actors += actors
        player = FaultPlayer(actors, self._start_ns, time.time_ns)
        player.start()
        self._playing.append((player, actors))
        steps = sorted(self._steps(events), key=lambda step: step[0])
        threading.Thread(target=self._follow, args=[steps, heard], name="events", daemon=True).start()

    def look(self) -> Iterator[str]:
        """Yield what could not be applied; what is over is struck off."""
        for player, actors in tuple(self._playing):
            if not player.over:
                continue
            self._playing.remove((player, actors))
            failed: list[Exception] = []
            with carry_on(failed.append):
                player.check()
            for actor in actors:
                self._lab.actors.remove(actor)
                actor.close()
            yield from map(words, failed)

    def stop(self) -> None:
        """Play no more."""
        self._stopped.set()
        for player, _ in self._playing:
            player.stop()

    def _steps(self, events: Sequence[Event]) -> Iterator[tuple[int, int, str, Direction, Change]]:
        for link in {event.uplink for event in events if event.by_link}:
            here = [event for event in events if event.by_link and event.uplink == link]
            for direction, schedule in zip(Direction, self._schedules[link], strict=True):
                impaired = impair(schedule, here, direction)
                for t_ns, until_ns, change in hands.steps(impaired, here):
                    yield t_ns, until_ns, link, direction, change

    def _follow(
        self, steps: Sequence[tuple[int, int, str, Direction, Change]], heard: Callable[[str], None]
    ) -> None:
        def hear(error: Exception) -> None:
            trace(error)
            heard(words(error))

        with carry_on(hear):
            for t_ns, until_ns, link, direction, change in steps:
                wait_s = (self._start_ns + t_ns - time.time_ns()) / 1e9
                if self._stopped.wait(max(wait_s, 0)):
                    return
                left_ns = self._start_ns + until_ns - time.time_ns()
                if left_ns > 0:
                    self._inject(link, direction, replace(change, for_ns=left_ns))


def clashing(events: Sequence[Event], earlier: Sequence[Event]) -> Iterator[Problem]:
    """Yield the events that would meet one that is played already on what it has for itself."""
    for event in events:
        for other in earlier:
            first, second = sorted((event, other), key=lambda one: one.at)
            if second.clashes(first):
                found = f"{event.title} overlaps {other.title}, which is being played"
                yield Problem(event.place.at("at"), found, f"wait until {format_duration(other.end_ns)} of the lab")
