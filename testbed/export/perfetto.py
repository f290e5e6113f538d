"""A run as a trace of events (Chrome's JSON, which ui.perfetto.dev opens): links, hub, traffic and events on one clock.

Times are in microseconds since the run's start; the trace's metadata says when that was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from testbed.explain import chain
from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Probes
from testbed.metrics.kinds import kind_of
from testbed.metrics.requests import Requests
from testbed.result.record import iso
from testbed.result.store import Result

Json = dict[str, Any]
EVENTS, HUB, LINKS, TRAFFIC = 1, 2, 3, 4
_PROCESSES = {EVENTS: "events", HUB: "hub", LINKS: "links", TRAFFIC: "traffic"}
_COUNTER_NS = 100_000_000  # a counter's step: the links' records are of 10 ms
_COUNTED = ("lost", "cut", "queue_drops")


def text(result: Result) -> str:
    """Return a run's result as a JSON object trace."""
    return json.dumps(trace(result), separators=(",", ":"), allow_nan=False)


def trace(result: Result) -> Json:
    """Return the trace as JSON values."""
    record = result.record
    tracks = _Tracks()
    events = list(_all(result, tracks)) if record.started_ns is not None else []
    events.sort(key=lambda event: event["ts"])
    return {
        "displayTimeUnit": "ms",
        "otherData": {
            "scenario": record.title,
            "question": record.question,
            "started": iso(record.started_ns),
            "started_ns": record.started_ns,
            "state": str(record.state),
            "version": record.versions.testbed,
        },
        "traceEvents": [*tracks.names(), *events],
    }


