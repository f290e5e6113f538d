"""Events that are announced and would not happen: a scenario's against what its links and actors play."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from testbed.errors import Problem
from testbed.faults import ACTORS
from testbed.model.event import Event
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.model.scenario import Scenario
from testbed.traces.compile import LinkPair
from testbed.traces.impair import STATES


def problems(scenario: Scenario, schedules: Mapping[str, LinkPair]) -> Iterator[Problem]:
    """Yield each event that nothing plays. It is no mistake of the user's, but a run with it could only mislead."""
    for event in scenario.events:
        if not _is_played(event, schedules):
            found = f"{event.title} is announced, and nothing plays it"
            yield Problem(event.place, found, "report this as a fault of the testbed")


def _is_played(event: Event, schedules: Mapping[str, LinkPair]) -> bool:
    if not event.by_link:
        return event.kind in ACTORS
    pair = schedules.get(event.uplink)
    return pair is not None and all(
        _shows(schedule, event, direction) for direction, schedule in zip(Direction, pair, strict=True)
    )


def _shows(schedule: LinkSchedule, event: Event, direction: Direction) -> bool:
    """Whether a schedule does, in every segment of the event's time, at least what the event asks."""
    first, end = np.searchsorted(schedule.t_ns, (event.at, event.end_ns))
    if first == len(schedule.t_ns) or schedule.t_ns[first] != event.at:
        return False  # an event begins a segment
    during = slice(int(first), int(end))
    state, rate_bps = schedule.state[during], schedule.rate_bps[during]
    if event.kind in STATES and not np.isin(state, (STATES[event.kind], LinkState.CUT)).all():
        return False
    if event.rate is not None:
        capped = (rate_bps > 0) & (rate_bps <= getattr(event.rate, direction))
        return bool(capped.all())
    return bool(
        (schedule.loss[during] >= event.loss - 1e-9).all()
        and (schedule.delay_ns[during] >= event.delay).all()
    )
