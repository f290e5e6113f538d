"""A made-up, realistic run of starlink-blackout, to draw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from testbed.metrics.decomposition import decompose
from testbed.metrics.rtt_fidelity import rtt_error
from testbed.metrics.schedule import expected_rtt, schedule_table
from testbed.model.facts import Facts, Happening
from testbed.model.link import LinkSchedule
from testbed.model.objective import Objective
from testbed.model.scenario import Scenario
from testbed.model.traffic import HttpGet, UdpEcho
from testbed.result.provenance import Host, Versions
from testbed.result.record import Fidelity, Input, Record, State
from testbed.result.store import Result, ResultWriter
from testbed.result.verdict import evaluate

MS, S = 10**6, 10**9
STEP = 10 * MS
START = 1_795_316_647 * S
SIZES = np.array([40_000, 2_000_000, 8_000_000])

OBJECTIVES = (
    Objective("interruption", "heartbeat", at_most="3.5 s"),
    Objective("return_to_preferred", "heartbeat", at_most="30 s"),
    Objective("failovers", "heartbeat", at_most="2"),
    Objective("hit_ratio", "lessons", at_least="60 %"),
    Objective("availability", "lessons", at_least="100 %", window=(30 * S, 55 * S), content="cached"),
    Objective("ttfb_p95", "lessons", at_most="20 ms", status="hit"),
)


@dataclass(frozen=True)
class Story:
    """What happens in the run (ns); ``detected`` and ``returned`` at the duration: never.

    ``new_returned`` is when new flows return, where the run has a stream of them.
    """

    duration: int = 90 * S
    outage: tuple[int, int] = (30 * S, 55 * S)
    detected: int = 32 * S + 140 * MS
    returned: int = 61 * S + 380 * MS
    name: str = "starlink-blackout"
    question: str = "does the hub carry the lesson over LTE when the dish goes dark for 25 s?"
    invalid: str = ""
    new_returned: int | None = None


def make(folder: Path, story: Story = Story(), objectives: tuple[Objective, ...] = OBJECTIVES) -> Result:
    """Write the run's result folder and return its result."""
    chance = np.random.default_rng(7)
    events = (Happening("outage", "starlink", *story.outage, "starlink outage 25 s"),)
    facts = Facts(
        story.duration,
        ("starlink", "lte"),
        "heartbeat",
        events,
        new_flows="newcomers" if story.new_returned else "",
    )
    writer = ResultWriter(folder, _record(facts, story))
    schedule = schedule_table(
        {"starlink": _starlink(chance, story), "lte": _lte(chance, story)}, story.duration
    )
    writer.keep("schedule", schedule)
    lessons = _lessons(chance, story)
    writer.keep("heartbeat", _heartbeat(chance, story, schedule))
    writer.keep("lessons", lessons)
    writer.keep("links", _links(chance, story, lessons))
    return _judged(writer, folder, story, objectives)


def _judged(writer: ResultWriter, folder: Path, story: Story, objectives: tuple[Objective, ...]) -> Result:
    traffic = {
        "heartbeat": UdpEcho(kind="udp-echo", from_="client", to="tenant", every=STEP, name="heartbeat"),
        "lessons": HttpGet(kind="http-get", from_="client", catalogue="school-day", rate=5.0, name="lessons"),
    }
    scenario = Scenario("hub-two-uplinks", story.duration, {}, objectives, traffic=traffic)
    evidence = Result.load(folder).evidence
    error = rtt_error(evidence, "heartbeat").value
    writer.update(
        fidelity=Fidelity(not story.invalid, story.invalid, error),
        verdicts=evaluate(scenario, evidence, story.invalid),
        decomposition=decompose(evidence),
    )
    writer.finish(State.COMPLETE, START + story.duration + S)
    return Result.load(folder)


def _record(facts: Facts, story: Story) -> Record:
    return Record(
        scenario=story.name,
        question=story.question,
        duration_ns=story.duration,
        seed=7,
        facts=facts,
        inputs=(
            Input("scenario", f"{story.name}.yaml", "5f3a" * 16),
            Input("trace of starlink", "scenarios/traces/starlink-bent-pipe.parquet", "9c1e" * 16),
            Input("trace of lte", "scenarios/traces/lte-suburban.parquet", "07bd" * 16),
        ),
        versions=Versions("0.1.0", "edbd048" + "0" * 33, False, "3.11.2"),
        host=Host("Intel(R) Xeon(R) Processor", 2, 24 * 10**9, "6.1.0-28-amd64", "Debian GNU/Linux 12", True),
        created_ns=START - 9 * S,
        started_ns=START,
    )


