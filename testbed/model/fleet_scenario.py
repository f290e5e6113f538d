"""What happens to a fleet, and what is asked of it: the shared cells, the load of each hub, outages, objectives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Literal

import numpy as np

from testbed import units
from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.cell import Cell
from testbed.model.day import Day
from testbed.model.fleet import Fleet
from testbed.model.fleet_objective import FLEET_METRICS, FleetObjective
from testbed.model.lease import LeaseServer
from testbed.model.link import LinkSchedule
from testbed.model.quantities import Duration, Rate, Size
from testbed.model.scenario import Mutation
from testbed.model.uplink import FixedLink, Queue
from testbed.yaml import load

EXPEDITED, BEST_EFFORT = 46, 0
"""The DSCPs that the packets of the two tiers carry (RFC 3246, RFC 2474)."""


class Tier(StrEnum):
    """What a packet pays for: enterprise traffic goes first where a cell's scheduler looks at it."""

    PRIORITY = "priority"
    STANDARD = "standard"

    @property
    def dscp(self) -> int:
        return EXPEDITED if self is Tier.PRIORITY else BEST_EFFORT


@dataclass(frozen=True)
class CellStep:
    """What a cell can carry from this time on."""

    at: Duration
    up: Rate
    down: Rate
    place: Place = field(default=NOWHERE, compare=False, repr=False)


@dataclass(frozen=True)
class CellProfile:
    """What the cells of an uplink, or one cell, can carry: ``up`` and ``down`` from the start, ``steps`` later on; or,
    in their place, the rates of a ``trace``, so many ``times``, repeated.

    ``fifo`` serves packets as they come; ``strict`` the priority tier first; ``weighted`` both by turns, by ``weights``
    (bytes of each tier's turn). The queue's limit is that of each tier, but for ``fifo``. ``admits`` is how many
    hubs it takes at once, 0: all.
    """

    up: Rate = 0
    down: Rate = 0
    steps: tuple[CellStep, ...] = ()
    trace: str = ""
    times: int = 1
    scheduler: Literal["fifo", "strict", "weighted"] = "fifo"
    weights: Mapping[str, int] = field(default_factory=dict)
    queue: Queue = Queue(time=100 * 10**6)
    admits: int = 0
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def cell(self, name: str, direction: Literal["up", "down"], played: LinkSchedule | None = None) -> Cell:
        """Return one direction of a cell, as the engine serves it; ``played`` is that direction of its trace."""
        classes = () if self.scheduler == "fifo" else (frozenset({EXPEDITED}),)
        turns = tuple(self.weights[tier] for tier in (Tier.STANDARD, Tier.PRIORITY)) if self.weights else ()
        if played is None:
            schedule = self._stepped(direction)
        else:
            rate_bps = played.rate_bps * self.times
            schedule = replace(played, rate_bps=rate_bps, repeat=True, queue=self.queue.limit)
        return Cell(f"{name} {direction}", schedule, classes, turns, apart=True)

    def _stepped(self, direction: Literal["up", "down"]) -> LinkSchedule:
        steps = [CellStep(0, self.up, self.down), *self.steps]
        t_ns = np.array([step.at for step in steps], np.int64)
        rates = np.array([getattr(step, direction) for step in steps], np.int64)
        nothing = np.zeros(len(steps), np.int64)
        return LinkSchedule(
            t_ns, nothing, nothing.astype(np.float64), rates, nothing.astype(np.uint8), int(t_ns[-1]) + 1,
            queue=self.queue.limit,
        )  # fmt: skip

    def problems(self) -> Iterable[Problem]:
        if self.trace and (self.up or self.down or self.steps):
            yield Problem(self.place.at("trace"), "the cell has a trace and rates", "write one of the two")
        if self.times < 1 or (self.times > 1 and not self.trace):
            yield Problem(self.place.at("times"), f"times is {self.times}", "write 1 or more, beside a trace")
        for key in ("up", "down"):
            if getattr(self, key) <= 0 and not self.trace:
                yield Problem(self.place.at(key), f"the cell's {key} is 0", "write a rate such as 100 Mbit/s")
        if any(step.up <= 0 or step.down <= 0 for step in self.steps):
            yield Problem(self.place.at("steps"), "a step has a rate of 0", "write an outage as an event")
        times = [0, *(step.at for step in self.steps)]
        if any(a >= b for a, b in pairwise(times)):
            yield Problem(self.place.at("steps"), "the steps' times do not increase", "write them in order, after 0 s")
        if (self.scheduler == "weighted") != bool(self.weights):
            found = f"scheduler {self.scheduler} {'with' if self.weights else 'without'} weights"
            yield Problem(self.place.at("scheduler"), found, "write weights with 'scheduler: weighted' alone")
        if self.weights and (set(self.weights) != set(Tier) or min(self.weights.values()) < 1):
            yield Problem(self.place.at("weights"), f"weights {dict(self.weights)}", "write {priority: N, standard: N}")
        if self.admits < 0:
            yield Problem(self.place.at("admits"), f"admits is {self.admits}", "write a number of hubs; 0: all")


