"""What was done to a lab's links by hand, as values over time and as the events of a scenario. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from testbed.link.backend import Change, LinkEvent, Restore
from testbed.model.event import Event
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.model.uplink import Rates
from testbed.traces.compile import LinkPair
from testbed.traces.impair import STATES
from testbed.units import format_duration

FOREVER = 2**63 - 1
FIELDS = ("delay_ns", "rate_bps", "loss", "state")
_MS = 10**6


@dataclass(frozen=True)
class Deed:
    """A live change of a link by hand, at a time since the lab's start; ``direction`` None: both."""

    at_ns: int
    link: str
    direction: Direction | None
    change: LinkEvent
    title: str

    def holds(self, name: str, t_ns: int) -> bool:
        """Whether this sets a field at a time, as long as no later deed does."""
        if isinstance(self.change, Restore) or getattr(self.change, name) is None:
            return False
        return self.change.for_ns is None or t_ns < self.at_ns + self.change.for_ns

    def touches(self, name: str) -> bool:
        """Whether a field is another one's no more from this deed on."""
        return isinstance(self.change, Restore) or getattr(self.change, name) is not None

    @property
    def edges(self) -> tuple[int, ...]:
        """When it changes anything."""
        if isinstance(self.change, Restore) or self.change.for_ns is None:
            return (self.at_ns,)
        return self.at_ns, self.at_ns + self.change.for_ns


@dataclass(frozen=True)
class LinkValues:
    """What one direction of a link does at a moment; None of a field by hand: what the schedule says."""

    delay_ns: int | None = None
    rate_bps: int | None = None
    loss: float | None = None
    state: LinkState | None = None


