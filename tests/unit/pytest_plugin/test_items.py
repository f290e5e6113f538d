"""What becomes of a scenario's items, by how its run went."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import paths
from testbed.model.fleet_scenario import FleetScenario
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import Fidelity, State
from testbed.result.verdict import Outcome
from testbed.run import launch
from testbed.yaml import load
from tests.unit.pytest_plugin.fake_runs import (
    FAIL,
    PASS,
    SCENARIO,
    UNKNOWN,
    FakeRuns,
    install,
    run_pytest,
    write_scenario,
)

pytest_plugins = ("pytester",)


def test_a_verdict_is_an_outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pass is a pass, fail a failure, inconclusive a skip; one run serves them all."""
    runs = install(monkeypatch, FakeRuns((PASS, FAIL, UNKNOWN)))
    scenario = write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(passed=1, failed=1, skipped=1)
    assert [str(scenario)] == [job.scenario for job in runs.jobs]


def test_each_objective_of_a_fleet_is_an_item(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the scenario's own: what makes the run fail fails the session."""
    asked = load.read(paths.FLEETS / "evening-in-the-cell.yaml", FleetScenario).objectives
    found = [FleetVerdict(each.title, each.metric, each.of, Outcome.PASS, 1.0, "all") for each in asked]
    found[-1] = replace(found[-1], outcome=Outcome.FAIL, measured="53 %")
    install(monkeypatch, FakeRuns((PASS,), on_fleet=tuple(found)))
    write_scenario(pytester.path, text=(paths.SCENARIOS / "hub-among-450.yaml").read_text())
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(passed=len(asked), failed=1)
    done.stdout.fnmatch_lines([f"*lesson: fleet: {asked[-1].title}*", found[-1].line])


def test_a_failure_says_what_was_measured_and_where_it_lies(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure's text is the verdict's line and the folder of the evidence, without a traceback."""
    runs = install(monkeypatch, FakeRuns((FAIL, PASS, PASS)))
    write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios")

    folder = Path(runs.jobs[0].folder).relative_to(pytester.path)
    done.stdout.fnmatch_lines(
        [FAIL.line, f"evidence: {folder}/", "*Captured stdout setup*", "lesson: network*"]
    )
    done.stdout.no_fnmatch_line("*Error*")


def test_an_inconclusive_objective_says_why(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason of the skip is the verdict's."""
    install(monkeypatch, FakeRuns((UNKNOWN, PASS, PASS)))
    write_scenario(pytester.path)
    done = run_pytest(pytester, "-rs", "--testbed-results", "kept", "scenarios")

    done.stdout.fnmatch_lines(
        "SKIPPED*lesson: inconclusive:*(the heartbeat left no samples); evidence: kept/*"
    )


def test_a_strict_session_fails_what_could_not_be_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gate is not green because nothing was measured."""
    install(monkeypatch, FakeRuns((UNKNOWN, PASS, PASS)))
    write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-strict", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(passed=2, failed=1)
    done.stdout.fnmatch_lines("inconclusive:*(the heartbeat left no samples)")


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        (FakeRuns(fidelity=Fidelity(False, "9 % late")), "the run of lesson is invalid: 9 % late"),
        (FakeRuns(state=State.FAILED, error="nginx: no"), "lesson could not be run: nginx: no"),
        (FakeRuns(dies=True), "the run died; the end of run.log says: Killed"),
    ],
    ids=["invalid", "failed", "died"],
)
def test_a_run_that_does_not_count_is_an_error(
    runs: FakeRuns, message: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All items are errors with the run's reason, whatever its verdicts say; it is not tried again."""
    install(monkeypatch, runs)
    write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(errors=3)
    done.stdout.fnmatch_lines(message)
    assert 1 == len(runs.jobs)


def test_an_invalid_run_is_tried_again(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """--testbed-retry-invalid 2: the third run is valid and its verdicts count; JUnit says how many there were."""
    invalid = Fidelity(False, "9 % late")
    runs = install(monkeypatch, FakeRuns((PASS, FAIL, PASS), before=[invalid, invalid]))
    write_scenario(pytester.path)
    done = run_pytest(
        pytester,
        "--testbed-retry-invalid",
        "2",
        "--testbed-results",
        "kept",
        "--junitxml",
        "junit.xml",
        "scenarios",
    )

    done.assert_outcomes(passed=2, failed=1)
    assert 3 == len({job.folder for job in runs.jobs})
    properties = ET.parse(pytester.path / "junit.xml").getroot().iter("property")
    assert {"3"} == {p.get("value") for p in properties if p.get("name") == "tries"}


def test_an_invalid_run_is_not_tried_for_ever(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--testbed-retry-invalid 1: after two invalid runs all items are errors; a broken run is not tried again."""
    runs = install(monkeypatch, FakeRuns(fidelity=Fidelity(False, "9 % late")))
    write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-retry-invalid", "1", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(errors=3)
    assert 2 == len(runs.jobs)


def test_without_root_everything_is_skipped(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user without root is told what a run needs; nothing is started or written."""
    runs = install(monkeypatch, FakeRuns(), uid=1000)
    write_scenario(pytester.path)
    done = run_pytest(pytester, "-rs", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(skipped=3)
    done.stdout.fnmatch_lines("SKIPPED*a run needs root for its network namespaces; start pytest with sudo")
    assert ([], False) == (runs.jobs, (pytester.path / "kept").exists())


@pytest.mark.parametrize(
    ("arguments", "played"),
    [
        ((), False),
        (("--testbed-mutated",), False),
        (("--testbed-longest", "20 min"), False),
        (("--testbed-longest", "3 h"), True),
        (("--testbed-time", "virtual"), True),
    ],
)
def test_a_scenario_of_hours_is_not_played_in_real_time(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], played: bool
) -> None:
    """A suite in real time skips what takes hours there, and says how to have it; virtual time plays it."""
    runs = install(monkeypatch, FakeRuns())
    monkeypatch.setattr(launch, "check", lambda _made: None)
    mutation = "\nmutation: {set: {hub.failover: none}, fails: [interruption]}\n"
    write_scenario(pytester.path, text=SCENARIO.replace("duration: 90 s", "duration: 150 min") + mutation)
    done = run_pytest(pytester, "-rs", *arguments, "scenarios")

    assert played == bool(runs.jobs)
    if not played:
        done.stdout.fnmatch_lines("SKIPPED*lesson takes 150 min in real time; play it with --testbed-time virtual*")


def test_a_repetition_is_a_run_of_its_own(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """--testbed-repeat 2 runs the scenario twice, into two folders."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-repeat", "2", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(passed=6)
    assert 2 == len({job.folder for job in runs.jobs})


def test_only_what_is_selected_is_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario none of whose objectives is selected is not run."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    other = write_scenario(pytester.path, "other")
    run_pytest(pytester, "--testbed-results", "kept", "-k", "other and hit_ratio", "scenarios")

    assert [str(other)] == [job.scenario for job in runs.jobs]


def test_a_run_that_a_time_out_ended_is_over_for_all(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pytest-timeout does in the middle of a run fails the first item; the others do not start another run."""
    runs = install(monkeypatch, FakeRuns())

    def times_out(*asked: object) -> int:
        runs(*asked)  # type: ignore[arg-type]
        pytest.fail("Timeout (>12.0s) from pytest-timeout.")

    monkeypatch.setattr(launch, "run", times_out)
    write_scenario(pytester.path)
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(errors=3)
    done.stdout.fnmatch_lines("the run of lesson was ended: Timeout (>12.0s) from pytest-timeout.")
    assert 1 == len(runs.jobs)


@pytest.mark.parametrize("state", [State.INTERRUPTED, State.RUNNING])
def test_an_interrupted_run_ends_the_session(
    state: State, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C (once: the run writes what it has; twice: it does not) runs nothing more and says where to look."""
    runs = install(monkeypatch, FakeRuns(state=state))
    write_scenario(pytester.path)
    write_scenario(pytester.path, "next")
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios")

    assert (pytest.ExitCode.INTERRUPTED, 1) == (done.ret, len(runs.jobs))
    done.stdout.fnmatch_lines("*lesson was interrupted; evidence: kept/*-lesson/*")


def test_junit_says_what_was_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item carries commit, seed, bench, the hashes of the traces, and where the run lies."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    run_pytest(pytester, "--testbed-results", "kept", "--junitxml", "junit.xml", "scenarios")

    cases = ET.parse(pytester.path / "junit.xml").getroot().iter("testcase")
    properties = [{p.get("name"): p.get("value") for p in case.iter("property")} for case in cases]
    expected = {
        "commit": "edbd048" + "0" * 33 + "+dirty",
        "seed": "7",
        "bench": "virtual",
        "sha256 of trace of lte: lte.parquet": "cd" * 32,
        "results": runs.jobs[0].folder,
        "tries": "1",
    }
    assert [expected] * 3 == properties
