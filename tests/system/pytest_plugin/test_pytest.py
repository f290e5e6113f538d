"""pytest as an engineer starts it: a scenario's items and the documented tests on one real run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed import paths
from testbed.result.record import State
from testbed.result.store import Result
from tests.system.conftest import ByTheClock
from tests.system.run.conftest import on_a_calm_host, stolen_in

SMOKE = "scenarios/smoke.yaml"
SHORT = """
topology: hub-two-uplinks
duration: 6 s
uplinks:
  starlink: {fixed: {delay: 25 ms}}
  lte: {fixed: {delay: 40 ms}}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
objectives:
  - {metric: packets_lost, at_most: 1000}
  - {metric: failovers, at_most: 1000}
  - {metric: interruption, of: heartbeat, at_most: 100 s}
"""
EXAMPLES = re.findall(r"```python\n(.*?)```", (paths.ROOT / "docs" / "pytest.md").read_text(), re.DOTALL)


@dataclass(frozen=True)
class Session:
    """A session of pytest that is over; ``results`` is the folder of its run."""

    folder: Path
    results: Path
    output: str
    status: int

    @property
    def cases(self) -> dict[str, ET.Element]:
        """The test cases of its JUnit report by name."""
        root = ET.parse(self.folder / "junit.xml").getroot()
        return {str(case.get("name")): case for case in root.iter("testcase")}


def start(folder: Path, results: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start pytest in the project's folder; all that it writes goes into the two folders."""
    (folder / "tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pytest", "-c", "pyproject.toml", "-p", "no:cacheprovider"]
    written = ["--testbed-results", str(results), "--junitxml", str(folder / "junit.xml")]
    return subprocess.Popen(
        [*command, *written, *arguments],
        cwd=paths.ROOT,
        env=os.environ | {"TMPDIR": str(folder / "tmp")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The short scenario and the documented tests, in one session."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    folder = tmp_path_factory.mktemp("session")
    for number, example in enumerate(EXAMPLES):
        (folder / f"test_example_{number}.py").write_text(example)

    def play(results: Path) -> Session:
        process = start(folder, results, SMOKE, str(folder))
        output, _ = process.communicate(timeout=300)
        return Session(folder, results, output, process.returncode)

    return on_a_calm_host(tmp_path_factory.mktemp("results"), play)


def test_objectives_and_documented_tests_pass(session: Session, by_the_clock: ByTheClock) -> None:
    """The objectives of the short scenario are items, and the three examples of docs/pytest.md are right."""
    examples = [name for name in session.cases if name.startswith("test_")]
    (folder,) = session.results.iterdir()

    assert (3, 7) == (len(examples), len(session.cases)), session.output
    with by_the_clock(stolen_in(Result.load(folder).record)):
        assert 0 == session.status, session.output


def test_all_of_them_share_one_run(session: Session) -> None:
    """Seven items and tests, and one folder of results."""
    (folder,) = session.results.iterdir()

    assert State.COMPLETE == Result.load(folder).record.state


def test_the_report_names_what_was_run(session: Session) -> None:
    """The properties of an item are those of the run's own record."""
    (folder,) = session.results.iterdir()
    record = json.loads((folder / "result.json").read_text())
    case = session.cases["failovers:heartbeat:at_most"]
    properties = {p.get("name"): p.get("value") for p in case.iter("property")}

    assert str(folder) == properties["results"]
    assert record["versions"]["commit"] == str(properties["commit"]).removesuffix("+dirty")
    traces = {i["sha256"] for i in record["inputs"] if i["role"].startswith("trace of ")}
    assert traces == {
        value for name, value in properties.items() if str(name).startswith("sha256 of trace of ")
    }


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A scenario of six seconds with three objectives, in a project of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    scenario = tmp_path / "short.yaml"
    scenario.write_text(SHORT)
    return scenario


def test_workers_share_one_run(short: Path, tmp_path: Path) -> None:
    """With two workers, however items are dealt out, a scenario is run once, and all its objectives are told."""
    process = start(tmp_path, tmp_path / "results", "-n", "2", "--dist", "worksteal", str(short))
    output, _ = process.communicate(timeout=300)
    (folder,) = (tmp_path / "results").iterdir()

    assert State.COMPLETE == Result.load(folder).record.state, output
    cases = list(ET.parse(tmp_path / "junit.xml").getroot().iter("testcase"))
    where = [{p.get("name"): p.get("value") for p in case.iter("property")}["results"] for case in cases]
    assert [str(folder)] * 3 == where
    assert [] == list((tmp_path / "tmp").glob("testbed-pytest-*"))


def test_a_time_out_ends_the_run_once(short: Path, tmp_path: Path) -> None:
    """pytest-timeout ends the only run there is; nothing is started again for the other objectives."""
    process = start(tmp_path, tmp_path / "results", "--timeout", "8", str(short))
    output, _ = process.communicate(timeout=300)
    (folder,) = (tmp_path / "results").iterdir()

    assert pytest.ExitCode.TESTS_FAILED == process.returncode
    assert State.COMPLETE != Result.load(folder).record.state
    errors = ET.parse(tmp_path / "junit.xml").getroot().iter("error")
    told = [str(error.text) for error in errors]
    assert (3, 2) == (len(told), sum("the run of short was ended: Timeout" in text for text in told)), output


def test_ctrl_c_ends_the_run_politely(tmp_path: Path) -> None:
    """SIGINT while the scenario plays ends pytest with its status for it; what was measured is written."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    process = start(tmp_path, tmp_path / "results", "-s", SMOKE)
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if "carried by" in line:
            break
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    (folder,) = (tmp_path / "results").iterdir()

    assert pytest.ExitCode.INTERRUPTED == process.returncode, "".join(said) + output
    assert "smoke was interrupted; evidence: " in output
    assert State.INTERRUPTED == Result.load(folder).record.state