@dataclass
class Journal:
    """All that was done by hand: deeds at links, and events that were played, with their times since the start."""

    schedules: Mapping[str, LinkPair]
    deeds: list[Deed] = field(default_factory=list)
    played: list[Event] = field(default_factory=list)

    def titles(self, now_ns: int) -> tuple[str, ...]:
        """Return what was done so far, for people, in order of time."""
        rows = [(deed.at_ns, deed.title) for deed in self.deeds] + [(e.at, e.title) for e in self.played]
        return tuple(f"{title} at {format_duration(at_ns)}" for at_ns, title in sorted(rows) if at_ns <= now_ns)

    def by_hand(self, link: str, direction: Direction, t_ns: int) -> LinkValues:
        """Return what a direction was told by hand for a time."""
        found: dict[str, Any] = {}
        for deed in self.deeds:
            if deed.link == link and deed.direction in (None, direction) and deed.at_ns <= t_ns:
                for name in filter(deed.touches, FIELDS):
                    found[name] = getattr(deed.change, name) if deed.holds(name, t_ns) else None
        return LinkValues(**found)

    def events(self, now_ns: int) -> tuple[tuple[Event, ...], tuple[str, ...]]:
        """Return it all as events of a scenario, and what of it no event can say.

        What lasts until it is taken back lasts until ``now_ns``. Times are whole milliseconds.
        """
        notes: list[str] = []
        found = [event for link in self.schedules for event in self._of_link(link, now_ns, notes)]
        kept: list[Event] = []
        for event in sorted((*self.played, *found), key=lambda event: event.at):
            if (earlier := next((e for e in kept if event.clashes(e)), None)) is not None:
                notes.append(f"{event.title} at {format_duration(event.at)} overlaps {earlier.title}: left out")
            else:
                kept.append(event)
        return tuple(kept), tuple(dict.fromkeys(notes))

    def _of_link(self, link: str, now_ns: int, notes: list[str]) -> Iterator[Event]:
        deeds = [deed for deed in self.deeds if deed.link == link]
        if one_way := [deed for deed in deeds if deed.direction is not None]:
            notes += [f"{deed.title}: an event is of both directions; left out" for deed in one_way]
        both = Journal(self.schedules, [deed for deed in deeds if deed.direction is None])
        edges = {_whole_ms(edge) for deed in both.deeds for edge in deed.edges}
        for begin_ns, end_ns in pairwise(sorted({*edges, max([_whole_ms(now_ns), *edges])})):
            values = both.by_hand(link, Direction.UP, (begin_ns + end_ns) // 2)
            if (event := self._event(link, begin_ns, end_ns, values, notes)) is not None:
                yield event

    def _event(self, link: str, begin_ns: int, end_ns: int, by_hand: LinkValues, notes: list[str]) -> Event | None:
        lasts_ns, when = end_ns - begin_ns, format_duration(begin_ns)
        if by_hand.state is LinkState.CUT:
            return Event(begin_ns, link, outage=lasts_ns)
        if by_hand.state is LinkState.HOLD:
            return Event(begin_ns, link, hold=lasts_ns)
        pair = self.schedules[link]
        delay_ns = loss = 0.0
        if by_hand.delay_ns is not None:
            base = _constant(pair, "delay_ns", begin_ns, end_ns)
            if base is None or by_hand.delay_ns < base:
                notes.append(
                    f"{link} delay at {when}: an event adds to what the link plays, which {_is(base)}; left out"
                )
            else:
                delay_ns = by_hand.delay_ns - base
        if by_hand.loss is not None:
            base = _constant(pair, "loss", begin_ns, end_ns)
            if base is None:
                notes.append(f"{link} loss at {when}: the event adds it to the trace's own")
            base = base or 0.0
            if by_hand.loss < base:
                notes.append(f"{link} loss at {when}: an event adds to what the link plays; left out")
            elif base < 1:
                loss = 1 - (1 - by_hand.loss) / (1 - base)
        if delay_ns or loss:
            if by_hand.rate_bps is not None:
                notes.append(f"{link} rate at {when}: beside loss or delay no event can say it; left out")
            return Event(begin_ns, link, brownout=lasts_ns, loss=round(loss, 9), delay=int(delay_ns))
        if by_hand.rate_bps:
            return Event(begin_ns, link, rate_cap=lasts_ns, rate=Rates(by_hand.rate_bps, by_hand.rate_bps))
        return None


def at(schedule: LinkSchedule, t_ns: int) -> LinkValues:
    """Return what a schedule plays at a time since its start."""
    inside_ns = t_ns % schedule.end_ns if schedule.repeat else t_ns
    index = max(int(schedule.t_ns.searchsorted(inside_ns, side="right")) - 1, 0)
    return LinkValues(
        int(schedule.delay_ns[index]),
        int(schedule.rate_bps[index]),
        float(schedule.loss[index]),
        LinkState(int(schedule.state[index])),
    )


def over(base: LinkValues, by_hand: LinkValues) -> LinkValues:
    """Return what holds where something was done by hand."""
    given = {name: value for name in FIELDS if (value := getattr(by_hand, name)) is not None}
    return replace(base, **given)


def steps(impaired: LinkSchedule, events: Iterable[Event]) -> Iterator[tuple[int, int, Change]]:
    """Yield (from, until, change) that make a link play ``impaired``, its schedule with the events, while they last."""
    for event in events:
        first, end = np.searchsorted(impaired.t_ns, (event.at, event.end_ns))
        for index in range(int(first), int(end)):
            t_ns = int(impaired.t_ns[index])
            wanted = at(impaired, t_ns)
            yield t_ns, event.end_ns, Change(**{name: getattr(wanted, name) for name in _changed(event)})


def _changed(event: Event) -> Iterator[str]:
    """Yield the fields of a link that an event changes."""
    if event.delay:
        yield "delay_ns"
    if event.rate is not None:
        yield "rate_bps"
    if event.loss:
        yield "loss"
    if event.kind in STATES:
        yield "state"


def later(events: Sequence[Event], by_ns: int) -> tuple[Event, ...]:
    """Return events so much later, at whole milliseconds."""
    return tuple(replace(event, at=_whole_ms(event.at + by_ns)) for event in events)


def _constant(pair: LinkPair, name: str, begin_ns: int, end_ns: int) -> float | None:
    """Return what both directions play all the time; None where it changes."""
    values: set[float] = set()
    for schedule in pair:
        first = max(int(schedule.t_ns.searchsorted(begin_ns, side="right")) - 1, 0)
        last = max(int(schedule.t_ns.searchsorted(end_ns, side="left")), first + 1)
        values.update(np.unique(getattr(schedule, name)[first:last]).tolist())
    return values.pop() if 1 == len(values) else None


def _is(base: float | None) -> str:
    return "changes all the time" if base is None else f"is longer ({format_duration(base)})"


def _whole_ms(t_ns: int) -> int:
    return round(t_ns / _MS) * _MS