@dataclass(frozen=True)
class FleetLink:
    """What an uplink adds for each hub: a trace, begun at the hub's phase and repeated, or fixed values."""

    trace: str = ""
    fixed: FixedLink | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        if bool(self.trace) == (self.fixed is not None):
            found = "both trace and fixed values" if self.trace else "neither trace nor fixed values"
            yield Problem(self.place, f"the uplink has {found}", "write one of 'trace: NAME' and 'fixed: {...}'")


@dataclass(frozen=True)
class Beats:
    """Each hub sends a packet up at an even pace; it is answered, and its delay is the round trip."""

    kind: Literal["beat"]
    every: Duration
    size: Size = 100
    tier: Tier = Tier.PRIORITY
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        yield from _stream_problems(self.place, self.size, self.every, "every")


@dataclass(frozen=True)
class Flood:
    """Packets to each hub at random times, at a rate on average; they do not yield when the cell is full."""

    kind: Literal["flow"]
    rate: Rate
    size: Size = 1200
    tier: Tier = Tier.STANDARD
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    @property
    def every(self) -> int:
        """The mean time between two packets in ns."""
        return self.size * 8 * 10**9 // self.rate

    def problems(self) -> Iterable[Problem]:
        yield from _stream_problems(self.place, self.size, self.rate, "rate")


@dataclass(frozen=True)
class Fetches:
    """What the hub's cache does not have: each user asks for an object, gets it by a window as TCP's, rests and asks
    again. Objects are of the hub's catalogue; with ``object`` all have this size.
    """

    kind: Literal["fetch"]
    think: Duration
    object: Size = 0
    tier: Tier = Tier.STANDARD
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    def problems(self) -> Iterable[Problem]:
        if self.think <= 0:
            yield Problem(self.place.at("think"), "users do not rest", "write a duration such as 20 s")


Stream = Beats | Flood | Fetches


def _stream_problems(place: Place, size: int, pace: int, key: str) -> Iterator[Problem]:
    if not 64 <= size <= 1514:
        yield Problem(place.at("size"), f"packets of {size} B", "write 64 B to 1514 B")
    if pace <= 0:
        yield Problem(place.at(key), f"{key} is 0", "write more than that")


@dataclass(frozen=True)
class Return:
    """How hubs leave an uplink that is out and come back: each within ``spread`` after ``detect`` and after ``wait``.

    Back on its preferred uplink a hub fetches ``refill`` for its cache. On an uplink with ``leases`` it asks for a
    lease first, of the one DHCP server of them all.
    """

    detect: Duration = 10**9
    wait: Duration = 5 * 10**9
    spread: Duration = 10**9
    refill: Size = 0
    leases: Mapping[str, LeaseServer] = field(default_factory=dict)


@dataclass(frozen=True)
class FleetEvent:
    """An outage of an uplink of all hubs, or of one cell."""

    at: Duration
    outage: Duration
    uplink: str = ""
    cell: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def end_ns(self) -> int:
        return self.at + self.outage

    def problems(self) -> Iterable[Problem]:
        if bool(self.uplink) == bool(self.cell):
            yield Problem(self.place, "an outage of what?", "write one of 'uplink: NAME' and 'cell: NAME'")
        if self.outage <= 0:
            yield Problem(self.place.at("outage"), "the outage has no duration", "write one such as 25 s")


