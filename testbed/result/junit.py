"""junit.xml: one test case for each objective, those on a fleet too, for CI systems."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import Record, State, iso
from testbed.result.verdict import Outcome, Verdict

FILE = "junit.xml"
# JUnit knows no "could not tell": an invalid run is an error, an inconclusive objective is skipped.
_TAGS = {Outcome.FAIL: "failure", Outcome.INVALID: "error", Outcome.INCONCLUSIVE: "skipped"}


def write(folder: Path, record: Record) -> None:
    """Write the record's verdicts to junit.xml in a result's folder."""
    tree = ElementTree.ElementTree(suites(record))
    ElementTree.indent(tree)
    tree.write(folder / FILE, encoding="utf-8", xml_declaration=True)


def suites(record: Record) -> ElementTree.Element:
    """Return the document: one suite, named after the scenario."""
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", name=record.title, time=_seconds(record))
    if record.started_ns is not None:
        suite.set("timestamp", str(iso(record.started_ns)))
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(record).items():
        ElementTree.SubElement(properties, "property", name=name, value=value)
    for verdict in record.verdicts:
        _case(suite, record, verdict)
    for on_fleet in record.fleet:
        _fleet_case(suite, record, on_fleet)
    if record.state is not State.COMPLETE:
        case = ElementTree.SubElement(
            suite, "testcase", classname=record.scenario, name="run", time=_seconds(record)
        )
        ElementTree.SubElement(
            case, "error", message=f"the run is {record.state}: {record.error or 'it was cut short'}"
        )
    count(suite)
    return root


def _case(suite: ElementTree.Element, record: Record, verdict: Verdict) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=record.scenario, name=verdict.key or verdict.title, time=_seconds(record)
    )
    if verdict.outcome in _TAGS:
        message = verdict.reason or f"{verdict.measured}, {verdict.bound_text} was asked"
        problem = ElementTree.SubElement(case, _TAGS[verdict.outcome], message=message)
        problem.text = verdict.line
    ElementTree.SubElement(case, "system-out").text = (
        f"{verdict.title}\nvalue: {verdict.measured}\nbound: {verdict.bound_text}\n"
        f"samples: {verdict.samples} (at least {verdict.minimum_samples} are needed)"
    )


def _fleet_case(suite: ElementTree.Element, record: Record, verdict: FleetVerdict) -> None:
    name = f"fleet: {verdict.title}"
    case = ElementTree.SubElement(suite, "testcase", classname=record.scenario, name=name, time=_seconds(record))
    if verdict.outcome in _TAGS:
        problem = ElementTree.SubElement(case, _TAGS[verdict.outcome], message=verdict.reason or verdict.measured)
        problem.text = verdict.line
    ElementTree.SubElement(case, "system-out").text = f"{verdict.title}\nvalue: {verdict.measured}"


def count(suite: ElementTree.Element) -> None:
    """Note in a suite how many cases it has, and what became of them."""
    counts = {"tests": "testcase", "failures": "testcase/failure", "errors": "testcase/error"}
    for name, path in {**counts, "skipped": "testcase/skipped"}.items():
        suite.set(name, str(len(suite.findall(path))))


def _properties(record: Record) -> dict[str, str]:
    hashes = {f"sha256 of {i.role}: {i.name}": i.sha256 for i in record.inputs if i.role != "playbook"}
    return {
        "commit": record.versions.commit + ("+dirty" if record.versions.dirty else ""),
        "seed": str(record.seed),
        "bench": record.bench,
        "tenant": record.tenant.account or record.tenant.kind,
        "question": record.question,
        **hashes,
    }


def _seconds(record: Record) -> str:
    return f"{record.duration_ns / 1e9:.3f}"
