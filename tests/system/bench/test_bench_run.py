"""A whole run with a hub that is not virtual: provisioned over SSH, judged alike, its NICs given back."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from testbed import paths
from testbed.result.record import State
from testbed.result.store import Result
from tests.system.bench.conftest import Hardware, nics
from tests.system.conftest import ByTheClock
from tests.system.run.conftest import SCENARIO, Testbed, on_a_calm_host, stolen_in, until
from tests.system.run.host import ENDS_S


@pytest.fixture(scope="module")
def finished(hardware: Hardware, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, int]:
    """One whole run on the bench: its result and its exit status."""

    def play(results: Path) -> tuple[Result, int]:
        testbed, before = Testbed(results), nics()
        process = testbed.start(SCENARIO, "--bench", hardware.bench)
        output, errors = process.communicate(timeout=300)
        assert "" == errors, output
        assert before == nics()
        return Result.load(testbed.result()[0]), process.returncode

    return on_a_calm_host(tmp_path_factory.mktemp("finished"), play)


def test_the_hub_on_the_bench_is_judged_as_the_virtual_one(
    finished: tuple[Result, int], by_the_clock: ByTheClock
) -> None:
    """The short blackout passes on the hub that is reached over its cables and SSH."""
    result, status = finished

    assert State.COMPLETE == result.record.state
    with by_the_clock(stolen_in(result.record)):
        assert [] == [verdict.line for verdict in result.record.verdicts if verdict.outcome != "pass"]
        assert 0 == status
        assert ["starlink", "lte"] == [result.carrier("heartbeat", at) for at in ("3 s", "13 s")]


def test_the_result_says_which_bench(finished: tuple[Result, int], hardware: Hardware) -> None:
    """Result and JUnit report name the bench, its file's hash is among the inputs, and no key's path is kept."""
    result, _ = finished
    junit = ET.parse(result.folder / "junit.xml").getroot()
    hashes = {i.role: i.sha256 for i in result.record.inputs}
    texts = [path.read_bytes() for path in result.folder.rglob("*") if path.is_file()]

    assert "shelf" == result.record.bench
    assert ["shelf"] == [p.get("value") for p in junit.iter("property") if p.get("name") == "bench"]
    assert hashlib.sha256(hardware.bench.read_bytes()).hexdigest() == hashes["bench"]
    assert [] == [text for text in texts if str(hardware.folder / "client").encode() in text]


def test_the_hub_s_own_logs_are_fetched(finished: tuple[Result, int]) -> None:
    """What the hub's programs logged lies where a virtual hub's logs lie."""
    logs = finished[0].folder / "logs" / "hub"

    assert {"hub/keepalived.log", "hub/uplinks.jsonl", "nginx/access.jsonl"} <= {
        str(path.relative_to(logs)) for path in logs.rglob("*")
    }


def test_pytest_takes_the_bench_and_the_hub_forgets_the_run_before(
    finished: tuple[Result, int], hardware: Hardware, tmp_path: Path, by_the_clock: ByTheClock
) -> None:
    """``pytest --testbed-bench``: on the hardware a failover of the run before no longer saves the heartbeat."""

    def play(results: Path) -> tuple[int, dict[str, ET.Element]]:
        junit = tmp_path / "junit.xml"
        options = [
            "--testbed-bench",
            hardware.bench,
            "--testbed-set",
            "hub.failover=none",
            "--junitxml",
            junit,
        ]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            "--testbed-results",
            results,
            *options,
        ]
        done = subprocess.run([*command, SCENARIO], cwd=paths.ROOT, capture_output=True, timeout=300)
        return done.returncode, {str(c.get("name")): c for c in ET.parse(junit).getroot().iter("testcase")}

    status, cases = on_a_calm_host(tmp_path, play)
    interruption = next(case for name, case in cases.items() if name.startswith("interruption"))

    with by_the_clock():
        assert pytest.ExitCode.TESTS_FAILED == status, {n: [*c.itertext()] for n, c in cases.items()}
        assert interruption.find("failure") is not None, [*interruption.itertext()]
    assert {"shelf"} == {
        p.get("value") for case in cases.values() for p in case.iter("property") if p.get("name") == "bench"
    }
    assert "" == hardware.sh("ps -C keepalived -o pid= || true")


@pytest.mark.parametrize("step", ["network", "hub", "scenario"])
def test_a_killed_run_gives_the_nics_back(step: str, hardware: Hardware, tmp_path: Path) -> None:
    """SIGKILL of the run's process in any step: seconds later the lab host has its NICs as they were."""
    before = nics()
    process = Testbed(tmp_path / "results").start(SCENARIO, "--bench", hardware.bench)
    until(process, "step", name=step, seconds=None)
    process.kill()
    process.wait(timeout=60)
    deadline = time.monotonic() + ENDS_S
    while (after := nics()) != before and time.monotonic() < deadline:
        time.sleep(0.1)

    assert before == after


def test_ctrl_c_gives_the_nics_back(hardware: Hardware, tmp_path: Path) -> None:
    """When an interrupted run has ended, the lab host has its NICs as they were."""
    before, testbed = nics(), Testbed(tmp_path / "results")
    process = testbed.start(SCENARIO, "--bench", hardware.bench)
    until(process, "step", name="scenario", seconds=None)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert 3 == process.returncode
    assert before == nics()
    assert State.INTERRUPTED == Result.load(testbed.result()[0]).record.state


def test_a_hub_is_in_use_by_one_run_at_a_time(hardware: Hardware, tmp_path: Path) -> None:
    """A second run on the bench is told who has it; so is one whose bench file names the same NICs otherwise."""
    first = Testbed(tmp_path / "first").start(SCENARIO, "--bench", hardware.bench)
    until(first, "step", name="links and services", seconds=None)
    second, twin = Testbed(tmp_path / "second"), hardware.write_bench("twin")
    _, refused = second.start(SCENARIO, "--bench", hardware.bench).communicate()
    _, lent = second.start(SCENARIO, "--bench", twin).communicate()
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)

    assert "testbed: hub shelf is in use by " in refused
    assert f"(smoke, process {first.pid}); add --wait to wait for it" in refused
    assert "twin.yaml:2: NIC 'nicA' is lent to another run; wait until that run is over" in lent
    assert not (tmp_path / "second").exists()


def test_a_hub_that_does_not_answer_is_said_so(hardware: Hardware, tmp_path: Path) -> None:
    """Exit status 3, and the message says what was tried and for how long."""
    silent = hardware.write_bench("silent", "key: client, answers_within: 1 s").read_text()
    (hardware.folder / "silent.yaml").write_text(silent.replace("192.168.10.1,", "192.168.10.77,"))
    process = Testbed(tmp_path / "results").start(SCENARIO, "--bench", hardware.folder / "silent.yaml")
    output, _ = process.communicate(timeout=120)
    notes = [event["text"] for event in map(json.loads, output.splitlines()) if event["event"] == "note"]

    assert 3 == process.returncode
    assert any(
        "hub: no answer within 1 s to ssh root@192.168.10.77 -p 22 from client with the key client: ssh: connect to "
        "host 192.168.10.77 port 22: No route to host" in note
        for note in notes
    ), notes
