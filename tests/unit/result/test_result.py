"""The result's writer and reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from testbed.errors import InputError
from testbed.model.capture import Capture, Seen
from testbed.model.ends import EVERYTHING, End
from testbed.model.facts import Destinations
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.record import SCHEMA, Fidelity, Mishap, State, StepTime, to_json
from testbed.result.store import FILE, Result, ResultWriter
from testbed.result.verdict import Outcome
from tests.unit.result.records import START, S, record, verdict

DOC = Path(__file__).parents[3] / "docs" / "result-schema.md"
FREE = (
    "facts.tariffs",
    "versions.packages",
    "versions.tools",
    "fidelity.links",
    "verdicts[].details",
    "files",
    "met",
    "under_test",
    "unknown",
    "capture.interfaces",
)


def test_record_survives_the_file(tmp_path: Path):
    """What is written is what is read, types included."""
    end, mishap = (
        End("linkd", EVERYTHING, 8 * S, "exit status 1", "no memory"),
        Mishap("the figure", "no font"),
    )
    written = record(verdict(2 * S), verdict(None, 0), ends=(end,), mishaps=(mishap,))
    ResultWriter(tmp_path, written)

    assert written == Result.load(tmp_path).record


def test_result_is_readable_from_the_first_moment(tmp_path: Path):
    """A run killed right after its start leaves a result that says ``running``."""
    ResultWriter(tmp_path, record(state=State.RUNNING, started_ns=None, ended_ns=None, fidelity=None))
    loaded = Result.load(tmp_path).record

    assert State.RUNNING == loaded.state
    assert 3 == loaded.exit_status


def test_write_that_breaks_leaves_the_last_whole_file(tmp_path: Path):
    """A record that cannot be written does not destroy the one before it."""
    writer = ResultWriter(tmp_path, record(verdict(S)))

    with pytest.raises(ValueError, match="not JSON compliant"):
        writer.update(verdicts=(replace(verdict(S), value=float("nan")),))
    assert S == Result.load(tmp_path).verdict("interruption").value


def test_steps_follow_each_other(tmp_path: Path):
    """A step ends when the next one begins; the last one when the run is complete."""
    writer = ResultWriter(tmp_path, record(verdict(S), steps=()))
    writer.begin("build", START)
    writer.begin("provision", START + S)
    writer.finish(State.COMPLETE, START + 3 * S)

    expected = (StepTime("build", START, START + S), StepTime("provision", START + S, START + 3 * S))
    assert expected == Result.load(tmp_path).record.steps


def test_step_of_a_failed_run_stays_open(tmp_path: Path):
    """The open step shows where a run was cut short, and the error why."""
    writer = ResultWriter(tmp_path, record(steps=()))
    writer.begin("provision", START)
    writer.finish(State.FAILED, START + S, "hub: task failed")
    loaded = Result.load(tmp_path).record

    assert (StepTime("provision", START, None),) == loaded.steps
    assert "hub: task failed" == loaded.error


def test_finish_lists_the_files(tmp_path: Path):
    """Every file that the run left is listed with its size."""
    writer = ResultWriter(tmp_path, record())
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "hub.log").write_text("12345")
    writer.finish(State.COMPLETE, START)

    assert {"logs/hub.log": 5} == Result.load(tmp_path).record.files


@pytest.mark.parametrize(
    ("state", "value", "status"),
    [(State.COMPLETE, S, 0), (State.COMPLETE, 9 * S, 1), (State.INTERRUPTED, S, 3), (State.FAILED, 9 * S, 3)],
)
def test_only_a_complete_run_can_tell(state: State, value: int, status: int):
    """The verdicts of a run that was cut short do not make its exit status."""
    assert status == record(verdict(value), state=state).exit_status


def test_carrier_is_read_from_the_samples(tmp_path: Path):
    """An engineer asks who carried the heartbeat at a time."""
    writer = ResultWriter(tmp_path, record())
    writer.keep("links", _links())
    result = Result.load(tmp_path)

    assert ("starlink", None) == (
        result.carrier(of="heartbeat", at="0.5 s"),
        result.carrier(of="heartbeat", at="85 s"),
    )


def test_carrier_of_unmarked_traffic_is_refused(tmp_path: Path):
    """Only the heartbeat can be told apart on the links."""
    ResultWriter(tmp_path, record())

    with pytest.raises(InputError, match="carrier of 'lessons'; only the heartbeat 'heartbeat' is marked"):
        Result.load(tmp_path).carrier(of="lessons", at="85 s")


def test_samples_are_told_apart_from_counters_and_schedules(tmp_path: Path):
    """Evidence has the traffic under its name, and links and schedule in places of their own."""
    writer = ResultWriter(tmp_path, record())
    for name in ("heartbeat", "links", "schedule"):
        writer.keep(name, _links())
    evidence = Result.load(tmp_path).evidence

    assert {"heartbeat"} == set(evidence.samples)
    assert 100 == evidence.links.num_rows == evidence.schedule.num_rows


def test_samples_cut_short_are_reported_with_their_file(tmp_path: Path):
    """A broken Parquet file is named, not a traceback shown."""
    ResultWriter(tmp_path, record()).keep("links", _links())
    (tmp_path / "samples" / "links.parquet").write_bytes(b"PAR1")

    with pytest.raises(InputError, match=r"links\.parquet: not readable"):
        _ = Result.load(tmp_path).evidence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, f"no {FILE}; name the folder of a run below results/"),
        ("{", "not readable"),
        ('{"schema": 99}', f"schema 99; this testbed reads schema {SCHEMA}"),
        (f'{{"schema": {SCHEMA}}}', "broken: .*`scenario`.*; see docs/result-schema.md"),
    ],
    ids=["missing", "cut", "newer", "incomplete"],
)
def test_unreadable_results_are_refused(tmp_path: Path, text: str | None, message: str):
    """Each says what was found and what would be right."""
    if text is not None:
        (tmp_path / FILE).write_text(text)

    with pytest.raises(InputError, match=message):
        Result.load(tmp_path)


def test_unknown_verdict_names_the_known():
    """A misspelt metric is answered with the ones that were judged."""
    result = Result(Path("results/x"), record(verdict(S)))

    with pytest.raises(InputError, match="no verdict on 'failover'; known: interruption"):
        result.verdict("failover")
    assert Outcome.PASS == result.verdict("interruption").outcome


def test_every_key_is_documented_and_every_documented_key_written():
    """docs/result-schema.md and the writer agree on every key."""
    section = DOC.read_text(encoding="utf-8").partition("## result.json")[2].partition("## Samples")[0]
    first_cells = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    documented = {key for cell in first_cells for key in re.findall(r"`([^`]+)`", cell)}
    fidelity = Fidelity(True, links={"starlink up": {"late_p99_ns": 90_000}}, missing=("how late",))
    ends, mishaps = (End("linkd", EVERYTHING, 8 * S, "exit status 1"),), (Mishap("the figure", "no font"),)
    full = record(verdict(S), changes=("seed=8",), fidelity=fidelity, ends=ends, mishaps=mishaps,
                  met={"seed": "7"}, under_test={"hub": "ab"},
                  unknown={"logs": "closed"}, notes=("every uplink is avoided",), touched=("lte outage 10 s at 3 s",),
                  fleet=(FleetVerdict("loss of calls", "loss", "calls", Outcome.PASS, 1.0, "100 % of hubs"),),
                  capture=Capture("capture.pcapng", 128, 10**9, {"starlink up entrance": Seen(5, 300)}, 0))  # fmt: skip
    egress = Destinations(("tenant",), ("192.0.2.0/24",), ("203.0.113.10/32",))
    full = replace(full, facts=replace(full.facts, egress=egress))
    written = set(_keys(json.loads(json.dumps(to_json(full)))))

    assert written == documented - {"fidelity", "capture"}


def _keys(value: object, at: str = "") -> Iterator[str]:
    """Yield the paths of all leaves, as the document writes them."""
    if at in FREE:
        yield f"{at}.*"
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _keys(inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _keys(inner, f"{at}[]")
    else:
        yield at


def _links() -> pa.Table:
    times = pa.array(range(0, S, 10**7), pa.int64())
    return pa.table(
        {"t_ns": times, "link": ["starlink"] * 100, "direction": ["up"] * 100, "marked_out": [1] * 100}
    )
