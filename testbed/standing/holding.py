"""Holds a run's lab at its end, from outside: under which name, and what ends it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.run import launch
from testbed.run.plan import Plan
from testbed.run.progress import Event, Standing
from testbed.standing import keeper, registry
from testbed.standing.registry import StandingLab

PROGRAM = "testbed.standing.held"
WHEN: Mapping[str, Sequence[str]] = {"always": (), "fail": ("fail",), "invalid": ("invalid", "inconclusive")}
"""When a run is held -> its outcomes then; none: all."""


@contextmanager
def held(made: Plan, folder: Path, when: str | None, now_ns: int | None = None) -> Iterator[launch.Stays | None]:
    """Give how the lab of a run stays at its end; None where it is not to be held."""
    if when is None:
        yield None
        return
    with registry.claimed(_name(made.name), exactly=False) as claim:
        began_ns = time.time_ns() if now_ns is None else now_ns
        entry = StandingLab(claim.name, made.name, str(folder), registry.user(), os.getpid(), began_ns)
        yield keeper.standing(claim, entry, PROGRAM, tuple(WHEN[when]))


def noticing(show: Callable[[Event], None], stands: Callable[[str], None]) -> Callable[[Event], None]:
    """Return what shows a run's events and calls ``stands`` with the lab's name when it is held."""

    def both(event: Event) -> None:
        show(event)
        if isinstance(event, Standing):
            stands(event.name)

    return both


def _name(scenario: str) -> str:
    """Return the name of a lab for a scenario's."""
    return re.sub(r"[^a-z0-9-]+", "-", scenario.lower()).strip("-")[:36] or "run"
