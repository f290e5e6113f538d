"""`python -m benchmarks.compare`: how often a comparison is right, on runs whose truth is known.

A paper hub (pings that take the uplink out, a cache with a lock) sends through the engine's own physics in simulated
time. What a real run leaves to chance is left to chance here too: when the pings leave, how late the host and the
tenant are, and which packets of others are on the links, so that the packets' numbers, and with them their losses, are
not quite the same on both sides. Then with losses that do not match at all, and without chance. Minutes, no root.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from testbed import paths
from testbed.link.backend import LinkSpec
from testbed.link.native import MARK_DSCP
from testbed.link.simulated import Packets, SimulatedBackend
from testbed.metrics.evidence import Evidence
from testbed.model.facts import Facts
from testbed.model.link import Direction
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.probes import samples
from testbed.result.compare import Word, compare
from testbed.result.observed import Observed, Value
from testbed.result.verdict import evaluate
from testbed.run import plan
from testbed.traces.compile import LinkPair
from testbed.yaml.overrides import Override

MS, S = 10**6, 10**9
SCENARIO = """\
# does the comparison find what was planted?
topology: hub-two-uplinks
duration: 50 s
uplinks:
  starlink: {trace: starlink-bent-pipe, align: slot}
  lte: {trace: lte-suburban}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
  lessons: {kind: http-get, from: client2, catalogue: school-day, rate: 10/s}
events:
  - {at: 20 s, uplink: starlink, outage: 10 s}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 30 s}
  - {metric: packets_lost, of: heartbeat, at_most: 3000, window: [0 s, 19 s]}
  - {metric: ttfb_p50, of: lessons, status: miss, at_most: 10 s}
  - {metric: backhaul_bytes, at_most: 10 GB}
  - {metric: byte_hit_ratio, of: lessons, at_least: 0 %}
"""
PHASES, REPLICAS, N, COMPARISONS = 24, 12, 5, 1000
SERVICE_NS = 2 * MS
"""How long the tenant takes for an answer, in the mean: chance, as the host's lateness."""


@dataclass(frozen=True)
class Hub:
    """What is compared: pings until an uplink is out, the cache's lock; what is added to the link."""

    fall: int = 3
    lock: bool = True
    delay_ns: int = 0
    loss: float = 0.0


BASE = Hub()
PLANTED: Mapping[str, tuple[Hub, str]] = {
    "fall 3 -> 4 pings": (Hub(fall=4), "interruption"),
    "+20 ms round trip": (Hub(delay_ns=10 * MS), "ttfb_p50"),
    "1 % more loss each way": (Hub(loss=0.01), "packets_lost"),
    "cache lock off": (Hub(lock=False), "byte_hit_ratio"),
}


def changed(pair: LinkPair, hub: Hub) -> LinkPair:
    """Return what a link plays with the planted delay and loss."""
    return LinkPair(
        *(replace(s, delay_ns=s.delay_ns + hub.delay_ns, loss=np.minimum(s.loss + hub.loss, 1.0)) for s in pair)
    )


def run(made: plan.Plan, hub: Hub, chance: np.random.Generator | None, seed: int | None = None) -> dict[str, Value]:
    """Play a plan with a paper hub and return what its objectives measured; without chance always the same.

    The losses are those of the plan's seed, or of another one.
    """
    pairs = {name: link.pair for name, link in made.links.items()}
    evidence = played(made.scenario, made.topology, pairs, hub, chance, seed)
    return {verdict.key: Value.of(verdict) for verdict in evaluate(made.scenario, evidence)}


