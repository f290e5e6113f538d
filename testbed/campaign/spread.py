"""A campaign's runs given to a crew, many at once: each result kept once, a lost run played again, then given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from testbed import paths
from testbed.campaign import agenda
from testbed.campaign.agenda import Agenda
from testbed.campaign.crew import Crew, Over
from testbed.errors import HostError
from testbed.result.campaign import Campaign

TRIES = 3
"""How often a run is begun that is lost without its host."""
LONELY_S = 120.0
"""How long a campaign waits for a host that can play what is left of it."""
_LOOK_S = 1.0


@dataclass(frozen=True)
class Headway:
    """Where a campaign is: runs that are ``done`` of all, how many are ``at_work``, and what is ``left_s`` of it, once
    that can be told; ``over`` is what has just come back, ``said`` what was heard of runs that wait."""

    done: int
    of: int
    at_work: int
    left_s: float | None = None
    over: Over | None = None
    said: tuple[str, ...] = ()


def time_left_s(since_s: float, done: int, left: int) -> float | None:
    """Return how long the runs that are left take at the pace of those done since; None: there is none yet."""
    return since_s / done * left if done else None


def play(
    todo: Agenda,
    folder: Path,
    crew: Crew,
    tell: Callable[[Headway], None],
    clock_s: Callable[[], float],
    lonely_s: float = LONELY_S,
) -> Campaign:
    """Play what is left of an agenda, and return the campaign. ``clock_s`` is a steady clock.

    Raises HostError where nobody is left who can play it; what has come back is on disk.
    """
    campaign = agenda.so_far(todo, folder)
    waiting = deque(run.assignment for run in agenda.left(todo, folder))
    assignments = {assignment.name: assignment for assignment in waiting}
    tries = dict.fromkeys(assignments, 0)
    at_work: set[str] = set()
    begun_s = alone_since_s = clock_s()
    done, known = 0, len(todo.runs) - len(waiting)
    while waiting or at_work:
        places = crew.places(todo.needs)
        if places or not waiting:
            alone_since_s = clock_s()
        elif clock_s() - alone_since_s > lonely_s:
            raise HostError(f"{crew.fault(todo.needs)}; {resume_hint(folder)}")
        while waiting and len(at_work) < places:
            assignment = waiting.popleft()
            tries[assignment.name] += 1
            at_work.add(assignment.name)
            crew.begin(assignment, folder)
        over, said = crew.ended(_LOOK_S), tuple(crew.heard())
        if over is None or over.name not in at_work:
            left_s = _left_s(clock_s() - begun_s, done, tries)
            tell(Headway(known + done, len(todo.runs), len(at_work), left_s, said=said))
            continue
        at_work.remove(over.name)
        if over.lost and over.again and tries[over.name] < TRIES:
            waiting.append(assignments[over.name])
        else:
            campaign = _kept(campaign, folder, over)
            done += 1
        left_s = time_left_s(clock_s() - begun_s, done, len(waiting) + len(at_work))
        tell(Headway(known + done, len(todo.runs), len(at_work), left_s, over, said))
    campaign = replace(campaign, runs=tuple(sorted(campaign.runs))).saved()  # they came back in any order
    if not any(name for name in campaign.died if not (folder / name).exists()):
        agenda.over(folder)
    return campaign


def _left_s(since_s: float, done: int, tries: dict[str, int]) -> float | None:
    return time_left_s(since_s, done, len(tries) - done)


def _kept(campaign: Campaign, folder: Path, over: Over) -> Campaign:
    if over.lost:
        return campaign.kept(over.name, f"lost: lab: {over.lost}")
    agenda.keep(folder, over.name, over.packed)
    return campaign.kept(over.name, over.died)


def resume_hint(folder: Path) -> str:
    """Return how a campaign goes on."""
    return f"'testbed campaign {paths.shown(folder)} --resume' plays what is left"
