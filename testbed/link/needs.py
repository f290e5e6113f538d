"""What a link needs that not every back end has. It is refused before anything starts, with what to use instead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place, Problem
from testbed.link.backend import Capabilities, LinkSpec
from testbed.link.layout import FOREVER
from testbed.model.impairments import NO_IMPAIRMENTS, Impairments
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.units import format_duration

_INSTANT_NS = 1000
"""A segment as short as this serves one packet: a delivery opportunity, not a rate."""


@dataclass(frozen=True)
class LinkUse:
    """One direction as far as its needs go; ``place`` is where the user wrote it, or its name."""

    place: Place | str
    schedule: LinkSchedule
    impairments: Impairments = NO_IMPAIRMENTS
    cell: str = ""


def refuse(backend: str, can: Capabilities, played: Iterable[LinkUse]) -> None:
    """Raise InputError with everything that the back end cannot play."""
    if found := problems(backend, can, played):
        raise InputError.of(found)


def problems(backend: str, can: Capabilities, played: Iterable[LinkUse]) -> list[Problem]:
    """Return what the back end cannot play, each problem once."""
    found: dict[str, Problem] = {}
    for one in played:
        for cannot, expected in _beyond(can, one):
            instead = f"{expected} or use --link native" if expected else "use --link native"
            problem = Problem(one.place, f"{backend} {cannot}", instead)
            found[str(problem)] = problem
    return list(found.values())


def _beyond(can: Capabilities, played: LinkUse) -> Iterator[tuple[str, str]]:
    """Yield what the back end cannot do, and what could be written instead."""
    schedule = played.schedule
    instants = (np.diff(_bounds(schedule)) <= _INSTANT_NS) & (schedule.rate_bps > 0)
    if not can.instants and instants.any():
        yield "cannot serve single packets at recorded instants (a delivery trace)", ""
    elif not can.hold and (at := np.flatnonzero(schedule.state == LinkState.HOLD)).size:
        yield (
            f"cannot hold packets, as asked at {_time(schedule, at[0])}",
            "write an outage instead of a hold,",
        )
    starts, lengths = _dropping(schedule)
    if (short := np.flatnonzero(lengths < can.loss_ns)).size:
        least, where = format_duration(can.loss_ns), _time(schedule, starts[short[0]])
        number = f"{short.size} losses or outages are" if short.size > 1 else "a loss or outage is"
        first = "the first " if short.size > 1 else ""
        yield f"cannot lose packets as recorded: {number} shorter than {least}, {first}at {where}", ""
    if not can.impairments and played.impairments != NO_IMPAIRMENTS:
        yield "cannot reorder, duplicate or corrupt packets as a profile asks", ""
    if not can.cells and played.cell:
        yield f"cannot share the cell {played.cell!r} between links", ""
    limits = [name for name in ("bytes", "packets", "time_ns") if getattr(schedule.queue, name)]
    if not can.mixed_queue_limits and "packets" in limits and len(limits) > 1:
        yield "cannot limit a queue both in packets and in bytes or time", "write one limit"


def _time(schedule: LinkSchedule, index: int) -> str:
    return format_duration(int(schedule.t_ns[index]))


def _dropping(schedule: LinkSchedule) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the first segment and the length in ns of each run of segments that let nothing through."""
    drops = (schedule.loss >= 1) | (schedule.state == LinkState.CUT)
    edges = np.flatnonzero(np.diff(drops, prepend=False, append=False))
    starts, ends = edges[::2], edges[1::2]
    bounds = _bounds(schedule)
    return starts, bounds[ends] - bounds[starts]


def _bounds(schedule: LinkSchedule) -> NDArray[np.int64]:
    """Return the segments' starts and the end of the last one, which holds for ever unless it is repeated."""
    repeats = schedule.repeat and len(schedule.t_ns) > 1
    return np.append(schedule.t_ns, schedule.end_ns if repeats else FOREVER)


def directions(spec: LinkSpec, place: Place | str = "") -> list[LinkUse]:
    """Return the two directions of a link; without a place they are known by their names."""
    cells = {Direction.UP: spec.up_cell, Direction.DOWN: spec.down_cell}
    return [
        LinkUse(place or f"{spec.name} {d}", spec.schedule(d), spec.impairments(d), cells[d])
        for d in Direction
    ]
