"""What can be chosen for a first scenario, and what each choice comes to in YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from testbed.errors import Problem, did_you_mean
from testbed.model.event import FAULTS, Kind
from testbed.model.objective import METRICS
from testbed.model.topology import Topology
from testbed.units import format_duration, parse_duration

S = 10**9


@dataclass(frozen=True)
class EventChoice:
    """An event: how long it lasts where nobody says so, and its further keys."""

    length_ns: int
    keys: str = ""
    of_uplink: bool = True


@dataclass(frozen=True)
class ObjectiveChoice:
    """An objective: its metric, the traffic that it needs, its bound ({...} is filled in), and why."""

    metric: str
    traffic: str
    bound: str
    about: str
    window: bool = False


EVENTS: Mapping[str, EventChoice] = {
    Kind.OUTAGE: EventChoice(15 * S),
    Kind.HOLD: EventChoice(3 * S),
    Kind.BROWNOUT: EventChoice(15 * S, "loss: 15 %, delay: 60 ms"),
    Kind.RATE_CAP: EventChoice(15 * S, "rate: {up: 1 Mbit/s, down: 3 Mbit/s}"),
    Kind.REBOOT: EventChoice(30 * S),
    Kind.UNPLUG: EventChoice(10 * S),
    Kind.DHCP_DOWN: EventChoice(15 * S),
    Kind.DNS_FAILURE: EventChoice(10 * S, of_uplink=False),
    Kind.TENANT_ERRORS: EventChoice(10 * S, of_uplink=False),
    Kind.TENANT_BLACK_HOLE: EventChoice(10 * S, of_uplink=False),
}

TRAFFIC: Mapping[str, str] = {
    "heartbeat": "{kind: udp-echo, from: CLIENT, to: TENANT, every: 10 ms}",
    "lessons": "{kind: http-get, from: OTHER, catalogue: school-day, rate: 5/s}",
    "call": "{kind: udp-call, from: CLIENT, to: TENANT}",
    "portal": "{kind: https-keepalive, from: CLIENT, to: TENANT}",
    "clinic": "{kind: http-put, from: OTHER, size: 200 kB, rate: 1/s, timeout: 10 s}",
    "names": "{kind: dns-query, from: CLIENT, to: TENANT, every: 200 ms, timeout: 2 s}",
}
ABOUT_TRAFFIC: Mapping[str, str] = {
    "heartbeat": "a packet every 10 ms and its answer: how long the hub was cut off, and which uplink carries",
    "lessons": "what a class asks for through the hub's cache; the catalogue says how often",
    "call": "a voice call, both ways",
    "portal": "one HTTPS connection that is asked again and again",
    "clinic": "uploads into the tenant, tried again until they are acknowledged",
    "names": "queries of names that nobody asked for before",
}

OBJECTIVES: Mapping[str, ObjectiveChoice] = {
    "interruption": ObjectiveChoice(
        "interruption", "heartbeat", "at_most: {interruption}", "the longest time that the hub was cut off"
    ),
    "failovers": ObjectiveChoice("failovers", "heartbeat", "at_most: {failovers}", "there and back for each fault"),
    "return": ObjectiveChoice(
        "return_to_preferred", "heartbeat", "at_most: {back}", "how soon the preferred uplink carries again"
    ),
    "lessons": ObjectiveChoice(
        "availability", "lessons", "content: cached, {window}at_least: 100 %",
        "what is in the hub's cache is served while the fault lasts", window=True,
    ),
    "hit-ratio": ObjectiveChoice("hit_ratio", "lessons", "at_least: 30 %", "does the cache spare the backhaul?"),
    "call": ObjectiveChoice("mos", "call", "at_least: 3.6", "3.6 is what most listeners are content with"),
    "sessions": ObjectiveChoice(
        "sessions_survived", "portal", "at_least: 100 %", "tunnels (bgp-bfd) carry them over; new addresses do not"
    ),
    "uploads": ObjectiveChoice("uploads_durable", "clinic", "at_least: 100 %", "what was acknowledged is there"),
    "names": ObjectiveChoice("dns_availability", "names", "at_least: 95 %", "names are found"),
}  # fmt: skip
FIRST_OBJECTIVES = ("interruption", "failovers", "lessons")


@dataclass(frozen=True)
class PlannedEvent:
    """An event with its uplink (``""``: none) and length."""

    kind: Kind
    uplink: str
    length_ns: int

    @classmethod
    def parse(cls, text: str, topology: Topology) -> PlannedEvent:
        """Read ``[UPLINK:]KIND[=LENGTH]``; of no uplink, the preferred one is meant. Raises ValueError."""
        head, _, length = text.partition("=")
        uplink, colon, kind = head.rpartition(":")
        if kind not in EVENTS:
            raise ValueError(f"unknown event {kind!r}; {did_you_mean(kind, map(str, EVENTS))}")
        choice = EVENTS[kind]
        if colon and not choice.of_uplink:
            raise ValueError(f"{kind} is no event of an uplink; write {kind!r}")
        if colon and uplink not in topology.uplinks:
            raise ValueError(f"unknown uplink {uplink!r}; {did_you_mean(uplink, topology.uplinks)}")
        try:
            length_ns = parse_duration(length) if length else choice.length_ns
        except ValueError as error:
            raise ValueError(f"{kind} of {length!r}; write {error}") from None
        if length_ns <= 0:
            raise ValueError(f"{kind} of {length} is over at once; write a duration such as 15 s")
        return cls(Kind(kind), (uplink or topology.preferred.name) if choice.of_uplink else "", length_ns)

    def line(self, at_ns: int) -> str:
        """Return its line of YAML."""
        where = f"uplink: {self.uplink}, " if self.uplink else ""
        more = f", {EVENTS[self.kind].keys}" if EVENTS[self.kind].keys else ""
        return f"{{at: {format_duration(at_ns)}, {where}{self.kind}: {format_duration(self.length_ns)}{more}}}"


def problems(events: tuple[str, ...], objectives: tuple[str, ...], topology: Topology) -> Iterator[Problem]:
    """Yield what is wrong with what was chosen."""
    if topology.fleet is not None:
        yield Problem("--topology", "a fleet of hubs", "choose a topology with one hub")
    for text in events:
        try:
            PlannedEvent.parse(text, topology)
        except ValueError as error:
            yield Problem("--event", str(error))
    for name in objectives:
        if name not in OBJECTIVES:
            yield Problem("--objective", f"unknown objective {name!r}", did_you_mean(name, OBJECTIVES))


def about_event(kind: str) -> str:
    """Return what an event does, in a few words."""
    return FAULTS[Kind(kind)].summary


def about_objective(name: str) -> str:
    """Return what an objective asks, in a few words."""
    return METRICS[OBJECTIVES[name].metric].summary
