"""Holds a run's lab at its end, from outside: under which name, and what ends it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.run.plan import Plan
from testbed.run.progress import Event, Standing
from testbed.standing import registry
from testbed.standing.keeper import Keeping
from testbed.standing.registry import StandingLab

MOST_NS = 2 * 3600 * 10**9
"""A lab that is held ends by itself after this time: nobody may be there."""

PROGRAM = "testbed.standing.held"
WHEN: Mapping[str, Sequence[str]] = {"always": (), "fail": ("fail",), "invalid": ("invalid", "inconclusive")}
"""When a run is held -> its outcomes then; none: all."""


@contextmanager
def held(made: Plan, folder: Path, when: str | None, *, seen: bool = False) -> Iterator[Keeping | None]:
    """Give how the lab of a run stays at its end, and where it can be ``seen`` meanwhile; None where it is neither."""
    if when is None and not seen:
        yield None
        return
    with registry.claimed(_name(made.name), exactly=False) as claim:
        entry = StandingLab(claim.name, made.name, str(folder), registry.user(), os.getpid(), time.time_ns())
        yield Keeping(claim, entry, PROGRAM, MOST_NS, None if when is None else tuple(WHEN[when]))


def noticing(
    show: Callable[[Event], None], keeping: Keeping | None, stands: Callable[[str], None]
) -> Callable[[Event], None]:
    """Return what shows a run's events and calls ``stands`` with the lab's name when it is held."""
    if keeping is None:
        return show

    def both(event: Event) -> None:
        show(event)
        keeping.hear(event)
        if isinstance(event, Standing):
            stands(event.name)

    return both


def _name(scenario: str) -> str:
    """Return the name of a lab for a scenario's."""
    return re.sub(r"[^a-z0-9-]+", "-", scenario.lower()).strip("-")[:36] or "run"
