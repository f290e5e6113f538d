"""A scenario's file and its items: each objective of each run, or its mutation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from testbed.errors import InputError
from testbed.model.objective import Objective
from testbed.model.times import REAL
from testbed.units import format_duration
from testbed.yaml.overrides import Override

if TYPE_CHECKING:
    from testbed.model.fleet_objective import FleetObjective
    from testbed.model.scenario import Mutation, Scenario
    from testbed.pytest_plugin.runs import Played, Runs
    from testbed.result.fleet_verdict import FleetVerdict
    from testbed.result.record import Record
    from testbed.result.store import Result
    from testbed.result.verdict import Verdict

# The parts that run and judge are imported where they are used: pytest loads this module at every
# start, for tests of other things too, and they take longer to load than pytest itself.


_RUNS = pytest.StashKey["Runs"]()


def runs_of(config: pytest.Config) -> Runs:
    """Return the session's runs."""
    from testbed.pytest_plugin.runs import Runs

    return config.stash.setdefault(_RUNS, Runs(config))


class ScenarioFile(pytest.File):
    """A scenario's YAML file: an item for each objective and repetition. Nothing is run to collect it."""

    def collect(self) -> Iterable[ScenarioItem]:
        """Check the whole scenario and yield its items. What is wrong with it is a collection error."""
        from testbed.model.scenario import read_scenario

        changes = tuple(self.config.getoption("testbed_set"))
        try:
            scenario = read_scenario(self.path, changes)
            if self.config.getoption("testbed_mutated") and scenario.mutation is not None:
                changes += scenario.mutation.changes
                scenario = read_scenario(self.path, changes)
            missing = _missing_recordings(uplink.trace for uplink in scenario.uplinks.values())
            made = None if missing else runs_of(self.config).make(self.path, changes)
        except InputError as error:
            raise self.CollectError(str(error)) from error
        on_fleet = made.fleet.scenario.objectives if made and made.fleet else ()
        unplayed = [*missing, *self._too_long(scenario)]
        count = self.config.getoption("testbed_repeat")
        for repetition in range(1, count + 1):
            suffix = f" [{nth(repetition, count)}]" if count > 1 else ""
            for item in self._items(scenario, on_fleet, Play(changes, repetition), suffix):
                for tag in scenario.tags:
                    self.config.addinivalue_line("markers", f"{tag}: a tag of scenarios")
                    item.add_marker(tag)
                for reason in unplayed:
                    item.add_marker(pytest.mark.skip(reason=reason))
                yield item

    def _too_long(self, scenario: Scenario) -> Iterable[str]:
        """Yield why a scenario is not played here: in real time a day of it costs a suite a day."""
        longest_ns = self.config.getoption("testbed_longest")
        if self.config.getoption("testbed_time") == REAL and scenario.duration > longest_ns:
            takes, longest = format_duration(scenario.duration), format_duration(longest_ns)
            yield (
                f"{self.path.stem} takes {takes} in real time; play it with --testbed-time virtual, "
                f"or with more than --testbed-longest '{longest}'"
            )

    def _items(
        self, scenario: Scenario, on_fleet: Sequence[FleetObjective], play: Play, suffix: str
    ) -> Iterable[ScenarioItem]:
        if not self.config.getoption("testbed_mutated"):
            for index, objective in enumerate(scenario.objectives):
                name = objective.key + suffix
                yield ObjectiveItem.from_parent(self, name=name, play=play, index=index, objective=objective)
            for index, asked in enumerate(on_fleet):
                name = f"fleet: {asked.title}{suffix}"
                yield FleetObjectiveItem.from_parent(self, name=name, play=play, index=index, objective=asked)
        elif scenario.mutation is not None:
            changed = ", ".join(map(str, scenario.mutation.changes))
            name = f"{changed} breaks {', '.join(scenario.mutation.fails)}{suffix}"
            yield MutationItem.from_parent(self, name=name, play=play, mutation=scenario.mutation)


class Play(NamedTuple):
    """Which of a scenario's runs an item looks at."""

    changes: tuple[Override, ...]
    repetition: int


