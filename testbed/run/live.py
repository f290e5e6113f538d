"""A run as it goes: what the screen shows twice a second, from the engine's counters and the probes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from testbed.link.backend import Counters
from testbed.metrics.evidence import Evidence
from testbed.model.dish import DishFault
from testbed.model.ends import End
from testbed.model.event import Event
from testbed.model.facts import Facts
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.model.objective import Objective
from testbed.probes.probe import Live, ProbeState
from testbed.result import grounds
from testbed.result.verdict import Outcome, Verdict, evaluate
from testbed.run.bringup import Rig
from testbed.run.job import Job
from testbed.run.progress import ObjectiveNow, Tick, UplinkNow
from testbed.units import format_duration

CARRIES_PACKETS = 3
"""More marked packets than this in a look, in the up direction, and the uplink carries the heartbeat."""


JUDGE_EVERY_S = 2.0
JUDGE_SHARE = 0.05
"""Judging what there is takes longer the longer a run lasts; it may take this share of the time."""

LOOKED_BACK_NS = 600 * 10**9
"""A run that lasts longer is judged so far over its last ten minutes: what it holds to judge does not grow."""
_BEFORE_NS = 10 * 10**9  # a metric may ask what came just before its window


@dataclass(frozen=True)
class _Look:
    t_ns: int
    counters: Counters


class Watch:
    """Looks at a lab that plays a job since ``start_ns`` (CLOCK_REALTIME).

    Where the clock is ``simulated`` it does not tell how long judging takes: as if it grew with what there is to judge.
    """

    def __init__(self, job: Job, lab: Rig, start_ns: int, simulated: bool = False) -> None:
        self._simulated = simulated
        self._job, self._lab, self._start_ns = job, lab, start_ns
        self._before = _Look(start_ns, {})
        self._objectives = tuple(ObjectiveNow(o.title, "", "running") for o in job.scenario.objectives)
        self._judge_at_s = 0.0

    def look(self, now_ns: int, ends: Sequence[End] = ()) -> Tick:
        """Return where the run stands; ``ends`` are the parts that have ended unasked so far."""
        now = _Look(now_ns, self._lab.links.read())
        t_ns = now_ns - self._start_ns
        uplinks = tuple(self._uplink(name, now, t_ns) for name in self._job.schedules)
        self._before = now
        polled = {name: probe.poll() for name, probe in self._lab.probes.items()}
        traffic = {name: words(live) for name, live in polled.items()}
        lasting: list[Event | DishFault] = [*self._job.scenario.events, *self._job.scenario.dish_faults]
        events = tuple(e.title for e in lasting if e.at <= t_ns < e.end_ns)
        return Tick(t_ns, self._job.scenario.duration, uplinks, traffic, self._so_far(t_ns, ends), events)

    def _so_far(self, t_ns: int, ends: Sequence[End]) -> tuple[ObjectiveNow, ...]:
        """Return the objectives as they stood a moment ago."""
        began_s = time.monotonic()
        if t_ns > 0 and began_s >= self._judge_at_s:
            since_ns = max(0, t_ns - LOOKED_BACK_NS)
            kept_ns = max(0, since_ns - _BEFORE_NS)
            samples = {name: probe.so_far(kept_ns) for name, probe in self._lab.probes.items()}
            facts = replace(Facts.of(self._job.scenario, self._job.topology), duration_ns=t_ns)
            evidence = Evidence(facts, samples, self._lab.bins(kept_ns))
            asked = recent(self._job.scenario.objectives, since_ns, t_ns)
            scenario = replace(self._job.scenario, objectives=tuple(filter(None, asked)))
            verdicts = iter(evaluate(scenario, evidence, grounds.invalid(ends), ends))
            self._objectives = tuple(
                before if objective is None else _now(next(verdicts), before.title)
                for objective, before in zip(asked, self._objectives, strict=True)
            )
            now_s = time.monotonic()
            spent_s = t_ns / 1e9 * JUDGE_SHARE**2 if self._simulated else now_s - began_s
            self._judge_at_s = now_s + max(JUDGE_EVERY_S, spent_s / JUDGE_SHARE)
        return self._objectives

    def _uplink(self, name: str, now: _Look, t_ns: int) -> UplinkNow:
        seconds = max(now.t_ns - self._before.t_ns, 1) / 1e9
        up, down = (self._gain(name, direction, now.counters) for direction in Direction)
        return UplinkNow(
            name=name,
            state=_state(self._job.schedules[name].up, t_ns),
            carries=up["marked_out"] > CARRIES_PACKETS,
            down_bps=round(down["bytes_out"] * 8 / seconds),
            up_bps=round(up["bytes_out"] * 8 / seconds),
        )

    def _gain(self, name: str, direction: Direction, counters: Counters) -> Mapping[str, int]:
        key = (name, direction)
        now, before = counters.get(key), self._before.counters.get(key)
        fields = ("marked_out", "bytes_out")
        return {f: (getattr(now, f) if now else 0) - (getattr(before, f) if before else 0) for f in fields}


def recent(objectives: Sequence[Objective], since_ns: int, until_ns: int) -> list[Objective | None]:
    """Return the objectives as they can be judged of the time since ``since_ns``; None: its window was earlier."""
    if not since_ns:
        return list(objectives)
    whole = (since_ns, until_ns)
    return [
        (one if one.window[0] >= since_ns else None) if one.window else replace(one, window=whole)
        for one in objectives
    ]


def _now(verdict: Verdict, title: str) -> ObjectiveNow:
    """Return how an objective stands, by its own title."""
    over = " in the last 10 min" if verdict.title != title else ""
    state = "failing" if verdict.outcome is Outcome.FAIL else "running"
    return ObjectiveNow(title, f"{verdict.measured}{over}", state)


def _state(schedule: LinkSchedule, t_ns: int) -> str:
    """Return what the schedule does at a time, in a word."""
    if t_ns < 0:
        return "ready"
    t_ns = t_ns % schedule.end_ns if schedule.repeat else t_ns
    segment = int(schedule.t_ns.searchsorted(t_ns, side="right")) - 1
    state = LinkState(int(schedule.state[max(segment, 0)]))
    return {LinkState.PASS: "up", LinkState.CUT: "dark", LinkState.HOLD: "held"}[state]


def words(live: Live) -> str:
    """Return what a probe did in its last second, for people."""
    last = "–" if live.last_ns is None else format_duration(live.last_ns)
    if live.state in (ProbeState.STARTING, ProbeState.FAILED):
        return str(live.state)
    if live.text:
        return live.text
    return (
        f"{live.answered} answered, {live.failed} failed in the last second, last {last}, {live.total} in all"
    )
