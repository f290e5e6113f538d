"""What stolen processor time excuses in the system tests: assertions on a time, few of them, and never quietly."""

from __future__ import annotations

import itertools

import pytest

from testbed.lab import cores
from tests.system import conftest as excusing

pytest_plugins = ["pytester"]

LATE = """
def test_late(by_the_clock):
    with by_the_clock():
        assert 5 < 3, "took 5 s"
"""
WRONG = """
def test_wrong(by_the_clock):
    with by_the_clock():
        assert True
    assert "fail" == "pass"
"""
BROKEN = """
def test_broken(by_the_clock):
    with by_the_clock():
        raise OSError("no such device")
"""
FINE = "\n".join(f"def test_fine_{n}(): pass" for n in range(40))


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run tests in a session during which the hypervisor takes a share of the ticks of each look."""

    def start(text: str, stolen: int, of: int) -> pytest.RunResult:
        looks = itertools.count()
        monkeypatch.setattr(cores, "ticks", lambda: (stolen * (n := next(looks)), of * n))
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess("-p", "no:hypothesispytest", "-rs", plugins=[excusing])

    return start


def test_a_late_assertion_is_excused_and_said(run) -> None:
    """A third of the time was stolen: what was late is skipped, with the share and what it said."""
    done = run(LATE + FINE, 1000, 3000)

    done.assert_outcomes(passed=40, skipped=1)
    assert 0 == done.ret
    done.stdout.fnmatch_lines(["*EXCUSED: the hypervisor took 33% of the processors' time, and took 5 s*"])
    done.stdout.fnmatch_lines(["*excused for stolen processor time*", "*::test_late"])


@pytest.mark.parametrize("text", [WRONG, BROKEN], ids=["another assertion", "another exception"])
def test_nothing_else_is_excused(run, text: str) -> None:
    """Whatever was stolen, a wrong verdict or a broken device fails the test."""
    run(text, 1000, 3000).assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("stolen", "of"), [(1, 2), (100, 3000)], ids=["one tick of two", "three in a hundred"]
)
def test_a_calm_host_excuses_nothing(run, stolen: int, of: int) -> None:
    """A share of less than a second of ticks is chance; below 15 % the host was calm."""
    run(LATE, stolen, of).assert_outcomes(failed=1)


def test_a_session_that_excuses_much_fails(run) -> None:
    """Beyond one test in twenty nothing has been shown, though no test failed."""
    late = "".join(LATE.replace("test_late", f"test_late_{n}") for n in range(3))
    done = run(late + FINE, 1000, 3000)

    done.assert_outcomes(passed=40, skipped=3)
    assert pytest.ExitCode.TESTS_FAILED == done.ret
    done.stdout.fnmatch_lines(["3 of 43 tests, more than 5%: this host is too busy to tell"])
