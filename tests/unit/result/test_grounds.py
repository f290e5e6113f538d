"""What a verdict rests on: parts of the testbed that ended without being asked to."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from testbed.metrics.evidence import Evidence
from testbed.model.ends import EVERYTHING, End
from testbed.model.facts import Facts
from testbed.model.objective import Objective
from testbed.model.scenario import Scenario
from testbed.model.traffic import HttpGet, TcpTransfer, UdpEcho, UdpFlows
from testbed.paths import ROOT
from testbed.result import grounds
from testbed.result.record import MISSED, Fidelity
from testbed.result.verdict import Outcome, Verdict, evaluate
from tests.unit.result.records import S, record

FROM_TO: dict[str, Any] = {"from_": "client", "to": "tenant"}
TRAFFIC: dict[str, Any] = {
    "heartbeat": UdpEcho(kind="udp-echo", every=S // 10, name="heartbeat", **FROM_TO),
    "lessons": HttpGet(kind="http-get", catalogue="school-day", rate=10, name="lessons", from_="client2"),
    "backup": TcpTransfer(kind="tcp-transfer", direction="up", name="backup", **FROM_TO),
}
PROBE = End("irtt of heartbeat", "heartbeat", 8 * S, "killed by SIGKILL")
OTHER = End("the HTTP client of lessons", "lessons", 8 * S, "exit status 1")


def judged(bound: str, *ends: End) -> Verdict:
    """The verdict on a heartbeat of 60 s with one gap of 2 s."""
    objective = Objective("interruption", "heartbeat", at_most=bound)
    scenario = Scenario("hub-two-uplinks", 60 * S, {}, (objective,), traffic=TRAFFIC)
    times = range(0, 60 * S, S // 10)
    rtt = [None if 20 * S <= t < 22 * S else S // 50 for t in times]
    table = pa.table({"t_ns": pa.array(times, pa.int64()), "rtt_ns": pa.array(rtt, pa.int64())})
    evidence = Evidence(Facts(60 * S, ("starlink",)), {"heartbeat": table})
    return evaluate(scenario, evidence, grounds.invalid(ends), ends)[0]


@pytest.mark.parametrize("bound", ["3 s", "1 s"])
def test_an_objective_without_its_probe_is_inconclusive(bound: str) -> None:
    """Whether the rest of the samples would pass or fail: the verdict names the part and how it ended."""
    verdict = judged(bound, PROBE)

    assert Outcome.INCONCLUSIVE == verdict.outcome
    assert "irtt of heartbeat ended at 8 s: killed by SIGKILL" == verdict.reason


def test_a_pass_rests_on_all_traffic() -> None:
    """With other traffic gone the hub was asked less than the scenario asks: no pass."""
    verdict = judged("3 s", OTHER)

    assert Outcome.INCONCLUSIVE == verdict.outcome
    assert (
        "the HTTP client of lessons ended at 8 s: exit status 1; without lessons the hub was asked less"
        == verdict.reason
    )


def test_a_failure_stands_without_other_traffic() -> None:
    """The hub failed although it was asked less."""
    assert Outcome.FAIL == judged("1 s", OTHER).outcome


def test_a_part_of_everything_makes_the_run_invalid() -> None:
    """Without the tenant, the engine or a name service no objective counts."""
    verdict = judged("3 s", OTHER, End("linkd", EVERYTHING, 9 * S, "killed by SIGSEGV"))

    assert (Outcome.INVALID, "linkd ended at 9 s: killed by SIGSEGV") == (verdict.outcome, verdict.reason)


@pytest.mark.parametrize(
    ("objective", "streams"),
    [
        (Objective("interruption", "heartbeat", "3 s"), {"heartbeat"}),
        (Objective("ttfb_p95", at_most="1 s"), {"lessons"}),
        (Objective("sessions_survived", at_least="90 %"), {"backup"}),
        (Objective("stranded_sessions", "backup", "0"), {"backup", "heartbeat"}),
        (Objective("metered_bytes", at_most="1 MB"), {"heartbeat", "lessons", "backup"}),
    ],
)
def test_what_an_objective_is_measured_from(objective: Objective, streams: set[str]) -> None:
    """Its own traffic, the heartbeat where the carrier counts, everybody's where bytes on the links do."""
    scenario = Scenario("hub-two-uplinks", 60 * S, {}, (objective,), traffic=TRAFFIC)

    assert streams == grounds.measured(objective, scenario, Facts(60 * S, ("starlink",)))


def test_what_is_stranded_is_measured_from_new_flows_too() -> None:
    """The return that it counts from is that of new flows, where the scenario has a stream of them."""
    newcomers = UdpFlows(kind="udp-flows", from_="client", to="tenant", name="newcomers")
    traffic = {**TRAFFIC, "newcomers": newcomers}
    objective = Objective("stranded_sessions", "backup", "0")
    scenario = Scenario("hub-two-uplinks", 60 * S, {}, (objective,), traffic=traffic)

    facts = Facts(60 * S, ("starlink",), new_flows="newcomers")

    assert {"backup", "heartbeat", "newcomers"} == grounds.measured(objective, scenario, facts)


def test_metrics_by_carrier_are_known() -> None:
    """Whatever a metric's module reads of carriers, the metric is on the list, or measured from all traffic anyway."""
    reading = {
        path.stem
        for path in Path(ROOT / "testbed/metrics").glob("*.py")
        if re.search(r"evidence\.\w*carrier", path.read_text())
    }
    listed = {
        "failovers": {"failovers"},
        "flaps": {"flaps"},
        "false_alarms": {"false_alarms"},
        "return_to_preferred": {"return_to_preferred", "new_flows_return"},
        "stranded": {"stranded_time"},
        "ledger": {"stranded_sessions"},
    }

    assert reading - {"decomposition", "looks", "rtt_fidelity"} == set(listed)
    assert set().union(*listed.values()) == grounds.BY_CARRIER


def test_a_record_says_why_it_counts_for_nothing() -> None:
    """A part that ended comes first, then what the certificate says; a run that counts says nothing."""
    whole = record()
    dead = replace(whole, ends=(PROBE, End("Azurite", EVERYTHING, S, "exit status 1")))

    assert ["", "Azurite ended at 1 s: exit status 1", MISSED, "the links left no certificate"] == [
        whole.invalid,
        dead.invalid,
        replace(whole, fidelity=Fidelity(False, "late")).invalid,
        replace(whole, fidelity=None).invalid,
    ]
