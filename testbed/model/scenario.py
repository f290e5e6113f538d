"""One question to a hub: what is connected, what happens to it, what is asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

from testbed import load, units
from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.failover import PingTracking
from testbed.model.link import QueueLimit, State
from testbed.model.objective import METRICS, Objective
from testbed.model.quantities import Duration, Frequency, Rate, Share, Size

SLOT_NS = 15 * 10**9
"""Starlink's scheduler reassigns satellites every 15 s."""


@dataclass(frozen=True)
class FixedLink:
    """A link whose values never change, the same in both directions."""

    delay: Duration
    rate: Rate = 0
    loss: Share = 0.0


@dataclass(frozen=True)
class Rates:
    """Rates of the two directions, for a trace that has none."""

    up: Rate
    down: Rate


@dataclass(frozen=True)
class Queue:
    """The drop-tail limit of each direction of a link; the first limit reached drops."""

    bytes: Size = 0
    packets: int = 0
    time: Duration = 0

    @property
    def limit(self) -> QueueLimit:
        return QueueLimit(bytes=self.bytes, packets=self.packets, time_ns=self.time)


@dataclass(frozen=True)
class UplinkProfile:
    """What an uplink's link plays: a trace or fixed values.

    ``align: slot`` starts the trace so that its handovers fall on whole multiples of 15 s of the
    scenario; ``align: start`` plays it from its first sample. ``repeat`` starts it again at its end.
    """

    trace: str = ""
    fixed: FixedLink | None = None
    align: Literal["start", "slot"] = "start"
    repeat: bool = False
    rate: Rates | None = None
    queue: Queue = Queue()
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = ""

    def problems(self) -> Iterable[Problem]:
        if bool(self.trace) == (self.fixed is not None):
            found = "both trace and fixed values" if self.trace else "neither trace nor fixed values"
            yield Problem(
                self.place, f"the uplink has {found}", "write one of 'trace: NAME' and 'fixed: {...}'"
            )


@dataclass(frozen=True)
class HubProfile:
    """How the hub is provisioned."""

    failover: Literal["ping-tracked", "none"] = "ping-tracked"
    timers: PingTracking = field(default_factory=PingTracking)
    cache: bool = True


@dataclass(frozen=True)
class UdpEcho:
    """A UDP packet at a fixed interval that the tenant answers: the heartbeat."""

    kind: Literal["udp-echo"]
    from_: str = field(metadata={"yaml_key": "from"})
    to: str
    every: Duration
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = ""

    def problems(self) -> Iterable[Problem]:
        if self.every < 10**6:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 1 ms or more")


@dataclass(frozen=True)
class HttpGet:
    """Open-loop requests through the hub's cache for objects of a catalogue."""

    kind: Literal["http-get"]
    from_: str = field(metadata={"yaml_key": "from"})
    catalogue: str
    rate: Frequency
    timeout: Duration = 10 * 10**9
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = ""

    def problems(self) -> Iterable[Problem]:
        if not 0 < self.rate <= 1000:
            yield Problem(
                self.place.at("rate"), f"rate is {self.rate:g}/s", "write more than 0/s, up to 1000/s"
            )


Traffic = UdpEcho | HttpGet


@dataclass(frozen=True)
class Event:
    """A fault of an uplink at a time: an ``outage`` drops packets, a ``hold`` keeps them waiting."""

    at: Duration
    uplink: str
    outage: Duration = 0
    hold: Duration = 0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def end_ns(self) -> int:
        """When it is over, in ns since the scenario's start."""
        return self.at + self.outage + self.hold

    @property
    def state(self) -> State:
        """What the link does while the event lasts."""
        return State.CUT if self.outage else State.HOLD

    @property
    def title(self) -> str:
        """The event in a few words."""
        what = "outage" if self.outage else "hold"
        return f"{self.uplink} {what} {units.format_duration(self.end_ns - self.at)}"

    def problems(self) -> Iterable[Problem]:
        if (self.outage > 0) == (self.hold > 0):
            yield Problem(
                self.place,
                "the event needs one fault that lasts",
                "write one of 'outage: 25 s' and 'hold: 2 s'",
            )