class _Tracks:
    """Numbers the tracks of each process in the order of their coming."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str], int] = {}

    def of(self, process: int, name: str) -> Json:
        """Return what places an event on a track."""
        return {"pid": process, "tid": self._found.setdefault((process, name), len(self._found) + 1)}

    def names(self) -> Iterator[Json]:
        for pid, name in _PROCESSES.items():
            yield {"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}}
            yield {"ph": "M", "name": "process_sort_index", "pid": pid, "tid": 0, "args": {"sort_index": pid}}
        for (pid, name), tid in self._found.items():
            yield {"ph": "M", "name": "thread_name", "pid": pid, "tid": tid, "args": {"name": name}}


def _all(result: Result, tracks: _Tracks) -> Iterator[Json]:
    yield from _events(result, tracks)
    yield from _carriers(result, tracks)
    yield from _said(result, tracks)
    yield from _links(result, tracks)
    yield from _delays(result, tracks)
    yield from _traffic(result, tracks)


def _events(result: Result, tracks: _Tracks) -> Iterator[Json]:
    for number, event in enumerate(result.record.facts.events):
        title = event.title or f"{event.uplink} {event.kind}".strip()
        track = tracks.of(EVENTS, f"{number + 1}: {title}")  # each its own: events may overlap
        yield _slice(title, event.start_ns, event.end_ns, track, {"kind": event.kind, "uplink": event.uplink})
    for verdict in result.record.verdicts:
        track = tracks.of(EVENTS, f"{verdict.outcome}: {verdict.title}")
        yield _slice(f"{verdict.metric} {verdict.measured}", *verdict.window_ns, track, {"bound": verdict.bound_text})


def _carriers(result: Result, tracks: _Tracks) -> Iterator[Json]:
    evidence = result.evidence
    for what, seen in (("heartbeat", evidence.carrier), ("new flows", evidence.new_flows_carrier)):
        for stretch in seen.stretches(evidence.whole) if seen.takeovers else ():
            track = tracks.of(HUB, f"{what} carried by")
            yield _slice(stretch.uplink or "nobody", stretch.start_ns, stretch.end_ns, track)


def _said(result: Result, tracks: _Tracks) -> Iterator[Json]:
    for said in chain.heard(result):
        more = {"within_ms": said.within_ns / 1e6} if said.within_ns else {}
        yield _instant(said.what, said.t_ns, tracks.of(HUB, said.source), more)


def _links(result: Result, tracks: _Tracks) -> Iterator[Json]:
    table = result.evidence.links
    if table is None:
        return
    names, directions, t_ns = texts(table, "link"), texts(table, "direction"), integers(table, "t_ns")
    for link in dict.fromkeys(names.tolist()):
        for direction in ("up", "down"):
            mine = (names == link) & (directions == direction) & (t_ns >= 0)
            steps = t_ns[mine] // _COUNTER_NS
            if not len(steps):
                continue
            count = int(steps.max()) + 2  # the last one is 0: a counter holds its value until the next
            there = [column for column in _COUNTED if column in table.column_names]  # older results have not got all
            dropped = {column: np.bincount(steps, integers(table, column)[mine], count) for column in there}
            rate = np.bincount(steps, integers(table, "bytes_out")[mine], count) * 8e9 / _COUNTER_NS / 1e6
            track = tracks.of(LINKS, f"{link} {direction}")
            yield from _counter(f"{link} {direction} dropped (packets in 100 ms)", dropped, track)
            yield from _counter(f"{link} {direction} rate (Mbit/s)", {"rate": rate}, track)


def _counter(name: str, series: Mapping[str, Any], track: Json) -> Iterator[Json]:
    before: Json | None = None
    for step, values in enumerate(zip(*(column.tolist() for column in series.values()), strict=True)):
        told = dict(zip(series, values, strict=True))
        if told != before:
            yield {"ph": "C", "name": name, "ts": step * _COUNTER_NS / 1e3, "args": told, **track}
        before = told


def _delays(result: Result, tracks: _Tracks) -> Iterator[Json]:
    table = result.evidence.schedule
    if table is None:
        return
    names, directions = texts(table, "link"), texts(table, "direction")
    for link in dict.fromkeys(names.tolist()):
        for direction in ("up", "down"):
            rows = table.filter(((names == link) & (directions == direction)).tolist())
            track = tracks.of(LINKS, f"{link} {direction}")
            columns = zip(integers(rows, "t_ns").tolist(), integers(rows, "delay_ns").tolist(), strict=True)
            for t_ns, delay_ns in columns:
                name = f"{link} {direction} delay (ms)"
                yield {"ph": "C", "name": name, "ts": t_ns / 1e3, "args": {"delay": delay_ns / 1e6}, **track}


def _traffic(result: Result, tracks: _Tracks) -> Iterator[Json]:
    for name, table in result.evidence.samples.items():
        track = tracks.of(TRAFFIC, name)
        if kind_of(table) in ("udp-echo", "udp-flows"):
            probes = Probes.of(table)
            for t_ns in probes.t_ns[~probes.good].tolist():
                yield _instant("lost", t_ns, track)
            answered = zip(probes.t_ns[probes.good].tolist(), probes.rtt_ns[probes.good].tolist(), strict=True)
            for t_ns, rtt_ns in answered:
                yield {"ph": "C", "name": f"{name} RTT (ms)", "ts": t_ns / 1e3, "args": {"rtt": rtt_ns / 1e6}, **track}
        elif kind_of(table) == "http-get":
            yield from _requests(name, Requests.of(table), track, result.record.duration_ns)


def _requests(name: str, made: Requests, track: Json, end_ns: int) -> Iterator[Json]:
    """Yield requests as pairs of begin and end, as they overlap; one without an answer ends with the run."""
    for number in range(len(made.t_ns)):
        told = {
            "status": int(made.status[number]),
            "cache": str(made.cache[number]),
            "bytes": int(made.size[number]),
            "whole": bool(made.whole[number]),
        }
        common = {"cat": name, "id": f"{name}-{number}", "name": str(made.object[number]), **track}
        sent_ns = int(made.sent_ns[number])
        over_ns = max(sent_ns, min(int(made.done_ns[number]), max(end_ns, sent_ns)))
        yield {"ph": "b", "ts": sent_ns / 1e3, "args": told, **common}
        yield {"ph": "e", "ts": over_ns / 1e3, **common}


def _slice(name: str, start_ns: int, end_ns: int, track: Json, told: Json | None = None) -> Json:
    duration = max(0, end_ns - start_ns)
    return {"ph": "X", "name": name, "ts": start_ns / 1e3, "dur": duration / 1e3, "args": told or {}, **track}


def _instant(name: str, t_ns: int, track: Json, told: Json | None = None) -> Json:
    return {"ph": "i", "s": "t", "name": name, "ts": t_ns / 1e3, "args": told or {}, **track}
