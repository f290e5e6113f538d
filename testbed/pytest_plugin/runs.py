"""The runs of a pytest session: each scenario is run once for all that ask about it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from testbed import paths
from testbed.cli import screen
from testbed.cli.held import invite
from testbed.errors import InvalidRun, RunError, TestbedError
from testbed.lab import hold
from testbed.model.times import REAL
from testbed.pytest_plugin import options, shared
from testbed.pytest_plugin.shared import Told
from testbed.result.record import MISSED, State
from testbed.result.store import Result
from testbed.run import launch, plan
from testbed.standing import holding
from testbed.yaml.overrides import Override

Changes = tuple[Override, ...]


@dataclass(frozen=True)
class Played:
    """A run that is over: its result, where it left one, and why it does not count (None: it does).

    ``tries`` counts the run itself and the invalid ones before it.
    """

    result: Result | None
    fault: TestbedError | None = None
    tries: int = 1

    def counted(self) -> Result:
        """Return the result of a run that counts. Raises TestbedError where it does not."""
        __tracebackhide__ = True
        if self.result is None or self.fault is not None:
            raise self.fault or RunError("the run left no result")
        return self.result


class Runs:
    """Runs each scenario when it is first asked for, once for every repetition."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._chosen, self._link = config.stash[options.BENCH], config.getoption("testbed_link")
        self._time, self._tenant = config.getoption("testbed_time"), config.stash[options.TENANT]
        self._played: dict[tuple[Path, Changes, int], Played] = {}

    def get(self, path: Path, changes: Changes = (), repetition: int = 1) -> Played:
        """Return the run of a scenario's file with ``changes`` to it.

        Without root, which a run in real time needs, skip the test that asks. A run that ended with the test that
        asked first (a time-out of pytest's) is over for all others too.
        """
        key = (path, changes, repetition)
        if key not in self._played:
            if os.geteuid() != 0 and self._time == REAL:
                pytest.skip("a run needs root for its network namespaces; start pytest with sudo")
            try:
                self._played[key] = self._once(path, changes, repetition)
            except pytest.fail.Exception as ended:
                said = (ended.msg or "a time-out").strip().splitlines()[0]
                self._played[key] = Played(None, RunError(f"the run of {path.stem} was ended: {said}"))
                raise
        return self._played[key]

    def _once(self, path: Path, changes: Changes, repetition: int) -> Played:
        """Return the run as this worker plays it, or as another worker of the session did."""
        key = "\n".join((str(path), *map(str, changes), str(repetition)))
        with shared.turn(self._config, key) as entry:
            if entry.told is None:
                entry.told = Told(None, f"another worker's run of {path.stem} did not come to its end", 1)
                played = self._until_valid(path, changes)
                folder = str(played.result.folder) if played.result else None
                entry.told = Told(folder, str(played.fault or ""), played.tries)
                return played
            return _as_told(entry.told)

    def make(self, path: Path, changes: Changes = ()) -> plan.Plan:
        """Return a scenario ready for the session's bench and link engine. Raises InputError."""
        return plan.make(path, changes, self._chosen, self._link, self._time, self._tenant)

    def _until_valid(self, path: Path, changes: Changes) -> Played:
        played, most = self._play(path, changes), 1 + self._config.getoption("testbed_retry_invalid")
        while isinstance(played.fault, InvalidRun) and played.tries < most:
            print(f"{played.fault}\nrun again: {played.tries + 1} of at most {most}")
            played = replace(self._play(path, changes), tries=played.tries + 1)
        return played

    def _play(self, path: Path, changes: Changes) -> Played:
        results = self._config.invocation_params.dir / self._config.getoption("testbed_results")
        try:
            made = self.make(path, changes)
            launch.check(made)
            wait = self._config.getoption("testbed_wait")
            with hold.held(self._chosen, path.stem, time.time_ns(), wait=wait, tell=screen.aside) as lock:
                folder = launch.new_folder(results, path.stem, datetime.now(UTC))
                when = self._config.getoption("testbed_hold")
                with _screen(self._config, path.stem) as shown, holding.held(made, folder, when) as keeping:
                    show = holding.noticing(shown.show, keeping, invite)
                    launch.run(made, folder, show, lock, keeping.stays if keeping else None)
            result = Result.load(folder)
        except TestbedError as error:
            return Played(None, error)
        return Played(result, _fault(result))


class Lab:
    """What an engineer's test asks for runs."""

    def __init__(self, runs: Runs, repetition: int) -> None:
        self._runs, self._repetition = runs, repetition

    def run(self, scenario: str | Path, *changes: str) -> Result:
        """Return the result of a scenario, given by its name or its YAML file; the session runs it once.

        ``changes`` are made to the scenario for this run, as ``--set`` makes them: ``"hub.failover=none"``.
        Raises InputError for a scenario that is not right, another TestbedError for a run that does not
        count: it is invalid, or it broke.
        """
        __tracebackhide__ = True  # the reason says it all
        overrides = tuple(map(Override.parse, changes))
        made = self._runs.make(plan.find_scenario(str(scenario)), overrides)
        return self._runs.get(made.path, tuple(made.changes), self._repetition).counted()


def _as_told(told: Told) -> Played:
    if told.folder is None:
        return Played(None, RunError(told.error), told.tries)
    result = Result.load(Path(told.folder))
    return Played(result, _fault(result), told.tries)


def evidence(result: Result) -> str:
    """Return where a run's evidence lies, for messages."""
    return f"evidence: {paths.shown(result.folder)}/"


def _fault(result: Result) -> RunError | None:
    """Return why a run does not count. Ends the session where the user has ended the run."""
    record = result.record
    if record.state in (State.INTERRUPTED, State.RUNNING):
        pytest.exit(f"{record.scenario} was interrupted; {evidence(result)}", returncode=2)
    if record.state is State.FAILED:
        return RunError(f"{record.scenario} could not be run: {record.error}\n{evidence(result)}")
    if reason := record.invalid:
        if reason == MISSED and record.fidelity is not None:
            reason = record.fidelity.reason
        return InvalidRun(f"the run of {record.scenario} is invalid: {reason}\n{evidence(result)}")
    return None


@contextmanager
def _screen(config: pytest.Config, name: str) -> Iterator[screen.Screen]:
    """Show a run live on a terminal; elsewhere its lines are output that pytest captures like any other."""
    reporter: Any = config.pluginmanager.getplugin("terminalreporter")
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with ExitStack() as stack:
        if reporter is not None and reporter.isatty and capture is not None:
            stack.enter_context(capture.global_and_fixture_disabled())
            reporter.ensure_newline()
        yield stack.enter_context(screen.choose(name, as_json=False))
