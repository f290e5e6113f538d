"""pytest for scenarios: ``pytest scenarios/`` has one item for each objective; ``lab`` serves an engineer's tests.

An objective that is missed is a failure; a run that does not count (it is invalid, or it broke) is an
error of all its items; what could not be told, or not be run on this host, is a skip. With
``--testbed-mutated`` each scenario has one item instead: its mutation must make it fail. See docs/pytest.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testbed import paths
from testbed.model.fleet_objective import FLEET_METRICS
from testbed.model.objective import METRICS
from testbed.pytest_plugin import options, shared
from testbed.pytest_plugin.items import ScenarioFile, nth, runs_of

if TYPE_CHECKING:
    from testbed.pytest_plugin.runs import Lab

_OTHER_FOLDERS = {"catalogues", "profiles", "traces"}  # what lies beside the scenarios
_KEYS = ("topology:", "objectives:")  # what a scenario cannot do without


@pytest.fixture(scope="session")
def lab(request: pytest.FixtureRequest) -> Lab:
    """Runs scenarios: ``lab.run("starlink-blackout")`` returns the result of the session's one run of it."""
    from testbed.pytest_plugin.runs import Lab

    return Lab(runs_of(request.config), getattr(request, "param", 1))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the tests that use ``lab``, as the objectives are repeated."""
    count = metafunc.config.getoption("testbed_repeat")
    if count > 1 and "lab" in metafunc.fixturenames:
        numbers = range(1, count + 1)
        metafunc.parametrize(
            "lab", numbers, indirect=True, scope="session", ids=[nth(n, count) for n in numbers]
        )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> ScenarioFile | None:
    """Collect scenarios: what lies in their folders, and what is named on the command line and looks like one."""
    if file_path.suffix != ".yaml":
        return None
    named = parent.session.isinitpath(file_path) and _looks_like_one(file_path)
    if not named and not is_scenario(file_path, options.scenario_folders(parent.config)):
        return None
    collected: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return collected


def is_scenario(path: Path, folders: Sequence[Path]) -> bool:
    """Whether a YAML file is a scenario by its place: below one of ``folders``, but for what lies beside them."""
    return any(
        path.name != paths.DATASETS.name and _OTHER_FOLDERS.isdisjoint(path.relative_to(folder).parts[:-1])
        for folder in folders
        if path.is_relative_to(folder)
    )


def _looks_like_one(path: Path) -> bool:
    """Whether a YAML file has a scenario's keys: another plugin's YAML files are not ours."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.startswith(_KEYS) for line in lines)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of runs."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse what is not supported, and declare the markers."""
    options.check(config)
    config.addinivalue_line("markers", "scenario(name): an objective of a YAML scenario")
    for name, metric in METRICS.items():
        config.addinivalue_line("markers", f"{name}: an objective on the metric: {metric.summary}")
    for name, figure in FLEET_METRICS.items():
        config.addinivalue_line("markers", f"{name}: an objective on a fleet's figure: {figure.summary}")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all objectives of a scenario to one of pytest-xdist's workers (``-n``), which then need not wait."""
    if config.getoption("dist") != "load" or not options.scenario_folders(config):
        return None
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Note where the workers meet."""
    shared.remember(node.config, node.workerinput["testrunuid"])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Forget what the workers told each other."""
    shared.forget(session.config)
