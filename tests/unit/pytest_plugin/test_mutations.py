"""``--testbed-mutated``, ``--set`` and tags: a scenario proves that it can fail, and is run with changes."""

from __future__ import annotations

import pytest

from tests.unit.pytest_plugin.fake_runs import (
    FAIL,
    PASS,
    SCENARIO,
    FakeRuns,
    install,
    run_pytest,
    write_scenario,
)

pytest_plugins = ("pytester",)

MUTATED = SCENARIO + "mutation: {set: {hub.failover: none}, fails: [interruption]}\ntags: [ci]\n"
NAME = "hub.failover=none breaks interruption"


def test_a_mutation_that_breaks_its_objective_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario has one item, run with the change; other objectives may fail or hold."""
    runs = install(monkeypatch, FakeRuns((FAIL, PASS, PASS)))
    write_scenario(pytester.path, text=MUTATED)
    done = run_pytest(pytester, "-v", "--testbed-mutated", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(f"*{NAME} PASSED*")
    assert [("hub.failover=none",)] == [job.changes for job in runs.jobs]


def test_a_mutation_that_goes_unnoticed_is_a_failure(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario that passes without what it is about proves nothing."""
    install(monkeypatch, FakeRuns((PASS, PASS, PASS)))
    write_scenario(pytester.path, text=MUTATED)
    done = run_pytest(pytester, "--testbed-mutated", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(["the scenario did not notice its mutation: interruption did not fail"])


def test_a_scenario_without_a_mutation_has_no_item(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is run for it."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    run_pytest(pytester, "--testbed-mutated", "--testbed-results", "kept", "scenarios")

    assert [] == runs.jobs


def test_every_scenario_takes_the_changes_of_the_command_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``--testbed-set`` is given to each run; a change that fits no scenario is a collection error."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    run_pytest(pytester, "--testbed-set", "seed=9", "--testbed-results", "kept", "scenarios")
    wrong = run_pytest(pytester, "--testbed-set", "sed=9", "--testbed-results", "kept", "scenarios")

    assert [("seed=9",)] == [job.changes for job in runs.jobs]
    wrong.stdout.fnmatch_lines("*--set sed=9: unknown key 'sed' in scenario; did you mean 'seed'?*")


def test_a_tag_selects_a_scenario(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-m ci`` takes the scenarios tagged so, with strict markers too."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    tagged = write_scenario(pytester.path, "tagged", MUTATED)
    done = run_pytest(pytester, "--strict-markers", "-m", "ci", "--testbed-results", "kept", "scenarios")

    done.assert_outcomes(passed=3, deselected=3)
    assert [str(tagged)] == [job.scenario for job in runs.jobs]
