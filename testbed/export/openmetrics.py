"""A run as OpenMetrics text, with a time for every value: what ``promtool tsdb create-blocks-from openmetrics`` reads.

Counters and gauges have one value a second; objectives one, at the run's end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Probes
from testbed.metrics.kinds import kind_of
from testbed.metrics.requests import Requests
from testbed.model.objective import Unit
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict

SECOND = 10**9
_FATES = {"packets_out": "delivered", "lost": "lost", "cut": "cut", "queue_drops": "queue_full"}
_COLUMNS = (*_FATES, "bytes_out", "queue_bytes_max", "late_ns_max")  # older results have not got all
_UNITS = {Unit.DURATION: ("seconds", 1e-9)}  # others are plain numbers: counts, shares, bytes, scores, dollars


@dataclass
class Family:
    """A metric family: its name without suffix, what it is, and its series (labels -> times in ns and values)."""

    name: str
    kind: str
    about: str
    unit: str = ""
    series: list[tuple[Mapping[str, str], list[tuple[int | None, float]]]] = field(default_factory=list)

    def add(self, labels: Mapping[str, str], points: Iterable[tuple[int | None, float]]) -> None:
        """Add a series; times are CLOCK_REALTIME ns, None where a value has none."""
        self.series.append((labels, list(points)))

    def lines(self, common: Mapping[str, str]) -> Iterator[str]:
        """Yield the family's lines; nothing for one without values."""
        if not any(points for _, points in self.series):
            return
        yield f"# TYPE {self.name} {self.kind}"
        if self.unit:
            yield f"# UNIT {self.name} {self.unit}"
        yield f"# HELP {self.name} {_escaped(self.about)}"
        suffix = {"counter": "_total", "info": "_info"}.get(self.kind, "")
        for labels, points in self.series:
            told = ",".join(f'{name}="{_escaped(value)}"' for name, value in {**common, **labels}.items())
            for t_ns, value in points:
                when = "" if t_ns is None else f" {t_ns // SECOND}.{t_ns % SECOND // 10**6:03d}"
                yield f"{self.name}{suffix}{{{told}}} {_number(value)}{when}"


def text(result: Result) -> str:
    """Return a run's result as OpenMetrics text."""
    record = result.record
    common = {"scenario": record.scenario, "run": result.folder.resolve().name}
    lines = [line for family in families(result) for line in family.lines(common)]
    return "\n".join([*lines, "# EOF", ""])


def families(result: Result) -> Iterator[Family]:
    """Yield all that is known of a run; of one that never started, what it was."""
    yield _info(result)
    if result.record.started_ns is None:
        return
    yield from _links(result)
    yield from _heartbeats(result)
    yield from _requests(result)
    yield _events(result)
    yield _carriers(result)
    yield from _objectives(result)


def _info(result: Result) -> Family:
    record = result.record
    family = Family("testbed_run", "info", "What ran, and how far it came.")
    told = {
        "title": record.title,
        "question": record.question,
        "seed": str(record.seed),
        "state": str(record.state),
        "bench": record.bench,
        "time": record.time,
        "version": record.versions.testbed,
        "commit": record.versions.commit,
    }
    family.add(told, [(None, 1)])
    return family


def _links(result: Result) -> Iterator[Family]:
    packets = Family("testbed_link_packets", "counter", "Packets of an emulated link, by what became of them.")
    size = Family("testbed_link_bytes", "counter", "Bytes that left an emulated link.", "bytes")
    queue = Family("testbed_link_queue_bytes", "gauge", "Most that waited in a link's queue within a second.", "bytes")
    late = Family("testbed_link_late_seconds", "gauge", "Latest departure within a second.", "seconds")
    delay = Family("testbed_link_delay_seconds", "gauge", "One-way delay that the link is told to have.", "seconds")
    table, origin = result.evidence.links, result.record.started_ns or 0
    if table is not None:
        names, directions = texts(table, "link"), texts(table, "direction")
        t_ns = integers(table, "t_ns")
        for link in dict.fromkeys(names.tolist()):
            for direction in ("up", "down"):
                mine = (names == link) & (directions == direction)
                labels = {"link": str(link), "direction": direction}
                there = {name: integers(table, name)[mine] for name in _COLUMNS if name in table.column_names}
                for column, fate in _FATES.items():
                    if column in there:
                        packets.add({**labels, "fate": fate}, _sums(origin, t_ns[mine], there[column]))
                if (sent := there.get("bytes_out")) is not None:
                    size.add(labels, _sums(origin, t_ns[mine], sent))
                if (waiting := there.get("queue_bytes_max")) is not None:
                    queue.add(labels, _most(origin, t_ns[mine], waiting))
                if (later := there.get("late_ns_max")) is not None:
                    late.add(labels, _most(origin, t_ns[mine], later, 1e-9))
    schedule = result.evidence.schedule
    if schedule is not None:
        names, directions = texts(schedule, "link"), texts(schedule, "direction")
        for link in dict.fromkeys(names.tolist()):
            for direction in ("up", "down"):
                mine = (names == link) & (directions == direction)
                starts, delays = integers(schedule, "t_ns")[mine], integers(schedule, "delay_ns")[mine]
                seconds = np.arange(0, result.record.duration_ns, SECOND)
                if len(starts):
                    held = delays[np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, None)]
                    points = zip((origin + seconds).tolist(), (held / 1e9).tolist(), strict=True)
                    delay.add({"link": str(link), "direction": direction}, points)
    yield from (packets, size, queue, late, delay)


