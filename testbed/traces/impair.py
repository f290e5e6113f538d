"""What a scenario's events do to a link: a schedule with them in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from testbed.model.event import Event, Kind
from testbed.model.link import Direction, LinkSchedule, LinkState

STATES: Mapping[Kind, LinkState] = {Kind.OUTAGE: LinkState.CUT, Kind.REBOOT: LinkState.CUT, Kind.HOLD: LinkState.HOLD}
"""What a link does while these last; of a trace's own state and an event's, a cut counts before a hold."""


def impair(schedule: LinkSchedule, events: Sequence[Event], direction: Direction) -> LinkSchedule:
    """Return one direction's schedule, which does not repeat, with the events of its link.

    Added loss is independent of the trace's: 1 - (1 - p)(1 - loss). Added delay counts in each direction,
    so that it is felt twice in a round trip. A cap holds where the trace's rate is higher, or unlimited.
    """
    if not events:
        return schedule
    t_ns = _times(schedule, events)
    before = np.searchsorted(schedule.t_ns, t_ns, "right") - 1
    delay_ns = schedule.delay_ns[before]
    if schedule.interpolate:
        delay_ns = np.interp(t_ns, schedule.t_ns, schedule.delay_ns).round().astype(np.int64)
    loss, rate_bps, state = schedule.loss[before], schedule.rate_bps[before], schedule.state[before]
    for event in events:
        inside = (t_ns >= event.at) & (t_ns < event.end_ns)
        delay_ns[inside] += event.delay
        loss[inside] = 1 - (1 - loss[inside]) * (1 - event.loss)
        if event.rate is not None:
            cap = getattr(event.rate, direction)
            rate_bps[inside] = np.where(rate_bps[inside] == 0, cap, np.minimum(rate_bps[inside], cap))
        if event.kind in STATES:
            state[inside & (state != LinkState.CUT)] = STATES[event.kind]
    return replace(schedule, t_ns=t_ns, delay_ns=delay_ns, loss=loss, rate_bps=rate_bps, state=state)


def _times(schedule: LinkSchedule, events: Sequence[Event]) -> NDArray[np.int64]:
    """Return where segments begin; a delay that runs linearly ends just before an event adds to it, or stops."""
    edges = [edge for event in events for edge in (event.at, event.end_ns)]
    if schedule.interpolate:
        edges += [edge - 1 for event in events if event.delay for edge in (event.at, event.end_ns)]
    t_ns = np.union1d(schedule.t_ns, np.array(edges, np.int64))
    return t_ns[(t_ns >= 0) & (t_ns < schedule.end_ns)]
