"""From what was captured at each port to one file: in the order of time, with what was lost and what happened told."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from testbed.capture.causes import Causes, said
from testbed.capture.match import Crossing
from testbed.capture.pcap import Frame, frames
from testbed.capture.pcapng import PcapngWriter
from testbed.capture.points import Point, entrance, exit_
from testbed.model.capture import Seen
from testbed.model.facts import Happening
from testbed.model.link import Direction


@dataclass(frozen=True)
class Raw:
    """What was captured at a point: the file, the port's own address (6 bytes), how many packets were dropped.

    What it holds from before ``began_ns`` (CLOCK_REALTIME) is left out: other ports were not captured yet.
    """

    point: Point
    path: Path
    address: bytes
    dropped: int | None = None
    began_ns: int = 0

    def interface(self, frame: Frame) -> str:
        """Return the name of what a packet passed: what a port sends bears its own address."""
        return self.point.out if frame.kept[6:12] == self.address else self.point.in_


@dataclass(frozen=True)
class Story:
    """What the packets are told by: the run's name, its start (CLOCK_REALTIME ns), its events, the links' records."""

    title: str
    started_ns: int
    ended_ns: int
    events: Sequence[Happening] = ()
    causes: Causes = field(default_factory=Causes)

    def instants(self) -> list[tuple[int, str, str]]:
        """Return beginning and end of each event: CLOCK_REALTIME ns, its link (or ""), in words."""
        told = []
        for event in self.events:
            title = event.title or f"{event.uplink} {event.kind}".strip()
            for t_ns, what in ((event.start_ns, "begins"), (event.end_ns, "is over")):
                words = f"event: {title} {what}, {t_ns / 1e9:.3f} s after the start"
                told.append((self.started_ns + t_ns, event.uplink, words))
        return sorted(told)


@dataclass
class _Fate:
    """Of one way through a link, which packets at its entrance (by number) never left, and which were still on it."""

    link: str
    direction: Direction
    lost: frozenset[int]
    in_flight: frozenset[int]


def weave(raws: Sequence[Raw], story: Story, snap: int, stream: BinaryIO, application: str) -> dict[str, Seen]:
    """Write one pcapng of all that was captured; return what each interface holds. Memory does not grow with it."""
    names = list(dict.fromkeys(name for raw in raws for name in (raw.point.out, raw.point.in_)))
    links = {raw.point.link: "" for raw in raws if raw.point.link}
    fates = {}
    for link in links:
        for fate in _fates([raw for raw in raws if raw.point.link == link], link, story.ended_ns):
            fates[entrance(link, fate.direction)] = fate
    writer = PcapngWriter(stream, application, _preface(raws, story))
    for name in names:
        writer.interface(name, _described(name, raws), snap)
    teller = _Teller(story, fates, doubtful=any(raw.dropped != 0 for raw in raws), captured=set(links))
    index = {name: number for number, name in enumerate(names)}
    packets: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for frame, raw in _merged(raws):
        name = raw.interface(frame)
        comments = teller.comments(frame, name, packets[name], raw.point.link)
        writer.packet(index[name], frame.t_ns, frame.kept, frame.length, comments)
        packets[name] += 1
        sizes[name] += frame.length
    for raw in raws:
        if raw.dropped:
            writer.statistics(index[raw.point.in_], story.ended_ns, raw.dropped)
    return {
        name: Seen(
            packets[name],
            sizes[name],
            dict(sorted(teller.never_left[name].items())) if name in teller.never_left else {},
            len(fates[name].in_flight) if name in fates else 0,
        )
        for name in names
    }


class _Teller:
    """Finds what is to be said of each packet."""

    def __init__(self, story: Story, fates: Mapping[str, _Fate], doubtful: bool, captured: set[str]) -> None:
        self._story, self._fates, self._doubtful, self._captured = story, fates, doubtful, captured
        self._events = story.instants()
        self.never_left: dict[str, Counter[str]] = {}

    def comments(self, frame: Frame, name: str, number: int, link: str) -> Sequence[str]:
        told: Sequence[str] = ()
        if self._events and self._events[0][0] <= frame.t_ns:
            told = self._due(frame.t_ns, link)
        fate = self._fates.get(name)
        if fate is None:
            return told
        if number in fate.lost:
            causes = self._story.causes.at(fate.link, str(fate.direction), frame.t_ns - self._story.started_ns)
            self.never_left.setdefault(name, Counter())[" or ".join(causes)] += 1
            doubt = "; the capture itself may have missed it at the exit" if self._doubtful else ""
            return (*told, f"never left {fate.link} {fate.direction}: {said(causes)}{doubt}")
        if number in fate.in_flight:
            return (*told, f"still on {fate.link} {fate.direction} when the capture ended")
        return told

    def _due(self, t_ns: int, link: str) -> Sequence[str]:
        """Return the events since the last packet; one of a link waits for a packet there, if it is captured."""
        due, waiting = [], []
        for event in self._events:
            if event[0] > t_ns:
                waiting.append(event)
            elif event[1] in ("", link) or event[1] not in self._captured:
                due.append(event[2])
            else:
                waiting.append(event)
        self._events = waiting
        return due


def _fates(raws: Sequence[Raw], link: str, ended_ns: int) -> Iterator[_Fate]:
    """Follow the packets of one link, both ways."""
    ways = {direction: Crossing() for direction in Direction}
    lost: dict[Direction, list[int]] = {direction: [] for direction in Direction}
    numbers: Counter[Direction] = Counter()
    enters = {entrance(link, direction): direction for direction in Direction}
    leaves = {exit_(link, direction): direction for direction in Direction}
    for frame, raw in _merged(raws):
        name, key = raw.interface(frame), (frame.length, frame.kept)
        if (way := enters.get(name)) is not None:
            ways[way].enter(numbers[way], frame.t_ns, key)
            numbers[way] += 1
        else:
            way = leaves[name]
            lost[way] += ways[way].leave(frame.t_ns, key)
    for way, crossing in ways.items():
        gone, in_flight = crossing.end(ended_ns)
        yield _Fate(link, way, frozenset([*lost[way], *gone]), frozenset(in_flight))


def _merged(raws: Sequence[Raw]) -> Iterator[tuple[Frame, Raw]]:
    """Yield the packets of several files in the order of time."""
    for _, number, frame in heapq.merge(*(_timed(raw, number) for number, raw in enumerate(raws))):
        yield frame, raws[number]


def _timed(raw: Raw, number: int) -> Iterator[tuple[int, int, Frame]]:
    return ((frame.t_ns, number, frame) for frame in frames(raw.path) if frame.t_ns >= raw.began_ns)


def _preface(raws: Sequence[Raw], story: Story) -> list[str]:
    lines = [f"{story.title}; it started at {story.started_ns} ns of CLOCK_REALTIME, the clock of all its records"]
    lines += [words for _, _, words in story.instants()]
    for raw in raws:
        if raw.dropped is None:
            lines.append(f"{raw.point.end}: how many packets the capture missed is not known")
        elif raw.dropped:
            lines.append(f"{raw.point.end}: the capture missed {raw.dropped} packets")
    return ["\n".join(lines)]


def _described(name: str, raws: Sequence[Raw]) -> str:
    raw = next(raw for raw in raws if name in (raw.point.out, raw.point.in_))
    if raw.point.out == raw.point.in_:
        return f"all that passes {raw.point.end}"
    return f"what {raw.point.end} {'sends' if name == raw.point.out else 'receives'}"