def _starlink(chance: np.random.Generator, story: Story) -> tuple[LinkSchedule, LinkSchedule]:
    t = np.arange(0, story.duration, 50 * MS)
    level = chance.uniform(10, 20, 1 + story.duration // (15 * S))[(t // (15 * S)).astype(int)]
    delay = (level + np.abs(chance.normal(0, 2.2, len(t))) + chance.exponential(1.2, len(t))) * MS
    cut = (t >= story.outage[0]) & (t < story.outage[1])
    return _pair(t, delay, cut, story)


def _lte(chance: np.random.Generator, story: Story) -> tuple[LinkSchedule, LinkSchedule]:
    t = np.arange(0, story.duration, 200 * MS)
    delay = (26 + np.cumsum(chance.normal(0, 0.5, len(t))) % 9 + chance.exponential(2.5, len(t))) * MS
    return _pair(t, delay, np.zeros(len(t), bool), story)


def _pair(
    t: np.ndarray, delay: np.ndarray, cut: np.ndarray, story: Story
) -> tuple[LinkSchedule, LinkSchedule]:
    one = LinkSchedule(
        t_ns=t.astype(np.int64),
        delay_ns=delay.astype(np.int64),
        loss=np.full(len(t), 0.003),
        rate_bps=np.full(len(t), 100_000_000),
        state=cut.astype(np.uint8),
        end_ns=story.duration,
    )
    return one, one


def _on_starlink(t: np.ndarray, story: Story) -> np.ndarray:
    return (t < story.detected) | (t >= story.returned)


def _dark(t: np.ndarray, story: Story) -> np.ndarray:
    return _on_starlink(t, story) & (t >= story.outage[0]) & (t < story.outage[1])


def _heartbeat(chance: np.random.Generator, story: Story, schedule: pa.Table) -> pa.Table:
    t = np.arange(0, story.duration, STEP)
    home = _on_starlink(t, story)
    rtt = np.where(home, expected_rtt(schedule, "starlink", t), expected_rtt(schedule, "lte", t))
    rtt = rtt + chance.exponential(0.12, len(t)) * MS
    handover = (t % (15 * S) > 11.9 * S) & (t % (15 * S) < 12 * S) & home
    lost = _dark(t, story) | (chance.random(len(t)) < 0.003) | handover
    return pa.table(
        {
            "seq": np.arange(len(t)),
            "t_ns": t,
            "rtt_ns": pa.array(rtt.astype(np.int64), mask=lost),
            "lost": np.where(lost, "unknown", "none"),
        }
    )


def _lessons(chance: np.random.Generator, story: Story) -> pa.Table:
    t = np.sort(chance.integers(0, story.duration, story.duration // (200 * MS)))
    number = np.minimum(chance.zipf(1.35, len(t)), 60)
    size = SIZES[(number * 7) % 3 * (number % 3 == 0) + (number % 3 > 0) * (number % 2)]
    first = np.zeros(len(t), bool)
    first[np.unique(number, return_index=True)[1]] = True
    dark = _dark(t, story)
    slow = np.where(_on_starlink(t, story), 55, 90) + chance.exponential(25, len(t))
    ttfb = np.where(first, slow, 1.1 + chance.exponential(0.9, len(t)))
    expired = ~first & (chance.random(len(t)) < 0.12)
    failed = first & dark
    ttfb = np.where(expired & dark, 1003.0, np.where(expired, slow, ttfb))
    cache = np.where(first, "MISS", np.where(expired, np.where(dark, "STALE", "REVALIDATED"), "HIT"))
    total = ttfb + size * 8 / np.where(first, 60e6, 900e6) * 1e3
    return pa.table(
        {
            "t_ns": t,
            "started_ns_late": np.zeros(len(t), np.int64),
            "client": ["client"] * len(t),
            "object": [f"object-{n}" for n in number],
            "size": size,
            "status": np.where(failed, 504, 200).astype(np.int32),
            "ttfb_ns": pa.array((np.where(failed, 2004, ttfb) * MS).astype(np.int64)),
            "total_ns": pa.array((np.where(failed, 2005, total) * MS).astype(np.int64)),
            "bytes": np.where(failed, 160, size),
            "cache": cache,
            "error": pa.nulls(len(t), pa.string()),
            "sha256_ok": pa.array(~failed),
        }
    )


def _links(chance: np.random.Generator, story: Story, lessons: pa.Table) -> pa.Table:
    t = np.arange(0, story.duration, STEP)
    down = {name: chance.integers(0, 900, len(t)) for name in ("starlink", "lte")}
    for row in lessons.to_pylist():
        if row["cache"] == "MISS" and row["status"] == 200:
            name = "starlink" if _on_starlink(np.array([row["t_ns"]]), story)[0] else "lte"
            first = row["t_ns"] // STEP + 5
            bins = max(1, int(row["size"] * 8 / 60e6 * 100))
            down[name][first : first + bins] += row["size"] // bins
    tables = []
    for name in ("starlink", "lte"):
        carried = _on_starlink(t, story) == (name == "starlink")
        out = carried & ~_dark(t, story)
        out_new = np.zeros(len(t), bool)
        if story.new_returned is not None:
            new = replace(story, returned=story.new_returned)
            out_new = (_on_starlink(t, new) == (name == "starlink")) & ~_dark(t, new)
        dead = (name == "starlink") & (t >= story.outage[0]) & (t < story.outage[1])
        for direction in ("up", "down"):
            size = down[name] if direction == "down" else down[name] // 30 + 80 * carried
            size = np.where(dead, 0, size)
            tables.append(
                pa.table(
                    {
                        "t_ns": t,
                        "link": [name] * len(t),
                        "direction": [direction] * len(t),
                        "bytes_out": size,
                        "marked_out": out.astype(np.int64),
                        "marked_new_out": out_new.astype(np.int64),
                        "queue_bytes_max": np.zeros(len(t), np.int64),
                    }
                )
            )
    return pa.concat_tables(tables)
