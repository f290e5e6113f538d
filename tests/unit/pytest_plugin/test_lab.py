"""The fixture ``lab``: runs for an engineer's own tests."""

from __future__ import annotations

import pytest

from testbed.result.record import Fidelity
from tests.unit.pytest_plugin.fake_runs import FAIL, FakeRuns, install, run_pytest, write_scenario

pytest_plugins = ("pytester",)

TWO_TESTS = """
def test_one(lab):
    assert lab.run("scenarios/lesson.yaml").record.seed == 7

def test_two(lab):
    result = lab.run("scenarios/lesson.yaml")
    assert result.verdict("interruption").outcome == "{outcome}"
"""


def test_tests_and_objectives_share_a_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tests and the scenario's own items ask about one and the same run."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    path = pytester.makepyfile(TWO_TESTS.format(outcome="pass"))
    done = run_pytest(pytester, "--testbed-results", "kept", "scenarios", path)

    done.assert_outcomes(passed=5)
    assert 1 == len(runs.jobs)


def test_a_missed_objective_is_the_tests_to_judge(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result whose verdicts fail is a result: the test says what it expects of it."""
    install(monkeypatch, FakeRuns((FAIL, FAIL, FAIL)))
    write_scenario(pytester.path)
    path = pytester.makepyfile(TWO_TESTS.format(outcome="fail"))

    run_pytest(pytester, "--testbed-results", "kept", path).assert_outcomes(passed=2)


def test_tests_are_repeated_with_their_runs(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--testbed-repeat repeats the tests that use ``lab``, each time on the next run, and no other test."""
    runs = install(monkeypatch, FakeRuns())
    write_scenario(pytester.path)
    path = pytester.makepyfile(TWO_TESTS.format(outcome="pass") + "\ndef test_other():\n    pass\n")
    done = run_pytest(pytester, "--testbed-repeat", "3", "--testbed-results", "kept", path)

    done.assert_outcomes(passed=7)
    assert 3 == len(runs.jobs)


def test_a_run_that_does_not_count_proves_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an invalid run no result is given: every test that asks for it fails with the reason."""
    runs = install(monkeypatch, FakeRuns(fidelity=Fidelity(False, "9 % late")))
    write_scenario(pytester.path)
    done = run_pytest(
        pytester, "--testbed-results", "kept", pytester.makepyfile(TWO_TESTS.format(outcome="pass"))
    )

    done.assert_outcomes(failed=2)
    done.stdout.fnmatch_lines("*InvalidRun: the run of lesson is invalid: 9 % late")
    assert 1 == len(runs.jobs)


def test_without_root_tests_are_skipped(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that needs a run is skipped where none can be made."""
    install(monkeypatch, FakeRuns(), uid=1000)
    write_scenario(pytester.path)
    path = pytester.makepyfile(TWO_TESTS.format(outcome="pass"))

    run_pytest(pytester, "--testbed-results", "kept", path).assert_outcomes(skipped=2)


def test_a_wrong_name_is_answered_with_the_nearest(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scenario that does not exist is told as on the command line; nothing is run."""
    runs = install(monkeypatch, FakeRuns())
    path = pytester.makepyfile("def test_one(lab):\n    lab.run('starlink-blakout')\n")
    done = run_pytest(pytester, "--testbed-results", "kept", path)

    done.stdout.fnmatch_lines("*no scenario 'starlink-blakout' in *; did you mean 'starlink-blackout'?")
    assert [] == runs.jobs