@dataclass(frozen=True)
class FleetScenario:
    """A question to a fleet as its YAML file describes it. All times count from its start.

    ``cells`` has a profile for the cells of an uplink by its name (``starlink``), or for one by its own
    (``starlink-3``); ``hubs`` plays with another number of hubs than the topology's. ``day``: how much of its flows and
    fetches, and of its cells, there is by time of day.
    """

    topology: str
    duration: Duration
    uplinks: Mapping[str, FleetLink]
    cells: Mapping[str, CellProfile]
    load: Mapping[str, Stream]
    objectives: tuple[FleetObjective, ...]
    hubs: int = 0
    seed: int = 1
    back: Return = Return()
    events: tuple[FleetEvent, ...] = ()
    day: Day | None = None
    mutation: Mutation | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def cell_profile(self, uplink: str, cell: str) -> CellProfile:
        """Return what a cell of an uplink can carry: its own profile, or that of the uplink's cells."""
        return self.cells[cell] if cell in self.cells else self.cells[uplink]

    def problems(self) -> Iterable[Problem]:
        if self.duration < 10**9 or self.duration % 10**9:
            found = f"duration is {units.format_duration(self.duration)}"
            yield Problem(self.place.at("duration"), found, "write whole seconds: 90 s")
        if not self.objectives:
            yield Problem(self.place.at("objectives"), "no objective", "ask at least one")
        if not self.load:
            yield Problem(self.place.at("load"), "no load", "describe what a hub carries")
        for event in self.events:
            if event.end_ns > self.duration:
                found = f"the outage ends at {units.format_duration(event.end_ns)}, after the scenario"
                yield Problem(event.place.at("at"), found, f"end by {units.format_duration(self.duration)}")
        for profile in self.cells.values() if self.day and self.day.shares_cells else ():
            if profile.trace:
                found = f"the cells {profile.name!r} have a trace, and the day has a share of them"
                yield Problem(profile.place.at("trace"), found, "write rates, or leave the day's 'cells' out")
        for objective in self.objectives:
            yield from self._objective_problems(objective)
        for metric in self.mutation.fails if self.mutation else ():
            known = [objective.metric for objective in self.objectives]
            if self.mutation and metric not in known:
                found = f"no objective is on {metric!r}, which the mutation must break"
                yield Problem(self.mutation.place.at("fails"), found, did_you_mean(metric, known))

    def _objective_problems(self, objective: FleetObjective) -> Iterator[Problem]:
        if objective.metric not in FLEET_METRICS:
            return  # the objective said so itself
        if FLEET_METRICS[objective.metric].of_leases:
            if objective.of not in self.back.leases:
                found = f"{objective.metric} of {objective.of!r}, which has no leases"
                expected = "write what answers there: 'back: {leases: {starlink: {rate: 50/s}}}'"
                yield Problem(objective.place.at("of"), found, expected)
        elif objective.of not in self.load:
            found = f"unknown load {objective.of!r}"
            yield Problem(objective.place.at("of"), found, did_you_mean(objective.of, self.load))
        elif self.load[objective.of].kind not in FLEET_METRICS[objective.metric].kinds:
            found = f"{objective.metric} is not measured of a {self.load[objective.of].kind}"
            yield Problem(objective.place.at("of"), found, "name a load that users fetch")
        if objective.window and objective.window[1] > self.duration:
            found = f"the window ends at {units.format_duration(objective.window[1])}, after the scenario"
            expected = f"end by {units.format_duration(self.duration)}"
            yield Problem(objective.place.at("window"), found, expected)

    def misfits(self, fleet: Fleet, uplinks: Iterable[str]) -> Iterator[Problem]:
        """Yield what does not fit the topology's fleet: uplinks and cells that one has and the other has not."""
        known = tuple(uplinks)
        for name, link in self.uplinks.items():
            if name not in known:
                yield Problem(link.place, f"unknown uplink {name!r}", did_you_mean(name, known))
        for name in (name for name in known if name not in self.uplinks):
            yield Problem(self.place.at("uplinks"), f"uplink {name!r} has no values", f"add '{name}: {{fixed: ...}}'")
        for name, server in self.back.leases.items():
            if name not in known:
                yield Problem(server.place, f"unknown uplink {name!r}", did_you_mean(name, known))
        cells = [cell for uplink in fleet.cells for cell in fleet.cell_names(uplink)]
        for name, profile in self.cells.items():
            if name not in cells and name not in fleet.cells:
                yield Problem(profile.place, f"no cells {name!r}", did_you_mean(name, [*fleet.cells, *cells]))
        for uplink in fleet.cells:
            missing = [cell for cell in fleet.cell_names(uplink) if cell not in self.cells]
            if uplink not in self.cells and missing:
                found = f"cell {missing[0]} has no capacity"
                yield Problem(self.place.at("cells"), found, f"add '{uplink}: {{up: RATE, down: RATE}}'")
        for event in self.events:
            if event.uplink and event.uplink not in known:
                expected = did_you_mean(event.uplink, known)
                yield Problem(event.place.at("uplink"), f"unknown uplink {event.uplink!r}", expected)
            if event.cell and event.cell not in cells:
                yield Problem(event.place.at("cell"), f"no cell {event.cell!r}", did_you_mean(event.cell, cells))

    def timeline(self) -> str:
        """Return what happens, in a line."""
        events = [
            f"{e.uplink or e.cell} out {units.format_duration(e.at)} to {units.format_duration(e.end_ns)}"
            for e in self.events
        ]
        return ", ".join(events) or "nothing fails"