class ScenarioItem(pytest.Item):
    """Something that a run of a scenario must show."""

    def __init__(self, *, play: Play, **more: Any) -> None:
        super().__init__(**more)
        self._play = play
        self.add_marker(pytest.mark.scenario(name=self.path.stem))

    def played(self) -> Played:
        """Return the run; it is run if no item asked for it before."""
        return runs_of(self.config).get(self.path.resolve(), *self._play)

    def setup(self) -> None:
        """Have the scenario run; a run that does not count is an error here."""
        played = self.played()
        if played.result is not None:
            self.user_properties += [*_properties(played.result), ("tries", str(played.tries))]
        if played.fault is not None:
            pytest.fail(str(played.fault), pytrace=False)


class MutationItem(ScenarioItem):
    """A scenario whose mutation must make it fail."""

    def __init__(self, *, mutation: Mutation, **more: Any) -> None:
        super().__init__(**more)
        self._mutation = mutation

    def runtest(self) -> None:
        """Look for the failures that the mutation promises."""
        from testbed.pytest_plugin.runs import evidence
        from testbed.result.verdict import Outcome

        result = self.played().counted()
        verdicts = result.record.verdicts
        failed = {verdict.metric for verdict in verdicts if verdict.outcome is Outcome.FAIL}
        if held := [metric for metric in self._mutation.fails if metric not in failed]:
            lines = "\n".join(verdict.line for verdict in verdicts)
            found = f"the scenario did not notice its mutation: {', '.join(held)} did not fail"
            pytest.fail(f"{found}\n{lines}\n{evidence(result)}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the mutation is written, lines counted from 0."""
        return self.path, self._mutation.place.line - 1, f"{self.path.stem}: {self.name}"


class ObjectiveItem(ScenarioItem):
    """An objective of a scenario in one of its runs."""

    def __init__(self, *, index: int, objective: Objective | FleetObjective, **more: Any) -> None:
        super().__init__(**more)
        self._index, self._objective = index, objective
        self.add_marker(getattr(pytest.mark, objective.metric))

    def _verdicts(self, record: Record) -> Sequence[Verdict | FleetVerdict]:
        return record.verdicts

    def runtest(self) -> None:
        """Take the verdict on the objective."""
        from testbed.pytest_plugin.runs import evidence
        from testbed.result.verdict import Outcome

        result = self.played().counted()
        verdict = self._verdicts(result.record)[self._index]
        if verdict.outcome is Outcome.INCONCLUSIVE and not self.config.getoption("testbed_strict"):
            pytest.skip(f"{self.path.stem}: {verdict.line}; {evidence(result)}")
        if verdict.outcome is not Outcome.PASS:
            pytest.fail(f"{verdict.line}\n{evidence(result)}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the objective is written, lines counted from 0."""
        return self.path, self._objective.place.line - 1, f"{self.path.stem}: {self._objective.title}"


class FleetObjectiveItem(ObjectiveItem):
    """An objective of the fleet that a scenario's hub is one of."""

    def _verdicts(self, record: Record) -> Sequence[FleetVerdict]:
        return record.fleet

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the scenario, whose fleet it is: the objective's own line is in the fleet's file."""
        return self.path, 0, f"{self.path.stem}: {self.name}"


def nth(repetition: int, count: int) -> str:
    return f"run {repetition} of {count}"


def _missing_recordings(traces: Iterable[str]) -> list[str]:
    """Return what cannot be played here: public recordings, known by name, that were not fetched.

    A trace that nobody knows is a mistake in the scenario, and left to those who look for them.
    """
    from testbed.traces import catalogue, store

    def here(name: str) -> bool:
        try:
            return store.find(name).is_file()
        except InputError:
            return False

    missing = [name for name in traces if name in catalogue.read().names and not here(name)]
    return [f"the recording {name} is not here; see 'testbed trace pull'" for name in missing]


def _properties(result: Result) -> list[tuple[str, object]]:
    """Return what an item's run was made of, for JUnit."""
    record = result.record
    commit = record.versions.commit + ("+dirty" if record.versions.dirty else "")
    traces = [i for i in record.inputs if i.role.startswith("trace of ")]
    return [
        ("commit", commit),
        ("seed", str(record.seed)),
        ("bench", record.bench),
        *((f"sha256 of {i.role}: {i.name}", i.sha256) for i in traces),
        ("results", str(result.folder)),
    ]
