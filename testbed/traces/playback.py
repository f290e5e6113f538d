"""The part of a trace that a scenario plays, on the run's clock: aligned, repeated, cut to length."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Series, Trace
from testbed.traces import slots
from testbed.traces.handover import handovers
from testbed.units import format_duration


def played(trace: Trace, duration_ns: int, align: str, repeat: bool, place: Place | str) -> Trace:
    """Return a trace of exactly ``duration_ns``. Raises InputError at ``place`` for one that is too short."""
    skip, cycle = _span(trace, align, repeat, place)
    if cycle < duration_ns and not repeat:
        skipped = f" after the first {format_duration(skip)}, skipped by 'align: slot'" if skip else ""
        found = (
            f"trace {trace.name!r} lasts {format_duration(cycle)}{skipped}; "
            f"the scenario lasts {format_duration(duration_ns)}"
        )
        raise InputError(
            place,
            found,
            "add 'repeat: true', shorten the scenario or take a longer trace",
        )
    starts = range(0, duration_ns, cycle)
    series = {name: _tiled(series, skip, cycle, starts, duration_ns) for name, series in trace.series.items()}
    moved = (
        replace(event, t_ns=event.t_ns - skip + start)
        for start in starts
        for event in trace.events
        if skip <= event.t_ns < skip + cycle
    )
    events = tuple(event for event in moved if event.t_ns < duration_ns)
    return replace(trace, series=series, events=events, context={}, duration_ns=duration_ns)


def _span(trace: Trace, align: str, repeat: bool, place: Place | str) -> tuple[int, int]:
    """Return what is skipped of the trace, and how much of the rest is played before it repeats."""
    if align == "start":
        return 0, trace.duration_ns
    skip = slots.first_boundary(trace.provenance)
    if skip is None and (found_cycle := handovers(trace)) is not None and found_cycle.clear:
        skip = found_cycle.phase_ns
    if skip is None:
        found = f"trace {trace.name!r} does not tell where its 15 s slots begin"
        raise InputError(place, found, "write 'align: start'")
    length = trace.duration_ns - skip
    whole = length // slots.SLOT_NS * slots.SLOT_NS
    if whole <= 0:
        raise InputError(
            place,
            f"trace {trace.name!r} has no whole 15 s slot",
            "write 'align: start'",
        )
    return skip, whole if repeat else length


def _tiled(series: Series, skip: int, cycle: int, starts: range, duration_ns: int) -> Series:
    """Return the readings of skip..skip+cycle once for each start; the one in force at skip begins."""
    first = max(int(np.searchsorted(series.t_ns, skip, "right")) - 1, 0)
    last = int(np.searchsorted(series.t_ns, skip + cycle))
    if first >= last:
        return Series.of([], [])
    t = np.maximum(series.t_ns[first:last] - skip, 0)
    times = np.concatenate([t + start for start in starts])
    inside = times < duration_ns
    value = np.tile(series.value[first:last], len(starts))[inside]
    return Series.of(times[inside], value, np.tile(series.loss[first:last], len(starts))[inside])
