"""The whole program: a hub carried through an outage, judged; and every way a run can end."""

from __future__ import annotations

import os
import re
import signal
import xml.etree.ElementTree as ET
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from testbed.model.failover import PingTracking
from testbed.result.record import State
from testbed.result.store import Result
from tests.system.conftest import ByTheClock
from tests.system.run.conftest import SCENARIO, Testbed, events, on_a_calm_host, stolen_in, until
from tests.system.run.kill_matrix import LIGHT

STEPS = ("network", "links and services", "hub", "probes", "scenario", "samples")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """One whole run: its folder and its exit status."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    return on_a_calm_host(tmp_path_factory.mktemp("finished"), lambda results: play(results, SCENARIO))


def light(folder: Path) -> Path:
    """Write the scenario of four seconds into a folder."""
    (folder / "light.yaml").write_text(LIGHT)
    return folder / "light.yaml"


def play(results: Path, scenario: Path) -> tuple[Path, int]:
    """Run a scenario to its end; return the folder and the exit status."""
    testbed = Testbed(results)
    process = testbed.start(scenario)
    output, errors = process.communicate(timeout=300)
    assert "" == errors, output
    return testbed.result()[0], process.returncode


def test_the_hub_carries_on_and_the_run_says_so(finished: tuple[Path, int], by_the_clock: ByTheClock) -> None:
    """Every objective of the short blackout passes on the reference hub, and the exit status is 0."""
    folder, status = finished
    record = Result.load(folder).record

    assert State.COMPLETE == record.state
    with by_the_clock(stolen_in(record)):
        assert [] == [verdict.line for verdict in record.verdicts if verdict.outcome != "pass"]
        assert 0 == status


def test_the_interruption_is_what_the_timers_promise(
    finished: tuple[Path, int], by_the_clock: ByTheClock
) -> None:
    """The measured interruption lies within one second of the failover timers' promise."""
    result = Result.load(finished[0])
    measured = result.verdict("interruption").value
    promise = PingTracking(rise=2).promise

    assert measured is not None
    with by_the_clock(stolen_in(result.record)):
        assert promise.best_ns - 1e9 <= measured <= promise.worst_ns + 1e9


def test_the_carrier_can_be_asked_for(finished: tuple[Path, int], by_the_clock: ByTheClock) -> None:
    """Starlink carries before the outage and after it, LTE during it."""
    result = Result.load(finished[0])

    assert "starlink" == result.carrier("heartbeat", "3 s")
    with by_the_clock(stolen_in(result.record)):
        assert ["lte", "starlink"] == [result.carrier("heartbeat", at) for at in ("13 s", "23.5 s")]


def test_the_emulation_is_certified(finished: tuple[Path, int], by_the_clock: ByTheClock) -> None:
    """The run says how exact its links were, and how close the heartbeat's RTT came to the trace's."""
    record = Result.load(finished[0]).record
    fidelity = record.fidelity

    assert fidelity is not None
    with by_the_clock(stolen_in(record)):
        assert fidelity.valid, fidelity.reason
    assert {"starlink up", "starlink down", "lte up", "lte down"} == set(fidelity.links)
    assert all(0 == figures["unasked_losses"] for figures in fidelity.links.values())
    assert fidelity.rtt_error_p95_ns is not None


def test_the_evidence_is_kept(finished: tuple[Path, int], by_the_clock: ByTheClock) -> None:
    """Samples, inputs, figure, JUnit report and the logs of every process lie in the run's folder."""
    folder, _ = finished
    heartbeat = pq.read_table(folder / "samples" / "heartbeat.parquet")
    suites = ET.parse(folder / "junit.xml").getroot()
    logs = {str(path.relative_to(folder / "logs")) for path in (folder / "logs").rglob("*")}

    with by_the_clock(stolen_in(Result.load(folder).record)):
        assert (
            1000 <= heartbeat.num_rows <= 2600
        )  # 24 s, what leads up to them, less what a busy machine misses
    assert ["4"] == [suite.get("tests") for suite in suites]
    assert {"scenario.yaml", "topology.yaml", "job.json"} <= {p.name for p in (folder / "inputs").iterdir()}
    assert (folder / "timeline.png").stat().st_size > 50_000
    assert {
        "run.log",
        "azurite.log",
        "dnsmasq-dish.log",
        "ansible.log",
        "linkd.log",
        "hub/hub/keepalived.log",
    } <= logs


