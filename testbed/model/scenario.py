"""One question to a hub: what is connected, what happens to it, what is asked of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.dish import DishFault
from testbed.model.egress import Egress
from testbed.model.event import Event
from testbed.model.hub import HubProfile
from testbed.model.objective import METRICS, Objective
from testbed.model.quantities import Duration, Share
from testbed.model.topology import Topology
from testbed.model.traffic import Traffic, UdpEcho, UdpFlows
from testbed.model.uplink import UplinkProfile
from testbed.yaml import load
from testbed.yaml.overrides import Override


@dataclass(frozen=True)
class FidelityBudget:
    """How exact the emulation must have been for the verdicts to count; beyond it the run is invalid.

    ``late_share`` of the packets may leave a link more than 1 ms late, none more than ``late_max``;
    the engine may be without a CPU for ``away_share`` of the time it was needed, and no process of the lab that
    makes no pause may wait for one longer than ``wait_max`` in all. Packets lost or reordered that nobody asked
    for: none.
    """

    late_share: Share = 0.02
    late_max: Duration = 100 * 10**6
    away_share: Share = 0.05
    wait_max: Duration = 10**9


@dataclass(frozen=True)
class Mutation:
    """A change that the scenario must notice: with ``set`` (KEY: VALUE), each metric in ``fails`` fails.

    It proves that the scenario can fail: ``pytest scenarios/ --testbed-mutated`` runs it.
    """

    set: Mapping[str, str]
    fails: tuple[str, ...]
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def changes(self) -> tuple[Override, ...]:
        """The changes, as ``--set`` takes them."""
        return tuple(Override.parse(f"{key}={value}") for key, value in self.set.items())

    def problems(self) -> Iterable[Problem]:
        if not self.set:
            yield Problem(self.place.at("set"), "the mutation changes nothing", "write KEY: VALUE")
        if not self.fails:
            yield Problem(self.place.at("fails"), "the mutation breaks nothing", "name metrics that fail")


@dataclass(frozen=True)
class Scenario:
    """A scenario as its YAML file describes it. All times count from its start.

    ``shift`` moves all events, and the windows of objectives, to a later time, and the end with them:
    against the 15 s slots of a trace, which stay where they are. ``tags`` are marks for ``pytest -m``.
    ``egress`` is whereto the hub may send, for objectives on it. ``fleet`` is a file in fleets/ of whose hubs, which
    are light, this one is the first.
    """

    topology: str
    duration: Duration
    uplinks: Mapping[str, UplinkProfile]
    objectives: tuple[Objective, ...]
    seed: int = 1
    hub: HubProfile = HubProfile()
    traffic: Mapping[str, Traffic] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    fidelity: FidelityBudget = FidelityBudget()
    shift: Duration = 0
    tags: tuple[str, ...] = ()
    mutation: Mutation | None = None
    egress: Egress = Egress()
    fleet: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def traffic_for(self, objective: Objective) -> tuple[Traffic, ...]:
        """Return the traffic an objective measures: the named one, or all of the metric's kinds."""
        fitting = [t for t in self.traffic.values() if t.kind in METRICS[objective.metric].of]
        return tuple(t for t in fitting if objective.of in ("", t.name))

    def subject(self, objective: Objective) -> str:
        """Return the name of the traffic that an objective is about; ``""``: all that its metric can measure."""
        if objective.of or not METRICS[objective.metric].of or METRICS[objective.metric].together:
            return objective.of
        return self.traffic_for(objective)[0].name

    @property
    def watches_egress(self) -> bool:
        """Whether an objective asks what leaves the hub."""
        return any(objective.metric == "egress" for objective in self.objectives)

    def events_of(self, uplink: str) -> tuple[Event, ...]:
        """Return the events of one uplink in the order of their time."""
        return tuple(sorted((e for e in self.events if e.uplink == uplink), key=lambda event: event.at))

    def played_on(self, topology: Topology) -> Topology:
        """Return the topology with what the scenario changes in it: how long prefixes live."""
        for name, profile in self.uplinks.items():
            if profile.lifetimes is not None and name in topology.delegations:
                topology = topology.with_lifetimes(name, profile.lifetimes)
        return topology

    @property
    def dish_faults(self) -> tuple[DishFault, ...]:
        """What the dishes get wrong, uplink by uplink."""
        dishes = [profile.terminal for profile in self.uplinks.values()]
        return tuple(fault for dish in dishes if dish for fault in dish.faults)

    def slowest_bps(self, direction: Literal["up", "down"]) -> int:
        """Return the lowest rate that this file gives an uplink or a fault of one, in bit/s; 0: it gives none."""
        given = [profile.fixed.rate for profile in self.uplinks.values() if profile.fixed]
        pairs = [*(profile.rate for profile in self.uplinks.values()), *(event.rate for event in self.events)]
        given += [getattr(pair, direction) for pair in pairs if pair is not None]
        return min((rate_bps for rate_bps in given if rate_bps), default=0)

    def problems(self) -> Iterable[Problem]:
        if not self.objectives:
            yield Problem(self.place.at("objectives"), "no objective", "ask at least one")
        if self.duration <= 0:
            yield Problem(self.place.at("duration"), "the scenario has no duration", "write one such as 90 s")
        for name, traffic in self.traffic.items():
            if not name.isidentifier():
                yield Problem(traffic.place, f"traffic name {name!r}", "use letters, digits and _")
        for uplink in self.hub.shape:
            if uplink not in self.uplinks:
                expected = did_you_mean(uplink, self.uplinks)
                yield Problem(self.hub.place.at("shape"), f"unknown uplink {uplink!r}", expected)
        yield from self._marked_problems()
        yield from self._event_problems()
        for tag in self.tags:
            if not tag.isidentifier():
                yield Problem(self.place.at("tags"), f"tag {tag!r}", "use letters, digits and _")
        if self.mutation is not None:
            yield from self._mutation_problems(self.mutation)
        for objective in self.objectives:
            yield from self._objective_problems(objective)
        yield from self._key_problems()

    def shifted(self) -> Scenario:
        """Return the scenario with its ``shift`` carried out."""
        return replace(
            self,
            duration=self.duration + self.shift,
            uplinks={name: profile.shifted(self.shift) for name, profile in self.uplinks.items()},
            events=tuple(replace(event, at=event.at + self.shift) for event in self.events),
            objectives=tuple(objective.shifted(self.shift) for objective in self.objectives),
            shift=0,
        )

    def _marked_problems(self) -> Iterator[Problem]:
        """Heartbeat and new flows are told on the links by one mark each: two streams would be taken for one."""
        for kind, noun in ((UdpEcho, "heartbeat"), (UdpFlows, "stream of new flows")):
            streams = [traffic for traffic in self.traffic.values() if isinstance(traffic, kind)]
            for traffic in streams[1:]:
                found = f"{traffic.name!r} is a second {noun}, beside {streams[0].name!r}"
                yield Problem(traffic.place, found, "keep one: the links tell by its mark who carries it")

    def _event_problems(self) -> Iterator[Problem]:
        events = [event for event in self.events if len(event.kinds) == 1]  # the others said so themselves
        for event in events:
            if event.uplink and event.uplink not in self.uplinks:
                expected = did_you_mean(event.uplink, self.uplinks)
                yield Problem(event.place.at("uplink"), f"unknown uplink {event.uplink!r}", expected)
            if event.end_ns > self.duration:
                found = f"the event ends at {units.format_duration(event.end_ns)}, after the scenario"
                expected = f"end by {units.format_duration(self.duration)}"
                yield Problem(event.place.at("at"), found, expected)
        yield from self._dish_problems()
        for first, second in combinations(sorted(events, key=lambda event: event.at), 2):
            if second.clashes(first):
                found = (
                    f"{second.title} at {units.format_duration(second.at)} overlaps {first.title} "
                    f"at {units.format_duration(first.at)} (line {first.place.line})"
                )
                expected = f"begin at {units.format_duration(first.end_ns)} or later"
                yield Problem(second.place.at("at"), found, expected)

    def _dish_problems(self) -> Iterator[Problem]:
        for profile in self.uplinks.values():
            faults = sorted(profile.terminal.faults if profile.terminal else (), key=lambda fault: fault.at)
            for fault in faults:
                if fault.end_ns > self.duration:
                    found = f"the dish's fault ends at {units.format_duration(fault.end_ns)}, after the scenario"
                    expected = f"end by {units.format_duration(self.duration)}"
                    yield Problem(fault.place.at("at"), found, expected)
            for first, second in pairwise(faults):
                if second.at < first.end_ns:
                    found = f"{second.title} overlaps {first.title} (line {first.place.line})"
                    expected = f"begin at {units.format_duration(first.end_ns)} or later"
                    yield Problem(second.place.at("at"), found, expected)

    def _key_problems(self) -> Iterator[Problem]:
        """Runs are compared objective by objective: two of one key could not be told apart."""
        seen: dict[str, Objective] = {}
        for objective in self.objectives:
            if (first := seen.setdefault(objective.key, objective)) is not objective:
                found = f"a second objective {objective.key!r}, beside line {first.place.line}"
                yield Problem(objective.place, found, "give one an 'id: ...' of its own, or keep one")

    def _mutation_problems(self, mutation: Mutation) -> Iterator[Problem]:
        known = [objective.metric for objective in self.objectives]
        for metric in mutation.fails:
            if metric not in known:
                found = f"no objective is on {metric!r}, which the mutation must break"
                yield Problem(mutation.place.at("fails"), found, did_you_mean(metric, known))

    def _objective_problems(self, objective: Objective) -> Iterator[Problem]:
        if objective.metric not in METRICS:
            return  # the objective said so itself
        if objective.metric == "egress" and self.hub.tunnelled:
            found = f"egress, and failover {self.hub.failover} hides in a tunnel where packets go"
            yield Problem(objective.place.at("metric"), found, "leave it away, or choose another failover")
        metric = METRICS[objective.metric]
        if objective.uplink and objective.uplink not in self.uplinks:
            expected = did_you_mean(objective.uplink, self.uplinks)
            yield Problem(objective.place.at("uplink"), f"unknown uplink {objective.uplink!r}", expected)
        if not metric.of:
            if objective.of:
                found = f"{objective.metric} looks at uplinks, not at traffic"
                yield Problem(objective.place.at("of"), found, "leave 'of' away")
        elif objective.of and objective.of not in self.traffic:
            found = f"unknown traffic {objective.of!r}"
            yield Problem(objective.place.at("of"), found, did_you_mean(objective.of, self.traffic))
        elif len(fitting := self.traffic_for(objective)) != 1 and not (metric.together and fitting):
            found = f"{len(fitting)} traffics of kind {' or '.join(metric.of)} fit {objective.metric}"
            expected = f"name one with 'of:' ({', '.join(self.traffic) or 'the scenario has no traffic'})"
            yield Problem(objective.place, found, expected)
        if objective.window and objective.window[1] > self.duration:
            found = f"the window ends at {units.format_duration(objective.window[1])}, after the scenario"
            expected = f"end by {units.format_duration(self.duration)}"
            yield Problem(objective.place.at("window"), found, expected)


def read_scenario(path: Path, changes: Iterable[Override] = ()) -> Scenario:
    """Read and check a scenario file with ``changes`` to it. Raises InputError with every problem found."""
    return load.read(path, Scenario, changes).shifted()


def question(path: Path) -> str:
    """Return the question a scenario or topology file asks: its first comment line, without ``# name:``."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    if not first.startswith("#"):
        return ""
    return first.lstrip("# ").removeprefix(f"{path.name}:").strip()
