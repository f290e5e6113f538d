"""The text of a first scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbed.draft.choices import ABOUT_TRAFFIC, OBJECTIVES, TRAFFIC, PlannedEvent, S
from testbed.model.failover import Promise
from testbed.model.hub import HubProfile
from testbed.model.topology import NodeKind, Topology
from testbed.units import format_duration

FIRST_NS = 20 * S
"""When the first event begins: content is in the cache by then."""
_BETWEEN_NS = 20 * S  # for the hub to return to the preferred uplink
_SLACK_NS = 500_000_000
_TRACES = {
    "starlink": "trace: starlink-bent-pipe, align: slot, repeat: true",
    "lte": "trace: lte-suburban, repeat: true",
    "geo": "trace: geo, repeat: true",
}
_FIXED = "fixed: {delay: 20 ms, rate: 50 Mbit/s}"


@dataclass(frozen=True)
class Draft:
    """What a scenario is to be about; ``topology_name`` is the name of ``topology``."""

    name: str
    topology_name: str
    topology: Topology
    failover: str = "ping-tracked"
    events: tuple[PlannedEvent, ...] = ()
    objectives: tuple[str, ...] = ("interruption",)
    seed: int = 7
    question: str = ""

    @property
    def starts_ns(self) -> Sequence[int]:
        """When each event begins."""
        starts, at_ns = [], FIRST_NS
        for event in self.events:
            starts.append(at_ns)
            at_ns += event.length_ns + _BETWEEN_NS
        return starts

    @property
    def duration_ns(self) -> int:
        """How long the scenario lasts: time to return after the last event."""
        ends = [at + event.length_ns for at, event in zip(self.starts_ns, self.events, strict=True)]
        return max([40 * S, *(end + _BETWEEN_NS for end in ends)])

    @property
    def promise(self) -> Promise | None:
        return HubProfile(failover=self.failover).promise

    @property
    def leaves(self) -> int:
        """How many events take the preferred uplink away."""
        away = ("outage", "hold", "reboot", "unplug")
        return sum(e.kind in away and e.uplink == self.topology.preferred.name for e in self.events)


def text(draft: Draft, schema: str) -> str:
    """Return the YAML; ``schema`` is the path of the scenario's JSON Schema from where it will lie."""
    return "\n".join([*_lines(draft, schema), ""])


def _lines(draft: Draft, schema: str) -> Iterator[str]:
    yield f"# {draft.name}.yaml: {draft.question or _question(draft)}"
    yield f"# yaml-language-server: $schema={schema}"
    yield "#"
    yield "# docs/scenarios.md has all keys, docs/metrics.md all that can be asked."
    yield f"topology: {draft.topology_name}  # testbed topology show {draft.topology_name}"
    yield f"duration: {format_duration(draft.duration_ns)}"
    yield f"seed: {draft.seed}  # the same seed loses the same packets"
    yield "# What each link does: a trace (testbed trace list), or fixed values such as"
    yield f"# {{{_FIXED}}}."
    yield "uplinks:"
    for uplink in draft.topology.uplinks:
        dish = ", dish: true" if draft.failover == "dish-aware" and uplink == "starlink" else ""
        yield f"  {uplink}: {{{_TRACES.get(uplink, _FIXED)}{dish}}}"
    if draft.promise is None:
        yield "# Without a failover the hub stays where it is."
    else:
        best, worst = format_duration(draft.promise.best_ns), format_duration(draft.promise.worst_ns)
        yield f"# Its timers promise an interruption of {best} to {worst}."
    yield f"hub: {{{_hub(draft)}}}"
    yield "traffic:"
    for name in _traffic(draft):
        yield f"  # {ABOUT_TRAFFIC[name]}"
        yield f"  {name}: {_named(TRAFFIC[name], draft.topology)}"
    if draft.events:
        yield f"# Each has {format_duration(_BETWEEN_NS)} after it, for the hub to return."
        yield "events:"
        for at_ns, event in zip(draft.starts_ns, draft.events, strict=True):
            yield f"  - {event.line(at_ns)}"
    else:
        yield "# Nothing goes wrong here yet: events: [{at: 20 s, uplink: starlink, outage: 15 s}]"
    yield "objectives:"
    for name in draft.objectives:
        yield f"  # {OBJECTIVES[name].about}"
        yield f"  - {{{_objective(name, draft)}}}"
    yield from _mutation(draft)


def _question(draft: Draft) -> str:
    told = [f"{event.uplink} {event.kind}".strip().replace("_", " ") for event in draft.events]
    what = " and ".join(dict.fromkeys(told)) or "a calm day"
    return f"does a hub with failover {draft.failover} keep its promises through {what}?"


def _hub(draft: Draft) -> str:
    parts = [f"failover: {draft.failover}"]
    if draft.failover == "weighted":
        shares = (3, 1, *[1] * len(draft.topology.uplinks))
        ordered = sorted(draft.topology.uplinks.values(), key=lambda uplink: uplink.metric)
        weights = ", ".join(f"{uplink.name}: {share}" for uplink, share in zip(ordered, shares, strict=False))
        parts.append(f"weights: {{{weights}}}")
    parts.append("cache: on")
    if "geo" in draft.topology.uplinks:
        parts.append("connect_timeout: 3 s")
    return ", ".join(parts)


def _traffic(draft: Draft) -> Sequence[str]:
    return list(dict.fromkeys(["heartbeat", *(OBJECTIVES[name].traffic for name in draft.objectives)]))


def _named(line: str, topology: Topology) -> str:
    clients = [node.name for node in topology.of_kind(NodeKind.CLIENT)]
    named = {"CLIENT": clients[0], "OTHER": clients[-1], "TENANT": topology.tenant.name}
    for word, name in named.items():
        line = line.replace(word, name)
    return line


def _objective(name: str, draft: Draft) -> str:
    chosen = OBJECTIVES[name]
    window = ""
    if chosen.window and draft.events:
        start, end = draft.starts_ns[0], draft.starts_ns[0] + draft.events[0].length_ns
        window = f"window: [{format_duration(start)}, {format_duration(end)}], "
    bound = chosen.bound.format(
        interruption=format_duration(_interruption_ns(draft)),
        failovers=2 * draft.leaves,
        back="15 s",
        window=window,
    )
    if not draft.events:
        bound = bound.replace("content: cached, ", "")  # nothing is in the cache from the start
    return f"metric: {chosen.metric}, of: {chosen.traffic}, {bound}"


def _interruption_ns(draft: Draft) -> int:
    """Return what the failover's timers promise at worst, and half a second for what they do not count."""
    if draft.promise is None:
        return S
    way_ns = S if "geo" in draft.topology.uplinks else 0
    return int(draft.promise.worst_ns) + _SLACK_NS + way_ns


def _mutation(draft: Draft) -> Iterator[str]:
    longest_ns = max((e.length_ns for e in draft.events if e.kind == "outage" and e.uplink ==
                      draft.topology.preferred.name), default=0)  # fmt: skip
    able = "interruption" in draft.objectives and draft.promise is not None
    yield "# A scenario that nothing breaks proves nothing: pytest scenarios/NAME.yaml --testbed-mutated"
    if able and longest_ns > _interruption_ns(draft) + S:
        yield "mutation: {set: {hub.failover: none}, fails: [interruption]}"
    else:
        yield "# mutation: {set: {hub.failover: none}, fails: [interruption]}"