def test_no_secret_reaches_the_results(finished: tuple[Path, int]) -> None:
    """The SAS token's signature is nowhere in the run's folder."""
    files = [path for path in finished[0].rglob("*") if path.is_file()]

    assert [] == [path for path in files if re.search(rb"sig=(?!\*\*\*)", path.read_bytes())]


def test_a_hub_without_failover_fails(tmp_path: Path, untouched_host: None, by_the_clock: ByTheClock) -> None:
    """The objectives can fail: a hub that never fails over is interrupted for the whole outage; exit status 1."""
    scenario = tmp_path / "no-failover.yaml"
    unprotected = SCENARIO.read_text().replace("ping-tracked, timers: {rise: 2}", "none")
    scenario.write_text(unprotected.replace("24 s", "15 s").replace("at: 6 s", "at: 4 s"))
    folder, status = on_a_calm_host(tmp_path, lambda results: play(results, scenario))
    result = Result.load(folder)
    interruption = result.verdict("interruption")

    assert interruption.value is not None
    with by_the_clock(stolen_in(result.record)):
        assert (1, "fail") == (status, str(interruption.outcome))
        assert 8e9 <= interruption.value <= 9e9


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_run_leaves_nothing_but_its_results(
    step: str, testbed: Testbed, untouched_host: None, tmp_path: Path
) -> None:
    """SIGKILL in any step leaves a clean host and a readable result that says how far the run came."""
    process = testbed.start(light(tmp_path))
    until(process, "step", name=step, seconds=None)
    process.kill()
    process.wait(timeout=60)
    folder, _ = testbed.result()
    record = Result.load(folder).record

    assert State.RUNNING == record.state
    assert step in [begun.name for begun in record.steps]


def test_ctrl_c_writes_what_there_is(
    testbed: Testbed, untouched_host: None, by_the_clock: ByTheClock
) -> None:
    """SIGINT in the middle ends the run within seconds, its samples so far are written, exit status 3."""
    process = testbed.start(SCENARIO)
    until(process, "step", name="scenario", seconds=None)
    ticks = (event["t_ns"] for event in events(process) if event["event"] == "tick")
    next(t for t in ticks if t > 3e9)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    folder, _ = testbed.result()

    assert 3 == process.returncode
    assert State.INTERRUPTED == Result.load(folder).record.state
    rows = [pq.read_table(folder / "samples" / f"{name}.parquet").num_rows for name in ("heartbeat", "links")]
    assert min(rows) > 0
    with by_the_clock():
        assert rows[0] > 250
        assert rows[1] > 100


def test_ctrl_c_before_the_scenario_is_an_interruption(testbed: Testbed, untouched_host: None) -> None:
    """SIGINT while the hub is provisioned ends the run too: interrupted, exit status 3."""
    process = testbed.start(SCENARIO)
    until(process, "step", name="hub", seconds=None)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    record = Result.load(testbed.result()[0]).record

    assert (3, State.INTERRUPTED, "interrupted") == (process.returncode, record.state, record.error)


def test_two_runs_at_once_do_not_meet(tmp_path: Path, untouched_host: None) -> None:
    """Two runs beside each other both complete, each with its own folder and its own network."""
    both = [Testbed(tmp_path / name) for name in ("a", "b")]
    processes = [testbed.start(light(tmp_path)) for testbed in both]
    for process in processes:
        process.communicate(timeout=400)
    records = [Result.load(testbed.result()[0]).record for testbed in both]

    assert [State.COMPLETE] * 2 == [record.state for record in records]


def test_bad_input_starts_nothing(testbed: Testbed, tmp_path: Path) -> None:
    """A mistake in the scenario is answered with exit status 2, and no results folder is made."""
    scenario = tmp_path / "bad.yaml"
    scenario.write_text(SCENARIO.read_text().replace("outage: 8 s", "outage: 8"))
    process = testbed.start(scenario)
    _, errors = process.communicate(timeout=60)

    assert 2 == process.returncode
    assert "bad.yaml:14: outage is '8'; write a duration" in errors
    assert not testbed.results.exists()
