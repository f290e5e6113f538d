"""junit.xml as a CI system reads it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from testbed.result import junit
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import State
from testbed.result.verdict import Outcome
from tests.unit.result.records import S, record, verdict


def test_one_case_for_each_objective(tmp_path: Path):
    """fail is a failure, invalid an error, inconclusive skipped with its reason."""
    invalid = replace(verdict(S), outcome=Outcome.INVALID, reason="late packets")
    junit.write(tmp_path, record(verdict(S), verdict(4 * S), verdict(S, 99), invalid))
    suite = ElementTree.parse(tmp_path / junit.FILE).getroot().find("testsuite")

    assert suite is not None
    assert ("4", "1", "1", "1") == tuple(suite.get(n) for n in ("tests", "failures", "errors", "skipped"))
    assert [
        None,
        "4 s, at most 3 s was asked",
        "99 probes sent, 100 are needed",
        "late packets",
    ] == [None if (p := _problem(case)) is None else p.get("message") for case in suite.iter("testcase")]


def test_objectives_on_a_fleet_are_cases() -> None:
    """What 450 hubs got stands beside what one hub did, and a missed one is a failure."""
    missed = FleetVerdict("loss of calls at most 2 %", "loss", "calls", Outcome.FAIL, 0.9, "90 %, worst hub-3 8 %")
    *_, case = junit.suites(record(verdict(S), fleet=(missed,))).iter("testcase")

    problem = _problem(case)
    assert ("fleet: loss of calls at most 2 %", "90 %, worst hub-3 8 %") == (
        case.get("name"), None if problem is None else problem.get("message"),
    )  # fmt: skip


def test_a_case_keeps_its_name_when_a_bound_changes() -> None:
    """A CI system's history of an objective goes on: its key is the name, and the bound stands in the output."""
    asked = [verdict(S), verdict(S, at_most="4 s")]
    cases = [case for one in asked for case in junit.suites(record(one)).iter("testcase")]

    assert ["interruption:heartbeat:at_most"] * 2 == [case.get("name") for case in cases]
    assert ["interruption of heartbeat at most 3 s", "interruption of heartbeat at most 4 s"] == [
        str(case.findtext("system-out")).splitlines()[0] for case in cases
    ]


def test_properties_say_where_it_came_from():
    """Commit, seed and hashes are properties of the suite; playbooks are left to result.json."""
    found = {p.get("name"): p.get("value") for p in junit.suites(record(verdict(S))).iter("property")}

    assert {
        "commit": "edbd048" + "0" * 33 + "+dirty",
        "seed": "7",
        "bench": "virtual",
        "tenant": "azurite",
        "question": "does LTE carry the hub?",
        "sha256 of scenario: starlink-blackout.yaml": "ab" * 32,
    } == found


def test_run_that_failed_is_an_error():
    """A run without verdicts is not an empty, passing suite."""
    (case,) = junit.suites(record(state=State.FAILED, error="hub: task failed")).iter("testcase")

    problem = _problem(case)
    assert problem is not None
    assert ("error", "the run is failed: hub: task failed") == (problem.tag, problem.get("message"))


def _problem(case: ElementTree.Element) -> ElementTree.Element | None:
    return next((child for child in case if child.tag in ("failure", "error", "skipped")), None)
