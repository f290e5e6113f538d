"""What causes are told from: a run's records, its samples, and what its hub said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from testbed.errors import InputError
from testbed.explain import chain
from testbed.explain.chain import Occurrence
from testbed.metrics.carrier import Carrier, Takeover
from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.kinds import kind_of
from testbed.metrics.requests import Requests
from testbed.metrics.schedule import dark
from testbed.metrics.window import Window
from testbed.model.facts import Facts, Happening
from testbed.model.hub import HubProfile
from testbed.model.scenario import Scenario, read_scenario
from testbed.result.record import Record
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict

BEFORE_NS = 60 * 10**9
"""An event that was over longer ago than this is no event that preceded something."""
_SLACK_NS = 1_000_000_000
_DARK_NS = 1_000_000_000
AWAY = ("outage", "hold", "reboot", "unplug")
"""Events that take an uplink away altogether."""
SERVICE = ("tenant_errors", "tenant_black_hole", "dns_failure")


@dataclass(frozen=True, eq=False)
class Case:
    """A run, to be explained. ``scenario`` is None where its job cannot be read any more."""

    record: Record
    evidence: Evidence
    heard: Sequence[Occurrence]
    scenario: Scenario | None

    @classmethod
    def of(cls, result: Result) -> Case:
        """Return the case of a run's folder. Raises InputError for samples that cannot be read."""
        return cls(result.record, result.evidence, chain.heard(result), _scenario(result.folder))

    @property
    def facts(self) -> Facts:
        return self.record.facts

    @property
    def hub(self) -> HubProfile | None:
        """How the hub was provisioned; None where that is not known, or nobody did."""
        return None if self.scenario is None or self.scenario.hub.closed else self.scenario.hub

    @cached_property
    def failed(self) -> tuple[Verdict, ...]:
        return tuple(verdict for verdict in self.record.verdicts if verdict.outcome is Outcome.FAIL)

    @property
    def carrier(self) -> Carrier:
        """Which uplink carried the heartbeat; new flows, where there is none."""
        return self.evidence.carrier if self.facts.heartbeat else self.evidence.new_flows_carrier

    @cached_property
    def takeovers(self) -> tuple[Takeover, ...]:
        """Changes of the uplink that carries, in the order of time."""
        return tuple(each for each in self.carrier.takeovers if each.before is not None)

    @cached_property
    def requests(self) -> Requests | None:
        """All requests of all http-get streams; None where there are none."""
        tables = [table for table in self.evidence.samples.values() if kind_of(table) == "http-get" and len(table)]
        if not tables:
            return None
        return Requests.of(pa.concat_tables(tables, promote_options="default"))

    def moment(self, verdict: Verdict) -> Window:
        """Return when it happened, as nearly as the verdict tells; else the objective's window."""
        told = verdict.details
        pairs = (("last_good_ns", "first_good_ns"), ("start_ns", "end_ns"), ("outage_end_ns", "returned_ns"))
        for first, last in pairs:
            if isinstance(start := told.get(first), int):
                end = told.get(last)
                return Window(start, end if isinstance(end, int) and end > start else verdict.window_ns[1])
        for name in ("changes", "false", "resets"):
            times = [t_ns for each in _listed(told.get(name)) if isinstance(t_ns := each.get("t_ns"), int)]
            if times:
                return Window(min(times), max(times) + 1)
        return Window(*verdict.window_ns)

    def events_before(self, moment: Window) -> list[Happening]:
        """Return the events that may have led to what happened then: under way, or not long over; the nearest first."""
        def nearness(event: Happening) -> tuple[bool, int]:
            under_way = event.start_ns < moment.end_ns and event.end_ns > moment.start_ns - _SLACK_NS
            return (not under_way, abs(moment.start_ns - event.start_ns))

        near = [
            event
            for event in self.facts.events
            if event.start_ns - _SLACK_NS < moment.end_ns and event.end_ns > moment.start_ns - BEFORE_NS
        ]
        return sorted(near, key=nearness)

    def carrier_at(self, t_ns: int) -> str | None:
        """Return the uplink that the hub had chosen at a time, whether anything passed there or not."""
        seen = self.carrier.takeovers
        before = [each.uplink for each in seen if each.t_ns <= max(t_ns, 0)] or [each.uplink for each in seen[:1]]
        return before[-1] if before else None

    def dark(self, uplink: str) -> list[Window]:
        """Return when an uplink let nothing through: by its link's schedule, or because of an event beside the link."""
        found = [Window(e.start_ns, e.end_ns) for e in self.facts.faults(uplink) if e.kind in AWAY]
        if (table := self.evidence.schedule) is not None:
            found += dark(table, uplink, _DARK_NS, self.facts.duration_ns)
        return sorted(found, key=lambda window: window.start_ns)

    def dark_within(self, uplink: str, moment: Window) -> int:
        """Return for how many ns of a time an uplink let nothing through."""
        covered, until = 0, moment.start_ns
        for window in self.dark(uplink):
            start, end = max(window.start_ns, until), min(window.end_ns, moment.end_ns)
            if end > start:
                covered, until = covered + end - start, end
        return covered

    def said(self, window: Window, *words: str) -> list[Occurrence]:
        """Return what the hub said in a time that has one of the words in it."""
        near = [each for each in self.heard if window.start_ns <= each.t_ns < window.end_ns]
        return [each for each in near if not words or any(word in each.what for word in words)]

    def dropped(self, uplink: str, direction: str, column: str, window: Window) -> int:
        """Return how many packets a link dropped in a time, by the column of its records (cut, lost, queue_drops)."""
        table = self.evidence.links
        if table is None or column not in table.column_names:
            return 0
        mine = (texts(table, "link") == uplink) & (texts(table, "direction") == direction)
        mine &= window.holds(integers(table, "t_ns"))
        return int(integers(table, column)[mine].sum())

    def bytes_out(self, uplink: str, window: Window) -> int:
        """Return how many bytes left a link in a time, both ways."""
        table = self.evidence.links
        if table is None or "bytes_out" not in table.column_names:
            return 0
        mine = (texts(table, "link") == uplink) & window.holds(integers(table, "t_ns"))
        return int(integers(table, "bytes_out")[mine].sum())

    def longest_queue(self, uplink: str, window: Window) -> int:
        """Return the most bytes that waited at a link in a time."""
        table = self.evidence.links
        if table is None or "queue_bytes_max" not in table.column_names:
            return 0
        mine = (texts(table, "link") == uplink) & window.holds(integers(table, "t_ns"))
        waiting = integers(table, "queue_bytes_max")[mine]
        return int(waiting.max()) if len(waiting) else 0

    def within(self, made: Requests, window: Window) -> Requests:
        """Return the requests of a time."""
        return made.where(window.holds(made.t_ns))


def _scenario(folder: Path) -> Scenario | None:
    path = folder / "inputs" / "scenario.yaml"
    try:
        return read_scenario(path)
    except (InputError, OSError):
        return None


def _listed(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, (list, tuple)):
        yield from (each for each in value if isinstance(each, dict))
