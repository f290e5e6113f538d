"""Runs that are over at once: what a run leaves in its folder, without the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from testbed.errors import RunError
from testbed.pytest_plugin import runs as pytest_runs
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import Fidelity, Input, State
from testbed.result.store import ResultWriter
from testbed.result.verdict import Verdict
from testbed.run import launch
from testbed.run.plan import Plan
from testbed.run.progress import Event, Step
from tests.unit.model.test_bad_scenarios import GOOD
from tests.unit.result.records import S, record, verdict

SCENARIO = GOOD + "  - {metric: failovers, at_most: 2}\n  - {metric: hit_ratio, at_least: 60 %}\n"
"""It has three objectives: interruption, failovers, hit_ratio."""

PASS, FAIL, UNKNOWN = verdict(2 * S), verdict(5 * S), verdict(None, reason="the heartbeat left no samples")


class Asked(NamedTuple):
    """What was asked to be run."""

    scenario: str
    folder: str
    changes: tuple[str, ...]


@dataclass
class FakeRuns:
    """Takes the place of ``launch.run``: leaves these verdicts, and remembers what was run.

    The runs ``before`` have these certificates, all after them ``fidelity``.
    """

    verdicts: tuple[Verdict, ...] = (PASS, PASS, PASS)
    state: State = State.COMPLETE
    fidelity: Fidelity = Fidelity(True)
    before: Sequence[Fidelity] = ()
    error: str = ""
    dies: bool = False
    on_fleet: tuple[FleetVerdict, ...] = ()
    jobs: list[Asked] = field(default_factory=list)

    def __call__(self, made: Plan, folder: Path, show: Callable[[Event], None], hold: int | None, stays: object) -> int:
        self.jobs.append(Asked(str(made.path), str(folder), tuple(map(str, made.changes))))
        show(Step("network", 1.0))
        name = made.name
        inputs = (
            Input("scenario", f"{name}.yaml", "ab" * 32),
            Input("trace of lte", "lte.parquet", "cd" * 32),
        )
        left = record(
            *self.verdicts,
            state=self.state,
            scenario=name,
            inputs=inputs,
            fidelity=[*self.before, self.fidelity][min(len(self.jobs) - 1, len(self.before))],
            error=self.error,
            fleet=self.on_fleet,
        )
        ResultWriter(folder, left)
        if self.dies:
            raise RunError("the run died; the end of run.log says: Killed")
        return left.exit_status


def install(monkeypatch: pytest.MonkeyPatch, runs: FakeRuns, uid: int = 0) -> FakeRuns:
    """Have pytest's runs played by ``runs``, on behalf of a user."""
    monkeypatch.setattr(launch, "run", runs)
    monkeypatch.setattr(pytest_runs.os, "geteuid", lambda: uid)
    return runs


def write_scenario(folder: Path, name: str = "lesson", text: str = SCENARIO) -> Path:
    """Write a scenario below ``folder``; return its file."""
    path = folder / "scenarios" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    (folder / "topologies").mkdir(exist_ok=True)  # the shape of a project of ours
    path.write_text(text)
    return path


def run_pytest(pytester: pytest.Pytester, *arguments: str | Path) -> pytest.RunResult:
    """Run pytest inside this one, without the plugin that would be loaded anew each time and takes seconds."""
    return pytester.runpytest_inprocess("-p", "no:hypothesispytest", *arguments)