def played(
    scenario: Scenario,
    topology: Topology,
    links: Mapping[str, LinkPair],
    hub: Hub = BASE,
    chance: np.random.Generator | None = None,
    seed: int | None = None,
) -> Evidence:
    """Play a scenario of two uplinks with a paper hub, in simulated time, and return its evidence."""
    duration, seed = scenario.duration, scenario.seed if seed is None else seed
    pairs = {name: changed(pair, hub) for name, pair in links.items()}
    first = chance.integers(0, S) if chance else 0
    pings = np.arange(first, duration, S, dtype=np.int64)
    away = _away(pairs["starlink"], pings, hub.fall, seed)

    def late(t_ns: NDArray[np.int64], mean_ns: float) -> NDArray[np.int64]:
        return t_ns + (chance.exponential(mean_ns, len(t_ns)).astype(np.int64) if chance else 0)

    beats = late(np.arange(0, duration, 10 * MS, dtype=np.int64), 60_000)
    asked = _asked(scenario, hub.lock, late)
    others = np.sort(chance.integers(0, duration, 40)) if chance else np.zeros(0, np.int64)
    backend = SimulatedBackend()
    backend.open([LinkSpec(n, "h", "n", p.up, p.down, seed=seed) for n, p in pairs.items()])
    backend.start(0)
    beat_done, first_byte = np.full(len(beats), -1), np.full(len(asked), -1)
    for name in pairs:
        mine = np.flatnonzero(_on_lte(beats, away) == (name == "lte"))
        fetched = np.flatnonzero(asked.miss & (_on_lte(asked.sent, away) == (name == "lte")))
        sent = [(beats[mine], 100, MARK_DSCP), (asked.sent[fetched], 500, 0), (others, 90, 0)]
        arrived = _through(backend, name, Direction.UP, [*sent, (pings if name == "starlink" else others[:0], 98, 0)])
        frames = -(-asked.size[fetched] // 1448)
        served = np.where(arrived[1] < 0, arrived[1], late(arrived[1], SERVICE_NS))
        burst = np.repeat(served, frames)
        answers = [(arrived[0], 100, MARK_DSCP), (burst, 1514, 0)]
        back = _through(backend, name, Direction.DOWN, [*answers, (arrived[2], 90, 0), (arrived[3], 98, 0)])
        beat_done[mine] = back[0]
        starts = np.concatenate(([0], np.cumsum(frames)[:-1])).astype(np.int64) if len(frames) else frames
        landed = np.where(back[1] < 0, np.iinfo(np.int64).max, back[1])
        if len(fetched):
            earliest = np.minimum.reduceat(landed, starts)
            first_byte[fetched] = np.where(earliest == np.iinfo(np.int64).max, -1, earliest)
    evidence = Evidence(
        Facts.of(scenario, topology),
        {"heartbeat": _heartbeat(beats, beat_done), "lessons": _lessons(asked, first_byte)},
        backend.bins(),
    )
    backend.close()
    return evidence


def _away(pair: LinkPair, pings: NDArray[np.int64], fall: int, seed: int) -> list[tuple[int, int]]:
    """Return when the hub is on LTE: `fall` lost pings take Starlink out, five answers bring it back."""
    backend = SimulatedBackend()
    backend.open([LinkSpec("starlink", "h", "n", pair.up, pair.down, seed=seed)])
    backend.start(0)
    (there,) = _through(backend, "starlink", Direction.UP, [(pings, 98, 0)])
    (back,) = _through(backend, "starlink", Direction.DOWN, [(there, 98, 0)])
    backend.close()
    found, since, lost, good = [], -1, 0, 0
    for t, answer in zip(pings, back, strict=True):
        lost, good = (0, good + 1) if answer >= 0 else (lost + 1, 0)
        if since < 0 and lost == fall:
            since = int(t) + S
        elif since >= 0 and good == 5:
            found.append((since, int(answer)))
            since = -1
    return [*found, (since, 2**62)] if since >= 0 else found


def _on_lte(t_ns: NDArray[np.int64], away: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    found = np.zeros(len(t_ns), np.bool_)
    for start, end in away:
        found |= (t_ns >= start) & (t_ns < end)
    return found


def _through(backend: SimulatedBackend, name: str, direction: Direction,
             streams: Sequence[tuple[NDArray[np.int64], int, int]]) -> list[NDArray[np.int64]]:  # fmt: skip
    """Send streams (times, -1: not sent; size; DSCP) through one direction together; return when each packet left."""
    t = np.concatenate([times for times, _, _ in streams])
    size = np.concatenate([np.full(len(times), size, np.uint32) for times, size, _ in streams])
    dscp = np.concatenate([np.full(len(times), dscp, np.uint8) for times, _, dscp in streams])
    sent = np.flatnonzero(t >= 0)
    sent = sent[np.argsort(t[sent], kind="stable")]
    transit = backend.send_all({(name, direction): Packets.of(t[sent], size[sent], dscp[sent])})[name, direction]
    left = np.full(len(t), -1, np.int64)
    left[sent[transit.number.astype(np.int64)]] = transit.depart_ns
    return np.split(left, np.cumsum([len(times) for times, _, _ in streams])[:-1])


@dataclass(frozen=True)
class Asked:
    """The requests: when each is due and sent, its size, whether it is fetched, and when its body is in the store."""

    due: NDArray[np.int64]
    sent: NDArray[np.int64]
    name: NDArray[np.int64]
    size: NDArray[np.int64]
    miss: NDArray[np.bool_]
    ready: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.due)


def _asked(scenario: Scenario, lock: bool, late: Callable[[NDArray[np.int64], float], NDArray[np.int64]]) -> Asked:
    """Classes of ten open the same object within 100 ms; with the lock the first fetches it for all."""
    of_seed = np.random.default_rng(scenario.seed)
    classes = np.sort(of_seed.integers(0, scenario.duration - 5 * S, 40))
    due = np.sort((classes[:, None] + of_seed.integers(0, 100 * MS, (40, 10))).ravel())
    name = of_seed.zipf(1.3, 40)[np.searchsorted(classes, due, side="right") - 1] % 60
    size = (2000 + (name * 2654435761) % 120_000).astype(np.int64)
    sent = np.maximum.accumulate(late(due, 200_000))
    miss, ready, stored = np.zeros(len(due), np.bool_), np.zeros(len(due), np.int64), {}
    for k, (t, which) in enumerate(zip(sent, name, strict=True)):
        done = stored.get(which)
        miss[k] = done is None or (not lock and t < done)
        if done is None:
            stored[which] = int(t) + 80 * MS + int(size[k]) * 80
        ready[k] = stored[which]
    return Asked(due, sent, name, size, miss, ready)


def _heartbeat(sent: NDArray[np.int64], done: NDArray[np.int64]) -> pa.Table:
    lost = done < 0
    columns = {
        "seq": np.arange(len(sent)), "t_ns": sent, "rtt_ns": pa.array(done - sent, mask=lost),
        "lost": np.where(lost, "unknown direction", "none"),
    }  # fmt: skip
    return pa.table(columns, schema=samples.HEARTBEAT)


def _lessons(asked: Asked, first_byte: NDArray[np.int64]) -> pa.Table:
    n = len(asked)
    waited = np.where(asked.miss, first_byte - asked.sent, np.maximum(asked.ready - asked.sent, 2 * MS))
    failed = asked.miss & (first_byte < 0)
    columns = {
        "t_ns": asked.due, "started_ns_late": asked.sent - asked.due, "client": ["c"] * n,
        "object": asked.name.astype(str), "size": asked.size,
        "status": pa.array(np.full(n, 200, np.int32), mask=failed), "ttfb_ns": pa.array(waited, mask=failed),
        "total_ns": pa.array(waited, mask=failed), "bytes": np.where(failed, 0, asked.size),
        "cache": np.where(asked.miss, "MISS", "HIT"), "error": pa.array(np.full(n, "lost"), mask=~failed),
        "sha256_ok": pa.array(np.full(n, True), mask=failed),
    }  # fmt: skip
    unknown = {field.name: pa.nulls(n, field.type) for field in samples.REQUESTS if field.name not in columns}
    return pa.table(columns | unknown, schema=samples.REQUESTS)


Pool = Sequence[Sequence[dict[str, Value]]]
"""By phase, then by replica: what each run measured."""


def pool(plans: Sequence[plan.Plan], hub: Hub, seed: int, alike: bool = True) -> Pool:
    """Run each phase some times over, each with chance of its own; where not ``alike``, with losses of its own, too."""
    return [
        [run(made, hub, np.random.default_rng([seed, p, r]), None if alike else 1000 * p + r) for r in range(REPLICAS)]
        for p, made in enumerate(plans)
    ]


def side(found: Pool, phases: Sequence[int], which: Sequence[int], exact: bool = False) -> list[Observed]:
    """Return a side of a comparison: one run of each phase."""
    return [
        Observed("r", "s", phase, {}, {"seed": str(phase)}, {}, found[phase][replica], exact=exact)
        for phase, replica in zip(phases, which, strict=True)
    ]


def draw(rng: np.random.Generator, n: int, replicas: int) -> tuple[Sequence[int], Sequence[int], Sequence[int]]:
    """Return phases, and for each a run of the base and another one of the candidate."""
    phases = rng.choice(PHASES, n, replace=False)
    both = np.array([rng.choice(replicas, 2, replace=False) for _ in phases])
    return [int(p) for p in phases], [int(r) for r in both[:, 0]], [int(r) for r in both[:, 1]]


def found_at(base: Pool, planted: Pool, metric: str, n: int, rng: np.random.Generator) -> float:
    """Return in which share of comparisons a planted change is called better or worse on its metric."""
    hits = 0
    for _ in range(COMPARISONS // 4):
        phases, left, right = draw(rng, n, REPLICAS)
        rows = compare(side(base, phases, left), side(planted, phases, right)).rows
        hits += any(row.word in (Word.BETTER, Word.WORSE) for row in rows if metric == row.metric)
    return hits / (COMPARISONS // 4)


def variance_ratio(base: Pool, metric: str) -> tuple[float, float]:
    """Return the variance of differences within pairs, of that between runs of different phases and seeds.

    Then the same with what the comparison knows of chance taken out of the pairs: when the hubs next looked.
    """
    values = np.array([[_value(run, metric) for run in runs] for runs in base])
    within = values - np.roll(values, 1, axis=1)
    between = np.concatenate([(np.roll(values, p, axis=0) - values).ravel() for p in range(1, PHASES)])
    looks = np.array([[_look(run, metric) for run in runs] for runs in base])
    known = within - (looks - np.roll(looks, 1, axis=1))
    known = within if np.isnan(known).all() else known[~np.isnan(known)]
    return float(within.var() / between.var()), float(known.var() / between.var())


def coverage(base: Pool, metric: str, offset: float, rng: np.random.Generator) -> float:
    """Return in which share of comparisons the 95 % interval holds the offset that was added to one side."""
    hits = 0
    moved = [[{key: _moved(value, metric, offset) for key, value in run.items()} for run in runs] for runs in base]
    for _ in range(COMPARISONS):
        phases, left, right = draw(rng, N, REPLICAS)
        rows = compare(side(base, phases, left), side(moved, phases, right)).rows
        row = next(row for row in rows if metric == row.metric)
        hits += row.low is not None and row.high is not None and row.low <= offset <= row.high
    return hits / COMPARISONS


def _moved(value: Value, metric: str, offset: float) -> Value:
    return replace(value, value=(value.value or 0.0) + offset) if metric == value.metric else value


def _look(values: Mapping[str, Value], metric: str) -> float:
    look = next(value.look for value in values.values() if metric == value.metric)
    return look.after_ns if look and not look.unsure else np.nan


def _value(values: Mapping[str, Value], metric: str) -> float:
    return next(value.value or 0.0 for value in values.values() if metric == value.metric)


def main() -> int:
    """Measure, print, and write results/bench-compare.json."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "planted.yaml"
        path.write_text(SCENARIO)
        plans = [
            plan.make(path, (Override.parse(f"seed={k + 1}"), Override.parse(f"shift={k * 15 / PHASES:g} s")))
            for k in range(PHASES)
        ]
    rng = np.random.default_rng(1)
    base = pool(plans, BASE, 0)
    planted = {name: pool(plans, hub, 1 + k) for k, (name, (hub, _)) in enumerate(PLANTED.items())}
    told: dict[str, float] = {}

    def tell(name: str, value: float) -> None:
        told[name] = value
        print(f"{name:<75} {value:.4g}", flush=True)

    wrong = [0, 0]
    for _ in range(COMPARISONS):
        phases, left, right = draw(rng, N, REPLICAS)
        words = compare(side(base, phases, left), side(base, phases, right)).words()
        called = words[Word.BETTER] + words[Word.WORSE]
        wrong = [wrong[0] + bool(called), wrong[1] + words[Word.SAME]]
    tell(f"A/A, N = {N}: comparisons with anything better or worse (of {COMPARISONS})", wrong[0])
    tell("A/A: rows called same", wrong[1] / (COMPARISONS * 5))
    for metric in dict.fromkeys(value.metric for value in base[0][0].values()):
        plain, known = variance_ratio(base, metric)
        tell(f"A/A: variance of paired, of unpaired differences, {metric}", known)
        if plain != known:
            tell(f"the same, when the hubs next looked not taken out, {metric}", plain)
    for name, (_, metric) in PLANTED.items():
        for n in (N, 8, 12):
            tell(f"{name}: found on {metric} at N = {n}", found_at(base, planted[name], metric, n, rng))
    apart = pool(plans, replace(BASE, loss=0.01), 9, alike=False)
    for metric, offset in (("interruption", 500 * MS), ("ttfb_p50", 20 * MS), ("packets_lost", 15)):
        tell(f"coverage of the 95 % interval, {metric}", coverage(base, metric, offset, rng))
        tell(f"the same, 1 % lost of each, by chance on either side, {metric}", coverage(apart, metric, offset, rng))
    exact = {name: [[run(made, hub, None)] for made in plans] for name, hub in
             {"base": BASE, **{name: hub for name, (hub, _) in PLANTED.items()}}.items()}  # fmt: skip
    again = [[run(made, BASE, None)] for made in plans]
    for name, found in {"A/A": again, **{name: exact[name] for name in PLANTED}}.items():
        called = [
            {r.metric for r in compare(side(exact["base"], [p], [0], True), side(found, [p], [0], True)).rows
             if r.word in (Word.BETTER, Word.WORSE)}
            for p in range(PHASES)
        ]  # fmt: skip
        metric = PLANTED[name][1] if name in PLANTED else ""
        hits = sum(metric in words if metric else bool(words) for words in called)
        tell(f"no chance (exact), N = 1, {name}: called, of {PHASES}", hits)
    (paths.RESULTS / "bench-compare.json").write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