@dataclass(frozen=True)
class FidelityBudget:
    """How exact the emulation must have been for the verdicts to count; beyond it the run is invalid.

    ``late_share`` of the packets may leave a link more than 1 ms late, none more than ``late_max``;
    the engine may be without a CPU for ``away_share`` of the time it was needed. Packets lost or
    reordered that nobody asked for: none.
    """

    late_share: Share = 0.02
    late_max: Duration = 100 * 10**6
    away_share: Share = 0.05


@dataclass(frozen=True)
class Scenario:
    """A scenario as its YAML file describes it. All times count from its start."""

    topology: str
    duration: Duration
    uplinks: Mapping[str, UplinkProfile]
    objectives: tuple[Objective, ...]
    seed: int = 1
    hub: HubProfile = HubProfile()
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    fidelity: FidelityBudget = FidelityBudget()
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def traffic_for(self, objective: Objective) -> tuple[Traffic, ...]:
        """Return the traffic an objective measures: the named one, or all of the metric's kind."""
        fitting = [t for t in self.traffic.values() if t.kind == METRICS[objective.metric].of]
        return tuple(t for t in fitting if objective.of in ("", t.name))

    def events_of(self, uplink: str) -> tuple[Event, ...]:
        """Return the events of one uplink in the order of their time."""
        return tuple(sorted((e for e in self.events if e.uplink == uplink), key=lambda event: event.at))

    def problems(self) -> Iterable[Problem]:
        if not self.objectives:
            yield Problem(self.place.at("objectives"), "no objective", "ask at least one")
        if self.duration <= 0:
            yield Problem(self.place.at("duration"), "the scenario has no duration", "write one such as 90 s")
        for name, traffic in self.traffic.items():
            if not name.isidentifier():
                yield Problem(traffic.place, f"traffic name {name!r}", "use letters, digits and _")
        yield from self._event_problems()
        for objective in self.objectives:
            yield from self._objective_problems(objective)

    def _event_problems(self) -> Iterator[Problem]:
        for event in self.events:
            if event.uplink not in self.uplinks:
                expected = did_you_mean(event.uplink, self.uplinks)
                yield Problem(event.place.at("uplink"), f"unknown uplink {event.uplink!r}", expected)
            if event.end_ns > self.duration:
                found = f"the event ends at {units.format_duration(event.end_ns)}, after the scenario"
                expected = f"end by {units.format_duration(self.duration)}"
                yield Problem(event.place.at("at"), found, expected)
        for uplink in self.uplinks:
            for first, second in pairwise(self.events_of(uplink)):
                if second.at < first.end_ns:
                    found = (
                        f"{second.title} at {units.format_duration(second.at)} overlaps {first.title} "
                        f"at {units.format_duration(first.at)} (line {first.place.line})"
                    )
                    expected = f"begin at {units.format_duration(first.end_ns)} or later"
                    yield Problem(second.place.at("at"), found, expected)

    def _objective_problems(self, objective: Objective) -> Iterator[Problem]:
        if objective.metric not in METRICS:
            return  # the objective said so itself
        if objective.of and objective.of not in self.traffic:
            found = f"unknown traffic {objective.of!r}"
            yield Problem(objective.place.at("of"), found, did_you_mean(objective.of, self.traffic))
        elif len(fitting := self.traffic_for(objective)) != 1:
            kind = METRICS[objective.metric].of
            found = f"{len(fitting)} traffics of kind {kind} fit {objective.metric}"
            expected = f"name one with 'of:' ({', '.join(self.traffic) or 'the scenario has no traffic'})"
            yield Problem(objective.place, found, expected)
        if objective.window and objective.window[1] > self.duration:
            found = f"the window ends at {units.format_duration(objective.window[1])}, after the scenario"
            expected = f"end by {units.format_duration(self.duration)}"
            yield Problem(objective.place.at("window"), found, expected)


def read_scenario(path: Path) -> Scenario:
    """Read and check a scenario file. Raises InputError with every problem found."""
    return load.read(path, Scenario)


def question(path: Path) -> str:
    """Return the question a scenario or topology file asks: its first comment line, without ``# name:``."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    if not first.startswith("#"):
        return ""
    return first.lstrip("# ").removeprefix(f"{path.name}:").strip()
