"""Planted faults as cases: runs that were played and made small (runs/*.json), and some that are constructed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from testbed import paths
from testbed.explain.case import Case
from testbed.explain.chain import Occurrence
from testbed.metrics.evidence import Evidence
from testbed.model.facts import Facts
from testbed.model.scenario import Scenario, read_scenario
from testbed.model.topology import Topology
from testbed.result.record import Record, from_json
from testbed.result.verdict import Outcome, Verdict
from testbed.run.plan import find_topology
from testbed.yaml import load, overrides
from testbed.yaml.overrides import Override
from tests.unit.result.records import record, verdict

MS, S = 10**6, 10**9
RUNS = Path(__file__).parent / "runs"

Takeovers = Sequence[tuple[int, str]]
Spans = Sequence[tuple[int, int]]


def played(path: Path, folder: Path) -> Case:
    """Return the case of a run that was played, from its small file."""
    small = json.loads(path.read_text())
    file = folder / "scenario.yaml"
    file.write_text(small["scenario"])
    return assembled(
        from_json(small["record"], str(path)),
        read_scenario(file),
        takeovers=small["takeovers"],
        gaps=small["heartbeat_gaps"],
        dark=small["dark"],
        delays=small["delay_ns"],
        seconds=small["seconds"],
        requests=small["requests"],
        heard=[Occurrence(*each) for each in small["heard"]],
    )


def constructed(scenario: str, changes: Sequence[str], folder: Path, verdicts: Sequence[Verdict], **more: Any) -> Case:
    """Return the case of a scenario of the repository with changes, as if it had been played and ``more`` been seen."""
    file = folder / f"{scenario}.yaml"
    given = tuple(Override.parse(change) for change in changes)
    file.write_text(overrides.resolved(paths.SCENARIOS / f"{scenario}.yaml", given))
    read = read_scenario(file)
    facts = Facts.of(read, load.read(find_topology(read.topology), Topology))
    kept = {name: more.pop(name) for name in ("ends", "state", "fidelity", "error") if name in more}
    made = record(*verdicts, facts=facts, duration_ns=read.duration, changes=tuple(changes), decomposition=(), **kept)
    gone: dict[str, list[tuple[int, int]]] = {name: [] for name in facts.uplinks}
    for event in facts.events:
        if event.uplink and event.kind in ("outage", "hold", "reboot"):
            gone[event.uplink].append((event.start_ns, event.end_ns))
    more.setdefault("takeovers", [(0, facts.preferred)])
    more.setdefault("dark", gone)
    return assembled(made, read, **more)


def failed(metric: str, of: str, value: float, bound: float, window: tuple[int, int], **details: object) -> Verdict:
    """A verdict that failed."""
    relation = "at most" if value > bound else "at least"
    base = verdict(4 * S)
    return Verdict(
        title=f"{metric} of {of} {relation} {bound:g}",
        metric=metric,
        of=of,
        window_ns=window,
        relation=relation,
        bound=bound,
        unit=base.unit,
        value=value,
        margin=-abs(value - bound),
        samples=1000,
        minimum_samples=20,
        outcome=Outcome.FAIL,
        details=details,
    )


def assembled(
    made: Record,
    scenario: Scenario,
    *,
    takeovers: Takeovers = (),
    gaps: Spans = (),
    dark: Mapping[str, Spans] | None = None,
    delays: Mapping[str, int] | None = None,
    seconds: Sequence[Sequence[Any]] = (),
    requests: Sequence[Sequence[Any]] = (),
    heard: Sequence[Occurrence] = (),
) -> Case:
    """Return a case with samples that show these things."""
    end_ns, facts = made.duration_ns, made.facts
    t_ns = np.arange(0, end_ns, 10 * MS)
    lost = np.zeros(len(t_ns), bool)
    for start, end in gaps:
        lost |= (t_ns >= start) & (t_ns <= end)
    samples = {}
    if facts.heartbeat:
        rtt = [None if gone else 40 * MS for gone in lost.tolist()]
        columns = {"seq": np.arange(len(t_ns)), "t_ns": t_ns, "rtt_ns": pa.array(rtt, pa.int64())}
        samples[facts.heartbeat] = pa.table(columns)
    if requests:
        samples["lessons"] = _requests(requests)
    evidence = Evidence(facts, samples, _links(t_ns, ~lost, takeovers, facts.uplinks, seconds),
                        _schedule(facts.uplinks, dark or {}, delays or {}))  # fmt: skip
    return Case(made, evidence, sorted(heard, key=lambda each: each.t_ns), scenario)


def _links(
    t_ns: np.ndarray[Any, Any],
    good: np.ndarray[Any, Any],
    takeovers: Takeovers,
    uplinks: Sequence[str],
    seconds: Sequence[Sequence[Any]],
) -> pa.Table:
    counted = {(second, link, direction): rest for second, link, direction, *rest in seconds}
    columns: dict[str, list[Any]] = {name: [] for name in ("t_ns", "link", "direction", "marked_out", "cut", "lost",
                                                           "queue_drops", "bytes_out", "queue_bytes_max")}  # fmt: skip
    starts = np.array([t for t, _ in takeovers] or [0])
    names = [name for _, name in takeovers] or [""]
    holder = np.clip(np.searchsorted(starts, t_ns, side="right") - 1, 0, None)
    for link in uplinks:
        for direction in ("up", "down"):
            for number, at in enumerate(t_ns.tolist()):
                mark = int(good[number] and names[holder[number]] == link and at >= starts[0])
                first = at % S == 0
                rest = counted.get((at // S, link, direction), [0] * 5) if first else [0] * 5
                if mark or any(rest):
                    for name, value in zip(columns, [at, link, direction, mark, *rest], strict=True):
                        columns[name].append(value)
    return pa.table({**columns, "marked_new_out": columns["marked_out"]})


def _schedule(uplinks: Sequence[str], dark: Mapping[str, Spans], delays: Mapping[str, int]) -> pa.Table:
    rows: list[dict[str, object]] = []
    for link in uplinks:
        changes = {0: 0}
        for start, end in dark.get(link, ()):
            changes |= {start: 1, end: 0}
        for direction in ("up", "down"):
            for at, state in sorted(changes.items()):
                rows.append({"link": link, "direction": direction, "t_ns": at, "delay_ns": delays.get(link, 20 * MS),
                             "rate_bps": 0, "loss": 0.0, "state": state, "interpolate": False})  # fmt: skip
    return pa.Table.from_pylist(rows)


def _requests(rows: Sequence[Sequence[Any]]) -> pa.Table:
    made = []
    for t_ns, total_ns, name, status, whole, cache, ttfb_ns, size, ranged in rows:
        made.append({"t_ns": t_ns, "total_ns": total_ns, "object": name, "status": status or None, "cache": cache,
                     "ttfb_ns": None if ttfb_ns < 0 else ttfb_ns, "bytes": size, "size": size, "started_ns_late": 0,
                     "sha256_ok": whole, "error": "" if whole else "failed",
                     "first": 0 if ranged else None})  # fmt: skip
    schema = pa.schema({"t_ns": pa.int64(), "total_ns": pa.int64(), "object": pa.string(), "status": pa.int32(),
                        "cache": pa.string(), "ttfb_ns": pa.int64(), "bytes": pa.int64(), "size": pa.int64(),
                        "started_ns_late": pa.int64(), "sha256_ok": pa.bool_(), "error": pa.string(),
                        "first": pa.int64()})  # fmt: skip
    return pa.Table.from_pylist(made, schema)
