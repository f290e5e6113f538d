"""New traces from old ones, with their ancestry kept: cut, splice, scale, repeat, join."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import Origin, Parent, Provenance, Series, SeriesName, Trace, TraceEvent
from testbed.traces.slots import SLOT_NS, first_boundary
from testbed.units import format_duration

_DELAYS = (SeriesName.RTT, SeriesName.UP_DELAY, SeriesName.DOWN_DELAY)
_RATES = (SeriesName.UP_RATE, SeriesName.DOWN_RATE)
_MOST_READINGS = 50_000_000


def descended(trace: Trace, parents: Sequence[Parent], how: str) -> Provenance:
    """Return a trace's provenance with the files it was made from now, and how."""
    old = trace.provenance
    return replace(old, parents=(*old.parents, *parents), notes=(*old.notes, how))


def cut(trace: Trace, from_ns: int, to_ns: int, parents: Sequence[Parent] = ()) -> Trace:
    """Return the part from ``from_ns`` to ``to_ns``, with t = 0 at its start.

    Raises InputError for a part that reaches outside the trace. Steps in force at its start are kept;
    an outage is cut to it.
    """
    if not 0 <= from_ns < to_ns <= trace.duration_ns:
        found = f"from {format_duration(from_ns)} to {format_duration(to_ns)}"
        raise InputError(trace.name, found, f"the trace goes from 0 to {format_duration(trace.duration_ns)}")
    length = to_ns - from_ns
    provenance = descended(trace, parents, f"cut from {from_ns} to {to_ns} ns")
    start, slot = provenance.start_ns, first_boundary(provenance)
    return replace(
        trace,
        provenance=replace(
            provenance,
            start_ns=None if start is None else start + from_ns,
            slot_ns=None if slot is None or start is not None else (slot - from_ns) % SLOT_NS,
        ),
        series={name: _cut(series, from_ns, to_ns, name in _DELAYS) for name, series in trace.series.items()},
        context={name: _cut(series, from_ns, to_ns, False) for name, series in trace.context.items()},
        events=_cut_events(trace.events, from_ns, to_ns),
        duration_ns=length,
    )


def _cut(series: Series, from_ns: int, to_ns: int, probes: bool) -> Series:
    first, last = np.searchsorted(series.t_ns, (from_ns, to_ns))
    t, value, loss = series.t_ns[first:last], series.value[first:last], series.loss[first:last]
    held = not probes and first > 0 and (first == last or t[0] > from_ns)
    if held:  # a rate, share or context reading holds until the next one
        t = np.concatenate(([from_ns], t))
        value = np.concatenate((series.value[first - 1 : first], value))
        loss = np.concatenate((series.loss[first - 1 : first], loss))
    return Series.of(t - from_ns, value, loss)


def _cut_events(events: Sequence[TraceEvent], from_ns: int, to_ns: int) -> tuple[TraceEvent, ...]:
    kept = []
    for event in events:
        begin, end = max(event.t_ns, from_ns), min(event.t_ns + max(event.duration_ns, 1), to_ns)
        if begin < end:
            length = end - begin if event.duration_ns else 0
            kept.append(replace(event, t_ns=begin - from_ns, duration_ns=length))
    return tuple(kept)


def splice(traces: Sequence[Trace], parents: Sequence[Parent] = ()) -> Trace:
    """Return the traces one after the other. Raises InputError where they do not hold the same series."""
    first = traces[0]
    for other in traces[1:]:
        if other.series.keys() != first.series.keys():
            found = f"has {_names(other)}, {first.name} has {_names(first)}"
            raise InputError(other.name, found, "splice traces of the same series")
        if other.framing != first.framing:
            found = f"its rates count {_framings(other)}, those of {first.name} {_framings(first)}"
            raise InputError(other.name, found, "splice rates of one layer and packet size")
    starts = np.cumsum([0] + [trace.duration_ns for trace in traces]).tolist()
    pairs = list(zip(traces, starts, strict=False))
    kinds = {trace.provenance.kind for trace in traces}
    provenance = descended(first, parents, f"spliced of {', '.join(trace.name for trace in traces)}")
    return replace(
        first,
        provenance=replace(
            provenance,
            kind=first.provenance.kind if len(kinds) == 1 else Origin.SYNTHETIC,
            licence="; ".join(dict.fromkeys(trace.provenance.licence for trace in traces)),
            traits=tuple(dict.fromkeys(trait for trace in traces for trait in trace.provenance.traits)),
            start_ns=first.provenance.start_ns if len(set(map(id, traces))) == 1 else None,
            slot_ns=first_boundary(first.provenance),
        ),
        series={name: _chained([(trace.series[name], at) for trace, at in pairs]) for name in first.series},
        context={},
        events=tuple(replace(event, t_ns=event.t_ns + at) for trace, at in pairs for event in trace.events),
        duration_ns=starts[-1],
    )


def _framings(trace: Trace) -> str:
    counted = {f"{f.layer} at {f.payload_bytes} bytes" for f in trace.framing.values()}
    return ", ".join(sorted(counted)) or "frames"


def _names(trace: Trace) -> str:
    return ", ".join(sorted(trace.series)) or "no series"


