"""A run in the formats of other tools."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testbed import export
from testbed.cli import main
from testbed.result.store import Result
from tests.unit.plots.blackout import START, S, Story, make


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("run")
    made = make(folder, Story())
    said = folder / "logs" / "hub" / "hub"
    said.mkdir(parents=True)
    entry = {"at_ns": START + 33 * S, "uplink": "starlink", "state": "avoided"}
    (said / "uplinks.jsonl").write_text(json.dumps(entry) + "\n")
    return made


@pytest.fixture(scope="module")
def families(result: Result) -> dict[str, Any]:
    """The run's metrics as Prometheus' own parser reads them: it refuses what is not OpenMetrics."""
    parser = pytest.importorskip("prometheus_client.openmetrics.parser")
    _, text = export.FORMATS["openmetrics"]
    return {family.name: family for family in parser.text_string_to_metric_families(text(result))}


def value(family: Any, at_s: float, **labels: str) -> float:
    """The value of a series at a time since the start."""
    (found,) = [
        sample.value
        for sample in family.samples
        if labels.items() <= sample.labels.items() and abs(float(sample.timestamp) - START / S - at_s) < 0.001
    ]
    return float(found)


def test_prometheus_reads_units_and_types(families: dict[str, Any]) -> None:
    """Each quantity has its base unit, and its kind."""
    told = {name: (family.type, family.unit) for name, family in families.items()}

    assert ("counter", "bytes") == told["testbed_link_bytes"]
    assert ("gauge", "seconds") == told["testbed_rtt_seconds"]
    assert ("gauge", "seconds") == told["testbed_objective_value_seconds"]
    assert ("counter", "") == told["testbed_requests"]
    assert ("stateset", "") == told["testbed_objective_outcome"]
    assert ("info", "") == told["testbed_run"]


def test_a_counter_counts_what_the_samples_hold(families: dict[str, Any], result: Result) -> None:
    """At the end of the run the heartbeat's probes are those of its samples; at its start there are none."""
    probes = result.evidence.probes("heartbeat")
    counted = families["testbed_probes"]

    assert 0 == value(counted, 0, traffic="heartbeat", fate="lost")
    assert probes.good.sum() == value(counted, 90, traffic="heartbeat", fate="answered")
    assert (~probes.good).sum() == value(counted, 90, traffic="heartbeat", fate="lost")


def test_events_and_carrier_are_steps(families: dict[str, Any]) -> None:
    """The outage is 1 from its start to its end; then and there LTE carries."""
    active = families["testbed_event_active"]

    assert [0, 1, 0, 0] == [value(active, at, kind="outage") for at in (0, 30, 55, 90)]
    carried = {s.labels["uplink"] for s in families["testbed_carries"].samples if s.value}
    assert {"starlink", "lte"} == carried


def test_an_objective_has_value_bound_and_outcome(families: dict[str, Any], result: Result) -> None:
    """Times are seconds; the outcome is a set of states of which one holds."""
    verdict = result.verdict("interruption")
    (bound,) = [s for s in families["testbed_objective_bound_seconds"].samples if s.labels["metric"] == "interruption"]
    states = [
        s.labels["testbed_objective_outcome"]
        for s in families["testbed_objective_outcome"].samples
        if s.labels["metric"] == "interruption" and s.value
    ]

    assert 3.5 == bound.value
    assert [str(verdict.outcome)] == states


@pytest.fixture(scope="module")
def trace(result: Result) -> dict[str, Any]:
    _, text = export.FORMATS["perfetto"]
    read: dict[str, Any] = json.loads(text(result))
    return read


def test_every_event_of_the_trace_has_what_its_phase_needs(trace: dict[str, Any]) -> None:
    """As the trace event format asks: name, place and time; a duration, an id or a scope where there must be one."""
    needed = {"X": {"dur"}, "i": {"s"}, "C": {"args"}, "b": {"id", "cat"}, "e": {"id", "cat"}, "M": {"args"}}
    tracks = {(e["pid"], e["tid"]) for e in trace["traceEvents"] if e["name"] == "thread_name"}

    assert {"traceEvents", "displayTimeUnit", "otherData"} == trace.keys()
    for event in trace["traceEvents"]:
        assert set() == needed[event["ph"]] - event.keys()
        assert {"name", "pid", "tid"} <= event.keys()
        if event["ph"] != "M":
            assert event["ts"] >= -10e6
            assert (event["pid"], event["tid"]) in tracks


def test_the_trace_tells_the_outage(trace: dict[str, Any]) -> None:
    """Event, hub's word, lost heartbeats and the carrier stand at their times."""
    events = trace["traceEvents"]
    (outage,) = [e for e in events if e["ph"] == "X" and e["name"] == "starlink outage 25 s"]
    (avoided,) = [e for e in events if e["ph"] == "i" and e["name"] == "starlink avoided"]
    lost = [e["ts"] for e in events if e["ph"] == "i" and e["name"] == "lost"]
    carriers = [e["name"] for e in events if e["ph"] == "X" and "bound" not in e["args"] and e["pid"] == 2]

    assert (30e6, 25e6) == (outage["ts"], outage["dur"])
    assert 33e6 == avoided["ts"]
    assert any(30e6 <= ts < 32.2e6 for ts in lost)
    assert ["starlink", "lte"] == [name for name in carriers if name != "nobody"][:2]


def test_asynchronous_pairs_are_whole(trace: dict[str, Any]) -> None:
    """Each request begins once and ends once, not before it began."""
    began = {e["id"]: e["ts"] for e in trace["traceEvents"] if e["ph"] == "b"}
    ended = {e["id"]: e["ts"] for e in trace["traceEvents"] if e["ph"] == "e"}

    assert began.keys() == ended.keys()
    assert all(began[each] <= ended[each] for each in began)


@pytest.mark.parametrize("name", export.FORMATS)
def test_the_command_writes_beside_the_result(result: Result, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`results export` says where it wrote; `-o -` prints the same."""
    file, text = export.FORMATS[name]

    assert 0 == main(["results", "export", str(result.folder), "--to", name])
    assert capsys.readouterr().out.strip().endswith(file)
    assert (result.folder / file).read_text() == text(result)
    assert 0 == main(["results", "export", str(result.folder), "--to", name, "-o", "-"])
    assert capsys.readouterr().out == text(result)


def test_a_run_that_never_started_says_what_it_was(tmp_path: Path) -> None:
    """A killed run has no counters, and is still a valid file."""


    made = make(tmp_path, Story())
    bare = Result(made.folder, replace(made.record, started_ns=None))
    (_, metrics), (_, spans) = export.FORMATS["openmetrics"], export.FORMATS["perfetto"]

    assert metrics(bare).startswith("# TYPE testbed_run info\n")
    assert metrics(bare).endswith("# EOF\n")
    assert [] == [e for e in json.loads(spans(bare))["traceEvents"] if e["ph"] != "M"]
