"""pytest for scenarios: ``pytest scenarios/`` has one item for each objective; ``lab`` serves an engineer's tests.

An objective that is missed is a failure; a run that does not count (it is invalid, or it broke) is an
error of all its items; what could not be told, or not be run on this host, is a skip. With ``--mutated``
each scenario has one item instead: its mutation must make it fail. See docs/pytest.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.bench import VIRTUAL
from testbed.model.objective import METRICS, Objective
from testbed.yaml.overrides import Override

if TYPE_CHECKING:
    from testbed.model.scenario import Mutation, Scenario
    from testbed.pytest_plugin.runs import Lab, Played, Runs
    from testbed.result.store import Result

# The parts that run and judge are imported where they are used: pytest loads this module at every
# start, for tests of other things too, and they take longer to load than pytest itself.

_SUPPORTED: Mapping[str, Sequence[str]] = {"link": ("native", "netem"), "tenant": ("azurite",)}
_OTHER_FOLDERS = {"catalogues", "profiles", "traces"}  # what lies beside the scenarios
_RUNS = pytest.StashKey["Runs"]()
_BENCH = pytest.StashKey[Path | None]()


class ScenarioFile(pytest.File):
    """A scenario's YAML file: an item for each objective and repetition. Nothing is run to collect it."""

    def collect(self) -> Iterable[ScenarioItem]:
        """Check the whole scenario and yield its items. What is wrong with it is a collection error."""
        from testbed.model.scenario import read_scenario

        changes = tuple(self.config.getoption("set"))
        try:
            scenario = read_scenario(self.path, changes)
            if self.config.getoption("mutated") and scenario.mutation is not None:
                changes += scenario.mutation.changes
                scenario = read_scenario(self.path, changes)
            missing = _missing_recordings(uplink.trace for uplink in scenario.uplinks.values())
            if not missing:
                _runs(self.config).make(self.path, changes)
        except InputError as error:
            raise self.CollectError(str(error)) from error
        count = self.config.getoption("repeat")
        for repetition in range(1, count + 1):
            suffix = f" [{_nth(repetition, count)}]" if count > 1 else ""
            for item in self._items(scenario, Play(changes, repetition), suffix):
                for tag in scenario.tags:
                    self.config.addinivalue_line("markers", f"{tag}: a tag of scenarios")
                    item.add_marker(tag)
                for reason in missing:
                    item.add_marker(pytest.mark.skip(reason=reason))
                yield item

    def _items(self, scenario: Scenario, play: Play, suffix: str) -> Iterable[ScenarioItem]:
        if not self.config.getoption("mutated"):
            for index, objective in enumerate(scenario.objectives):
                name = objective.title + suffix
                yield ObjectiveItem.from_parent(self, name=name, play=play, index=index, objective=objective)
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
        return _runs(self.config).get(self.path.resolve(), *self._play)

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

    def __init__(self, *, index: int, objective: Objective, **more: Any) -> None:
        super().__init__(**more)
        self._index, self._objective = index, objective
        self.add_marker(getattr(pytest.mark, objective.metric))

    def runtest(self) -> None:
        """Take the verdict on the objective."""
        from testbed.pytest_plugin.runs import evidence
        from testbed.result.verdict import Outcome

        result = self.played().counted()
        verdict = result.record.verdicts[self._index]
        if verdict.outcome is Outcome.INCONCLUSIVE:
            pytest.skip(f"{self.path.stem}: {verdict.line}; {evidence(result)}")
        if verdict.outcome is not Outcome.PASS:
            pytest.fail(f"{verdict.line}\n{evidence(result)}", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the objective is written, lines counted from 0."""
        return self.path, self._objective.place.line - 1, f"{self.path.stem}: {self.name}"


def _nth(repetition: int, count: int) -> str:
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


def _runs(config: pytest.Config) -> Runs:
    from testbed.pytest_plugin.runs import Runs

    return config.stash.setdefault(_RUNS, Runs(config, config.stash[_BENCH]))


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """Runs scenarios: ``lab.run("starlink-blackout")`` returns the result of the session's one run of it."""
    from testbed.pytest_plugin.runs import Lab

    return Lab(_runs(request.config), getattr(request, "param", 1))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the tests that use ``lab``, as the objectives are repeated."""
    count = metafunc.config.getoption("repeat")
    if count > 1 and "lab" in metafunc.fixturenames:
        numbers = range(1, count + 1)
        metafunc.parametrize(
            "lab", numbers, indirect=True, scope="session", ids=[_nth(n, count) for n in numbers]
        )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect scenarios; a YAML file named on the command line is taken for one, wherever it lies."""
    found = is_scenario(file_path, parent.config.rootpath) or parent.session.isinitpath(file_path)
    if file_path.suffix != ".yaml" or not found:
        return None
    collected: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return collected


def is_scenario(path: Path, root: Path) -> bool:
    """Whether a YAML file is a scenario by its place: below a folder ``scenarios`` that ``root`` holds or is."""
    between: set[str] = set()
    for folder in path.parents:
        if folder.name == "scenarios":
            return path.name != paths.DATASETS.name and between.isdisjoint(_OTHER_FOLDERS)
        if folder == root:
            break
        between.add(folder.name)
    return False


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of runs."""
    group = parser.getgroup("testbed", "runs of scenarios")
    group.addoption(
        "--repeat", metavar="N", type=_count, default=1, help="run each scenario N times (default: 1)"
    )
    group.addoption(
        "--retry-invalid",
        metavar="N",
        type=_count_or_none,
        default=0,
        help="run a scenario again whose emulation missed its fidelity budget, N times at most (default: 0)",
    )
    group.addoption(
        "--results", metavar="DIR", default=paths.RESULTS, help="where runs are written (default: results/)"
    )
    group.addoption(
        "--set",
        metavar="KEY=VALUE",
        type=_override,
        action="append",
        default=[],
        help="change a value of every scenario, such as hub.failover=bgp-bfd; repeatable",
    )
    group.addoption(
        "--mutated",
        action="store_true",
        help="run each scenario with its mutation, which must make it fail",
    )
    group.addoption(
        "--bench", metavar="FILE", default=VIRTUAL, help="the bench of the hub (default: virtual)"
    )
    for name, what in (("link", "the link engine"), ("tenant", "the tenant")):
        known = _SUPPORTED[name]
        group.addoption(f"--{name}", default=known[0], help=f"{what}; supported: {', '.join(known)}")


def _count(text: str) -> int:
    return _whole(text, 1)


def _count_or_none(text: str) -> int:
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r}: write a whole number from {least}")
    return int(text)


def _override(text: str) -> Override:
    try:
        return Override.parse(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _bench(name: str) -> Path | None:
    if name == VIRTUAL:
        return None
    from testbed.lab import bench

    try:
        return bench.find(name)
    except InputError as error:
        raise pytest.UsageError(f"--bench: {error}") from error


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what is not supported, and declare the markers."""
    for name, known in _SUPPORTED.items():
        if (value := config.getoption(name)) not in known:
            raise pytest.UsageError(f"--{name} {value} is not supported; supported: {', '.join(known)}")
    config.stash[_BENCH] = _bench(config.getoption("bench"))
    config.addinivalue_line("markers", "scenario(name): an objective of a YAML scenario")
    for name, metric in METRICS.items():
        config.addinivalue_line("markers", f"{name}: an objective on the metric: {metric.summary}")