def _chained(parts: Sequence[tuple[Series, int]]) -> Series:
    return Series.of(
        np.concatenate([series.t_ns + at for series, at in parts]),
        np.concatenate([series.value for series, _ in parts]),
        np.concatenate([series.loss for series, _ in parts]),
    )


def repeat(trace: Trace, times: int, parents: Sequence[Parent] = ()) -> Trace:
    """Return a trace ``times`` times over. Raises InputError for less than once."""
    if times < 1:
        raise InputError(trace.name, f"repeated {times} times", "repeat at least once")
    if times * max((len(series) for series in trace.series.values()), default=0) > _MOST_READINGS:
        raise InputError(
            trace.name, f"repeated {times} times", "write 'repeat: true' in the scenario instead"
        )
    made = splice([trace] * times, parents)
    return replace(made, provenance=descended(trace, parents, f"repeated {times} times"))


def scale(trace: Trace, *, delay: float = 1.0, rate: float = 1.0, parents: Sequence[Parent] = ()) -> Trace:
    """Return a trace with all delays and rates multiplied; losses and events stay. Now synthetic."""
    if not (0 < delay <= 1000 and 0 < rate <= 1000):
        raise InputError(trace.name, f"scaled by {delay:g} and {rate:g}", "scale by more than 0, up to 1000")
    factors = dict.fromkeys(_DELAYS, delay) | dict.fromkeys(_RATES, rate)

    def scaled(name: SeriesName, series: Series) -> Series:
        value = (series.value * factors.get(name, 1.0)).round().astype(np.int64)
        return Series.of(series.t_ns, value, series.loss)

    provenance = descended(trace, parents, f"delays scaled by {delay:g}, rates by {rate:g}")
    return replace(
        trace,
        provenance=replace(provenance, kind=Origin.SYNTHETIC),
        series={name: scaled(name, series) for name, series in trace.series.items()},
    )


def join(
    traces: Sequence[Trace],
    parents: Sequence[Parent] = (),
    *,
    align: Callable[[Trace], int] | None = None,
) -> Trace:
    """Return one trace with the series of all: RTT from one, rate from another, outages from a third.

    They are aligned on their UTC clocks, or all at t = 0 where none has one; ``align`` gives each
    trace's offset instead. The result lasts as long as all of them overlap. Raises InputError for
    series that two of them have, for clocks that only some have, and for no overlap.
    """
    _distinct(traces)
    offsets = [align(trace) for trace in traces] if align else _offsets(traces)
    begin = max(offsets)
    end = min(offset + trace.duration_ns for offset, trace in zip(offsets, traces, strict=True))
    if begin >= end:
        spans = ", ".join(
            f"{trace.name} from {format_duration(o)}" for trace, o in zip(traces, offsets, strict=True)
        )
        raise InputError(traces[0].name, f"no common time: {spans}", "join recordings taken at the same time")
    parts = [cut(trace, begin - offset, end - offset) for trace, offset in zip(traces, offsets, strict=True)]
    first = parts[0]
    provenance = descended(first, parents, f"joined of {', '.join(trace.name for trace in traces)}")
    return replace(
        first,
        provenance=replace(
            provenance,
            source="; ".join(dict.fromkeys(part.provenance.source for part in parts)),
            licence="; ".join(dict.fromkeys(part.provenance.licence for part in parts)),
            parents=tuple(dict.fromkeys(p for part in parts for p in part.provenance.parents))
            + tuple(parents),
            traits=tuple(dict.fromkeys(trait for part in parts for trait in part.provenance.traits)),
            notes=(*(note for part in parts for note in part.provenance.notes), provenance.notes[-1]),
        ),
        series={name: series for part in parts for name, series in part.series.items()},
        context={name: series for part in parts for name, series in part.context.items()},
        framing={name: framing for part in parts for name, framing in part.framing.items()},
        events=tuple(sorted((e for part in parts for e in part.events), key=lambda event: event.t_ns)),
    )


def _distinct(traces: Sequence[Trace]) -> None:
    owner: dict[SeriesName, str] = {}
    for trace in traces:
        for name in trace.series:
            if name in owner:
                found = f"{name} is in {owner[name]} and in {trace.name}"
                raise InputError(trace.name, found, "take each series from one: --only NAME=SERIES,...")
            owner[name] = trace.name


def _offsets(traces: Sequence[Trace]) -> list[int]:
    starts = {trace.name: trace.provenance.start_ns for trace in traces}
    known = [start for start in starts.values() if start is not None]
    if not known:
        return [0] * len(traces)
    missing = [name for name, start in starts.items() if start is None]
    if missing:
        raise InputError(missing[0], "has no clock, others have", "say where it begins: --offset NAME=5s")
    return [start - min(known) for start in known]


def only(trace: Trace, keep: Sequence[SeriesName], events: bool = True) -> Trace:
    """Return a trace with some of its series."""
    series: Mapping[SeriesName, Series] = {name: s for name, s in trace.series.items() if name in keep}
    framing = {name: framing for name, framing in trace.framing.items() if name in series}
    return replace(trace, series=series, framing=framing, events=trace.events if events else ())
