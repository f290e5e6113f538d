"""Links played with netem: what each direction does now, when it changes, and what it has done."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pyroute2 import IPRoute

from testbed.link.layout import CERTAIN, FOREVER, unpack
from testbed.link.netemd import counters
from testbed.link.netemd.evidence import NetemEvidence, Reading, Tally
from testbed.link.netemd.splice import Splice, queued
from testbed.link.netemd.steps import FIELDS, Steps
from testbed.model.link import Direction, LinkSchedule, LinkState

LOOK_NS = 50_000_000
LOOK_SHARE = 0.1
"""How often the kernel's counters are read, and the share of the time that it may take."""
_MOST = {"delay": 2**38, "rate": 2**50, "loss": CERTAIN, "state": LinkState.CUT}


@dataclass(frozen=True)
class Setup:
    """What linkd.conf says: the two marks that are counted (a DSCP and a length of frames each), and the links."""

    mark: Sequence[int]
    mark_length: Sequence[int]
    links: Sequence[tuple[str, str, str, Mapping[Direction, LinkSchedule]]]

    @classmethod
    def read(cls, file: Path) -> Setup:
        """Read linkd.conf and the schedules beside it."""
        marks: dict[str, Sequence[int]] = {}
        links = []
        for word, *words in (line.split() for line in file.read_text().splitlines()):
            if word in ("mark", "mark_length"):
                marks[word] = tuple(map(int, words))
            elif word == "link":
                name, hub, net, _, *files = words
                schedules = {
                    d: unpack(np.fromfile(file.parent / f, np.uint8))
                    for d, f in zip(Direction, files, strict=True)
                }
                links.append((name, hub, net, schedules))
        return cls(**marks, links=links)


class Lane:
    """One direction of a link, being played."""

    def __init__(
        self,
        link: str,
        direction: Direction,
        schedule: LinkSchedule,
        splice: Splice,
        marks: Sequence[counters.MarkCounter],
    ) -> None:
        self.link, self.direction = link, direction
        self.steps = Steps(schedule)
        self._splice, self._wire = splice, splice.lanes[direction]
        self._marks = marks
        self._setting = self.steps.at(0)
        self._tally: Tally | None = None
        self.due_ns = FOREVER

    def start(self, at_ns: int) -> None:
        """Play from this instant."""
        self.steps.start(at_ns)
        self.due_ns = at_ns

    def count_from(self, reading: Reading) -> None:
        """Leave out what was counted before."""
        self._tally = Tally(reading)

    def apply(self, now_ns: int) -> None:
        """Set what holds now; `due_ns` is then when to come back."""
        setting = self.steps.at(now_ns)
        if self._tally is not None and (setting.loss, setting.cut) != (self._setting.loss, self._setting.cut):
            self._tally.settle(counters.devices()[self._wire.counted_in], self._setting)
        self._splice.apply(self.direction, setting)
        self._setting = setting
        self.due_ns = self.steps.next_ns(now_ns)

    def prepare(self) -> None:
        """Have the next change ready."""
        if self.due_ns != FOREVER:
            self._splice.prepare(self.direction, self.steps.at(self.due_ns))

    def reading(
        self, devices: Mapping[str, counters.DeviceCounters], queues: counters.QueueStatistics
    ) -> Reading:
        """Return its part of what the kernel counts."""
        wire = self._wire
        marked, marked_new = (mark.read() for mark in self._marks)
        return Reading(
            devices[wire.counted_in], devices[wire.counted_out], queued(queues, wire), marked, marked_new
        )

    def counted(self, reading: Reading) -> Mapping[str, int] | None:
        """Return what it did since the start; None before it."""
        if self._tally is None:
            return None
        self._tally.settle(reading.entered, self._setting)
        return self._tally.counters(reading)


class NetemPlayer:
    """All links of a folder, from the opening of their interfaces to the last record."""

    def __init__(self, ip: IPRoute, setup: Setup, stack: ExitStack, records: Path) -> None:
        self._ip = ip
        self._lanes: list[Lane] = []
        for name, hub, net, schedules in setup.links:
            splice = Splice(ip, hub, net, {d: s.queue for d, s in schedules.items()})
            stack.callback(splice.close)
            splice.open({d: Steps(s).at(0) for d, s in schedules.items()})
            for direction, schedule in schedules.items():
                outlet = splice.lanes[direction].counted_out
                marks = [
                    counters.MarkCounter(outlet, dscp, length)
                    for dscp, length in zip(setup.mark, setup.mark_length, strict=True)
                ]
                self._lanes.append(Lane(name, direction, schedule, splice, marks))
        self.evidence = NetemEvidence(len(self._lanes), records)
        self._start_ns = FOREVER
        self._look_ns = FOREVER
        self._rested_ns = 0

    @property
    def due_ns(self) -> int:
        """When there is something to do."""
        return max(self._rested_ns, min(self._look_ns, *(lane.due_ns for lane in self._lanes)))

    def act(self) -> None:
        """Make the changes that are due, and look at the counters in between.

        It then rests for as long: in real time it would otherwise leave nothing of a slow processor to others.
        """
        began_ns = time.monotonic_ns()
        if self._look_ns == FOREVER and self._start_ns <= time.monotonic_ns():
            self._count_from_here()
        due = [lane for lane in self._lanes if lane.due_ns <= time.monotonic_ns()]
        for lane in due:
            now_ns = time.monotonic_ns()
            self.evidence.changed(lane.due_ns, now_ns)
            lane.apply(now_ns)
        for lane in due:
            lane.prepare()
        if self._look_ns <= time.monotonic_ns():
            self.look()
        ended_ns = time.monotonic_ns()
        self._rested_ns = ended_ns + (ended_ns - began_ns)

    def look(self) -> None:
        """Read the kernel's counters."""
        began_ns = time.monotonic_ns()
        devices, queues, now_ns = counters.devices(), counters.queues(self._ip), time.monotonic_ns()
        for index, lane in enumerate(self._lanes):
            reading = lane.reading(devices, queues)
            if (counted := lane.counted(reading)) is not None:
                self.evidence.keep(index, counted, reading.queued.waiting_bytes, now_ns - self._start_ns)
                took_ns = time.monotonic_ns() - began_ns
                self._look_ns = now_ns + max(LOOK_NS, round(took_ns / LOOK_SHARE))

    def start(self, realtime_ns: int) -> None:
        """Play all schedules from this instant of CLOCK_REALTIME."""
        self._start_ns = time.monotonic_ns() + realtime_ns - time.time_ns()
        for lane in self._lanes:
            lane.start(self._start_ns)
            lane.prepare()

    def _count_from_here(self) -> None:
        devices, queues = counters.devices(), counters.queues(self._ip)
        for lane in self._lanes:
            lane.count_from(lane.reading(devices, queues))
        self._look_ns = time.monotonic_ns() + LOOK_NS

    def change(self, link: str, direction: str, field: str, value: int, duration_ns: int) -> str:
        """Make a live change and return the answer to it."""
        lanes = [
            lane for lane in self._lanes if link in ("*", lane.link) and direction in ("both", lane.direction)
        ]
        if not lanes:
            return f"error: no link '{link}' with direction '{direction}'"
        if field == "state" and value == LinkState.HOLD:
            return "error: netem cannot hold packets; cut them, or use the native back end"
        if field not in FIELDS or not 0 <= value <= _MOST[field]:
            return f"error: {field} cannot be {value}"
        now_ns = time.monotonic_ns()
        for lane in lanes:
            lane.steps.change(field, value, FOREVER if duration_ns < 0 else now_ns + duration_ns)
            lane.apply(now_ns)
        return "ok"