def _heartbeats(result: Result) -> Iterator[Family]:
    sent = Family("testbed_probes", "counter", "Probes of a stream, by what became of them.")
    rtt = Family("testbed_rtt_seconds", "gauge", "Round trips of the probes sent within a second.", "seconds")
    origin = result.record.started_ns or 0
    for name, table in result.evidence.samples.items():
        if kind_of(table) not in ("udp-echo", "udp-flows"):
            continue
        probes = Probes.of(table)
        for fate, chosen in (("answered", probes.good), ("lost", ~probes.good)):
            sent.add({"traffic": name, "fate": fate}, _sums(origin, probes.t_ns, chosen.astype(np.int64)))
        seconds, values = probes.t_ns[probes.good] // SECOND, probes.rtt_ns[probes.good]
        medians, most = [], []
        for second in np.unique(seconds).tolist():
            within = values[seconds == second]
            at = origin + (second + 1) * SECOND
            medians.append((at, float(np.median(within)) / 1e9))
            most.append((at, int(within.max()) / 1e9))
        rtt.add({"traffic": name, "of": "median"}, medians)
        rtt.add({"traffic": name, "of": "max"}, most)
    yield from (sent, rtt)


def _requests(result: Result) -> Iterator[Family]:
    asked = Family("testbed_requests", "counter", "Requests of LAN clients, by outcome and by the cache's word.")
    size = Family("testbed_request_bytes", "counter", "Bytes that LAN clients received.", "bytes")
    origin = result.record.started_ns or 0
    for name, table in result.evidence.samples.items():
        if kind_of(table) != "http-get":
            continue
        made = Requests.of(table)
        for outcome, chosen in (("whole", made.whole), ("failed", ~made.whole)):
            for cache in sorted(set(made.cache[chosen].tolist())):
                these = (chosen & (made.cache == cache)).astype(np.int64)
                labels = {"traffic": name, "outcome": outcome, "cache": str(cache).lower() or "none"}
                asked.add(labels, _sums(origin, made.t_ns, these))
        size.add({"traffic": name}, _sums(origin, made.t_ns, made.size))
    yield from (asked, size)


def _events(result: Result) -> Family:
    family = Family("testbed_event_active", "gauge", "1 while an event of the scenario lasts.")
    origin, end_ns = result.record.started_ns or 0, result.record.duration_ns
    for number, event in enumerate(result.record.facts.events):
        labels = {"number": str(number), "kind": event.kind, "uplink": event.uplink, "title": event.title}
        changes = {0: 0.0, event.start_ns: 1.0, event.end_ns: 0.0, end_ns: float(event.end_ns > end_ns)}
        family.add(labels, [(origin + t_ns, on) for t_ns, on in sorted(changes.items()) if t_ns <= end_ns])
    return family


def _carriers(result: Result) -> Family:
    family = Family("testbed_carries", "gauge", "1 while an uplink carries the heartbeat.")
    origin, evidence = result.record.started_ns or 0, result.evidence
    if not evidence.carrier.takeovers:
        return family
    stretches = list(evidence.carrier.stretches(evidence.whole))
    for uplink in result.record.facts.uplinks:
        points = [(origin + each.start_ns, float(each.uplink == uplink)) for each in stretches]
        family.add({"uplink": uplink}, points)
    return family


def _objectives(result: Result) -> Iterator[Family]:
    record = result.record
    at_ns = record.ended_ns or record.created_ns
    outcome = Family("testbed_objective_outcome", "stateset", "What an objective's verdict says.")
    groups: dict[str, list[Verdict]] = {}
    for verdict in record.verdicts:
        groups.setdefault(_UNITS.get(verdict.unit, ("", 1))[0], []).append(verdict)
        for each in Outcome:
            states = {**_labels(verdict), "testbed_objective_outcome": str(each)}
            outcome.add(states, [(at_ns, float(verdict.outcome is each))])
    yield outcome
    for unit, verdicts in groups.items():
        tail, factor = (f"_{unit}", _UNITS[Unit.DURATION][1]) if unit else ("", 1.0)
        value = Family(f"testbed_objective_value{tail}", "gauge", "What was measured.", unit)
        bound = Family(f"testbed_objective_bound{tail}", "gauge", "What the objective permits.", unit)
        for verdict in verdicts:
            labels = {**_labels(verdict), "relation": verdict.relation}
            if verdict.value is not None:
                value.add(labels, [(at_ns, verdict.value * factor)])
            bound.add(labels, [(at_ns, verdict.bound * factor)])
        yield from (value, bound)


def _labels(verdict: Verdict) -> dict[str, str]:
    return {
        "objective": verdict.key or verdict.title,
        "metric": verdict.metric,
        "traffic": verdict.of,
        "unit": str(verdict.unit),
    }


def _sums(origin: int, t_ns: NDArray[np.int64], values: NDArray[np.int64]) -> Iterator[tuple[int, float]]:
    """Yield the running sum at each full second, from the start on: what happened in a second stands at its end."""
    if not len(t_ns):
        return
    seconds = np.clip(t_ns // SECOND, 0, None)
    sums = np.cumsum(np.bincount(seconds, weights=values))
    yield origin, 0.0
    for second, total in enumerate(sums.tolist(), start=1):
        yield origin + second * SECOND, total


def _most(
    origin: int, t_ns: NDArray[np.int64], values: NDArray[np.int64], factor: float = 1.0
) -> Iterator[tuple[int, float]]:
    """Yield the largest value of each second, at its end."""
    seconds = t_ns // SECOND
    for second in np.unique(seconds).tolist():
        yield origin + (second + 1) * SECOND, int(values[seconds == second].max()) * factor


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))


def _escaped(words: str) -> str:
    return words.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


