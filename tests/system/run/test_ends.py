"""A part of the testbed that dies in the middle of a run: the run says so, and blames no hub for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.lab.parts import STOPPED
from testbed.result.record import Record, State
from testbed.result.store import Result
from testbed.result.verdict import Outcome
from tests.system.run.conftest import Testbed, events, until
from tests.system.run.processes import named

SCENARIO = """\
# does a dead part show?
topology: hub-two-uplinks
duration: 6 s
uplinks:
  starlink: {fixed: {delay: 20 ms}, dish: true}
  lte: {fixed: {delay: 30 ms}}
hub: {failover: ping-tracked, cache: on}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
  lessons: {kind: http-get, from: client2, catalogue: school-day, rate: 5/s}
fidelity: {late_share: 100 %, late_max: 1 s, away_share: 50 %, wait_max: 60 s}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 5 s}
  - {metric: availability, of: lessons, at_least: 1 %}
"""


def test_a_reader_that_goes_away_costs_no_evidence(testbed: Testbed, tmp_path: Path) -> None:
    """As in `testbed run --json | head -1`: the run goes on to its end, judged and kept; then the pipe is the error."""
    scenario = tmp_path / "unwatched.yaml"
    scenario.write_text(SCENARIO)
    process = testbed.start(scenario)
    until(process, "step", name="network", seconds=None)
    assert process.stdout
    process.stdout.close()
    status = process.wait(timeout=120)
    record = Result.load(testbed.result()[0]).record

    assert (141, State.COMPLETE) == (status, record.state)
    assert ["pass", "pass"] == [verdict.outcome for verdict in record.verdicts]


@pytest.mark.parametrize(
    ("words", "part", "outcomes"),
    [
        ("probes.http_client", "the HTTP client of lessons", ("inconclusive", "inconclusive")),
        ("irtt server", "the server of heartbeat", ("inconclusive", "inconclusive")),
        ("azurite/dist", "Azurite", ("invalid", "invalid")),
        ("--dhcp-range=100.64", "dnsmasq of dish", ("invalid", "invalid")),
        ("dish.server", "dish of starlink", ("invalid", "invalid")),
        ("build/linkd", "linkd", ("invalid", "invalid")),
    ],
)
def test_a_dead_part_is_no_verdict_on_the_hub(
    words: str, part: str, outcomes: tuple[Outcome, ...], testbed: Testbed, tmp_path: Path
) -> None:
    """Killed after two seconds: no objective passes or fails, each says which part ended; exit status 3."""
    record = killed(testbed, tmp_path, SCENARIO, lambda pid: named(pid, words))

    assert part in [end.part for end in record.ends]
    assert outcomes == tuple(verdict.outcome for verdict in record.verdicts)
    assert all(f"{part} ended at" in verdict.reason for verdict in record.verdicts)
    assert all("killed by SIGKILL" in verdict.reason for verdict in record.verdicts)


@pytest.mark.parametrize(
    ("words", "part"), [("probes.http_client", "the HTTP client of lessons"), ("build/linkd", "linkd")]
)
def test_a_hung_part_is_no_verdict_on_the_hub(
    words: str, part: str, testbed: Testbed, tmp_path: Path
) -> None:
    """A part that is there and does nothing measures nothing; the run ends all the same, with its evidence."""
    record = killed(testbed, tmp_path, SCENARIO, lambda pid: named(pid, words), signal.SIGSTOP)

    assert [(part, STOPPED)] == [(end.part, end.how) for end in record.ends]
    assert {"pass", "fail"} & {verdict.outcome for verdict in record.verdicts} == set()


def test_a_daemon_of_the_edge_is_a_part(testbed: Testbed, tmp_path: Path) -> None:
    """The far end of the hub's BGP sessions is the testbed's: without its bgpd the run is invalid."""
    scenario = SCENARIO.replace("ping-tracked", "bgp-bfd")
    record = killed(testbed, tmp_path, scenario, lambda pid: named(pid, "frr/bgpd", "edge"))

    assert ["bgpd of edge"] == [end.part for end in record.ends]
    assert {"invalid"} == {verdict.outcome for verdict in record.verdicts}


def killed(
    testbed: Testbed,
    folder: Path,
    text: str,
    victim: Callable[[int], int],
    by: signal.Signals = signal.SIGKILL,
) -> Record:
    """Return what a run says of whom a process was killed in the middle; its exit status is 3."""
    scenario = folder / "dead-part.yaml"
    scenario.write_text(text)
    process = testbed.start(scenario)
    until(process, "step", name="scenario", seconds=None)
    next(event for event in events(process) if event["event"] == "tick" and event["t_ns"] > 2e9)
    os.kill(victim(process.pid), by)
    process.communicate(timeout=120)
    record = Result.load(testbed.result()[0]).record

    assert (3, State.COMPLETE) == (process.returncode, record.state)
    return record
