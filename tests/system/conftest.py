"""What may excuse a test: processor time that the hypervisor took, and only for an assertion on a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from testbed.lab import cores

BUSY = 0.15
"""The share of the processors' time stolen beyond which an assertion on a time says nothing of the product."""
LEAST_S = 1.0
"""Over less time than this a share of clock ticks is chance: one of two is not 50 %."""
MOST_EXCUSED = 0.05
"""Of all tests that ran; a session that excuses more has shown too little, and fails."""

_begun = pytest.StashKey[tuple[int, int]]()
_excused = pytest.StashKey[list[str]]()
_ran = pytest.StashKey[set[str]]()

ByTheClock = Callable[..., AbstractContextManager[None]]


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # by a shell's background, for the programs under test too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[_excused], config.stash[_ran] = [], set()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[_begun] = cores.ticks()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    item.config.stash[_ran].add(item.nodeid)


@pytest.fixture
def by_the_clock(request: pytest.FixtureRequest) -> ByTheClock:
    """Return ``by_the_clock(stolen=None)``, a context for assertions on times, and for nothing else.

    Where one fails while the hypervisor took more than BUSY of the processors' time since the test began, or
    ``stolen`` of it while a run was played, the test is skipped and says so.
    """

    @contextmanager
    def judged(stolen: float | None = None) -> Iterator[None]:
        try:
            yield
        except AssertionError as failure:
            share = _stolen(request.node.stash[_begun]) if stolen is None else stolen
            if share <= BUSY:
                raise
            request.config.stash[_excused].append(request.node.nodeid)
            said = (str(failure).splitlines() or ["an assertion on a time failed"])[0]
            pytest.skip(f"EXCUSED: the hypervisor took {share:.0%} of the processors' time, and {said}")

    return judged


def _stolen(since: tuple[int, int]) -> float:
    """Return the share stolen since these ticks; 0 where they are too few to tell."""
    least = LEAST_S * os.sysconf("SC_CLK_TCK") * (os.cpu_count() or 1)
    return cores.stolen_share(since) if cores.ticks()[1] - since[1] >= least else 0.0


def too_many(excused: int, ran: int) -> bool:
    """Return whether a session has excused too much to have shown anything; a single test is never too much."""
    return excused > max(1, MOST_EXCUSED * ran)


def pytest_sessionfinish(session: pytest.Session) -> None:
    excused, ran = session.config.stash[_excused], session.config.stash[_ran]
    if too_many(len(excused), len(ran)) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    excused, ran = config.stash[_excused], config.stash[_ran]
    if not excused:
        return
    terminalreporter.section("excused for stolen processor time")
    for nodeid in excused:
        terminalreporter.line(nodeid)
    if too_many(len(excused), len(ran)):
        said = (
            f"{len(excused)} of {len(ran)} tests, more than {MOST_EXCUSED:.0%}: this host is too busy to tell"
        )
        terminalreporter.line(said, red=True)
