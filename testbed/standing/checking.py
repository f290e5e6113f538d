"""The objectives of a lab that stands, judged over its last minute or all of its time, from the samples so far."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from testbed.errors import RunError
from testbed.link import calibration
from testbed.metrics.schedule import schedule_table
from testbed.model.ends import End
from testbed.model.event import Event
from testbed.model.facts import Facts
from testbed.result import grounds
from testbed.result.digest import evidence_sha256
from testbed.result.record import MISSED, Fidelity, State
from testbed.result.store import Result, ResultWriter
from testbed.result.verdict import Verdict, evaluate, withheld
from testbed.run import owner
from testbed.run.bringup import Rig
from testbed.run.collect import fidelity_of
from testbed.run.inside import record_of
from testbed.run.job import Job
from testbed.units import format_duration

ON_THEIR_WAY_NS = 10**9
"""Answers to what was sent in the last second may still come: it is not looked at."""
_NO_RUN = "it held; a check of a lab that stands is no run of the scenario"
_TOUCHED = "it held; the lab was touched by hand, so it is no pass of the scenario"


@dataclass(frozen=True)
class Checked:
    """A check: its ``folder``, a result like a run's, the window that was judged, and what held in it, for which no
    pass was given."""

    folder: Path
    window_ns: tuple[int, int]
    verdicts: Sequence[Verdict]


def check(
    job: Job,
    lab: Rig,
    folder: Path,
    start_ns: int,
    *,
    last_ns: int | None,
    events: Sequence[Event],
    touched: Sequence[str],
    ends: Sequence[End],
) -> Checked:
    """Judge the objectives over the last ``last_ns``, or since the start, and keep the evidence below ``folder``.

    ``events`` are what happened, by hand or played. Raises RunError where there is nothing to judge yet.
    """
    end_ns = time.time_ns() - start_ns - ON_THEIR_WAY_NS
    window = (max(0, end_ns - last_ns) if last_ns is not None else 0, end_ns)
    if end_ns <= window[0]:
        raise RunError("the lab has just begun: there is nothing to judge yet")
    scenario = replace(
        job.scenario,
        duration=end_ns,
        events=tuple(event for event in events if event.at < end_ns),
        objectives=tuple(replace(objective, window=window) for objective in job.scenario.objectives),
    )
    facts = Facts.of(scenario, job.topology)
    writer = ResultWriter(_new_folder(folder), replace(record_of(job, "real"), duration_ns=end_ns, facts=facts))
    writer.update(started_ns=start_ns, touched=tuple(touched), ends=tuple(ends))
    fidelity = fidelity_of(lab.links.certificate_so_far(), job.scenario.fidelity, calibration.kept())
    writer.update(fidelity=fidelity)
    writer.keep("schedule", schedule_table(job.schedules, end_ns))
    writer.keep("links", lab.bins())
    for name, probe in lab.probes.items():
        writer.keep(name, probe.so_far())
    evidence = Result(writer.folder, writer.record).evidence
    verdicts = evaluate(scenario, evidence, _invalid(fidelity, ends), ends, fidelity.band_ns)
    writer.update(verdicts=withheld(verdicts, _TOUCHED if touched else _NO_RUN))
    writer.update(evidence_sha256=evidence_sha256(writer.folder, writer.record))
    writer.finish(State.COMPLETE, time.time_ns())
    owner.give(folder)
    return Checked(writer.folder, window, verdicts)


def _invalid(fidelity: Fidelity, ends: Sequence[End]) -> str:
    """Return why nothing of the check counts; empty where it counts."""
    if reason := grounds.invalid(ends):
        return reason
    return "" if fidelity.valid else f"{MISSED}: {fidelity.reason}"


def _new_folder(folder: Path) -> Path:
    stem = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-check"
    for number in range(1, 100):
        made = folder / "checks" / (stem if number == 1 else f"{stem}-{number}")
        try:
            made.mkdir(parents=True)
        except FileExistsError:
            continue
        return made
    raise RunError(f"{folder / 'checks' / stem} and 98 more exist already; wait a second")


def words(verdict: Verdict) -> str:
    """Return what a check says of an objective: it is no verdict on the scenario."""
    return {"pass": "holds", "fail": "broken", "inconclusive": "unclear"}.get(str(verdict.outcome), "invalid")


def told(checked: Checked) -> str:
    """Return the window for people."""
    start_ns, end_ns = checked.window_ns
    return f"from {format_duration(start_ns)} to {format_duration(end_ns)}"
