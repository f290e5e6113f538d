"""A run whose lab is made of stand-ins, each of which can go wrong: what is left of it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from testbed import paths
from testbed.errors import RunError
from testbed.link.fidelity import Certificate
from testbed.probes import samples
from testbed.probes.probe import Live, ProbeState
from testbed.result.record import Record, State
from testbed.result.store import Result, ResultWriter
from testbed.run import inside, job, plan
from testbed.run.bringup import Rig
from testbed.run.placement import Placement
from testbed.yaml.overrides import Override

Step = Callable[[], None]


def fine() -> None:
    """Nothing goes wrong."""


def refuse(error: Exception) -> Step:
    """Return a step that goes wrong so."""

    def step() -> None:
        raise error

    return step


@dataclasses.dataclass
class StandIn:
    """The lab, its links, its tenant and its one probe in one; each step is done, then may go wrong."""

    folder: Path
    finishing: Step = fine
    looking: Step = fine
    closing: Step = fine
    certifying: Step = fine
    done: list[str] = dataclasses.field(default_factory=list)
    process = None
    watch = None
    actors = ()
    dishes = ()
    network = SimpleNamespace(topology=None)

    @property
    def links(self) -> Any:
        return self

    @property
    def probes(self) -> dict[str, Any]:
        return {"heartbeat": _Probe(self)}

    @property
    def records(self) -> Path:
        return self.folder / "link" / "links.bins"

    def parts(self) -> tuple[()]:
        return ()

    def start(self, at_ns: int) -> None:
        (self.folder / "link").mkdir()
        for name in ("links.bins", "linkd.conf", "linkd.log"):
            (self.folder / "link" / name).touch()

    def read(self) -> dict[str, int]:
        self.looking()
        return {}

    def bins(self) -> None:
        return None

    def close(self) -> Certificate:
        if "links" not in self.done:
            self.done.append("links")
            self.certifying()
            return Certificate("native", ())
        self.done.append("services")
        self.closing()
        return Certificate("native", ())


class _Probe:
    def __init__(self, lab: StandIn) -> None:
        self._lab = lab

    def start(self, at_ns: int) -> None:
        pass

    def poll(self) -> Live:
        return Live(ProbeState.RUNNING)

    def so_far(self) -> pa.Table:
        return samples.table([], samples.HEARTBEAT)

    def finish(self) -> Path:
        (self._lab.folder / "samples").mkdir(exist_ok=True)
        path = samples.write([], samples.HEARTBEAT, self._lab.folder / "samples" / "heartbeat.parquet")
        self._lab.finishing()
        return path


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Record]]:
    """Play the smoke scenario, made as short as can be, on a stand-in; return what its result says."""
    made = plan.make(paths.SCENARIOS / "smoke.yaml", (Override.parse("hub.failover=none"),))
    job.pack(made, tmp_path)
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(inside, "_LEAD_NS", 0)
    monkeypatch.setattr(inside, "_DRAIN_NS", 0)
    before = {wish: signal.getsignal(wish) for wish in (signal.SIGINT, signal.SIGTERM)}

    def play(lab: StandIn, duration_ns: int = 30_000_000) -> Record:
        monkeypatch.setattr(inside, "bring_up", lambda *_, **__: cast(Rig, lab))
        found = job.unpack(tmp_path)
        short = dataclasses.replace(found.scenario, duration=duration_ns, events=())
        run = inside.Run(dataclasses.replace(found, scenario=short), Placement(str(tmp_path)), None)
        run.execute()
        return Result.load(tmp_path).record

    yield play
    for wish, handler in before.items():
        signal.signal(wish, handler)


def test_a_screen_that_fails_costs_nothing(played: Callable[..., Record], tmp_path: Path) -> None:
    """Whatever looking at the lab raises: the run goes on, and the result says it once."""
    record = played(StandIn(tmp_path, looking=refuse(KeyError("starlink"))), 2 * 10**9)

    assert State.COMPLETE == record.state
    assert [("the live screen", "KeyError: 'starlink'")] == [(m.step, m.said) for m in record.mishaps]


def test_nobody_needs_to_listen(
    played: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A screen whose pipe is broken costs nothing either."""
    monkeypatch.setattr(sys.stdout, "write", lambda _: refuse(BrokenPipeError())())

    assert State.COMPLETE == played(StandIn(tmp_path)).state


def test_samples_that_cannot_be_had_are_told(played: Callable[..., Record], tmp_path: Path) -> None:
    """What rests on them is inconclusive for that reason; the links are closed and everything else is kept."""
    record = played(StandIn(tmp_path, finishing=refuse(OSError("disk full"))))

    assert [("keeping the samples of heartbeat", "heartbeat", "OSError: disk full")] == [
        (end.part, end.of, end.how) for end in record.ends
    ]
    assert {"inconclusive"} == {str(v.outcome) for v in record.verdicts if v.of == "heartbeat"}
    assert record.fidelity is not None
    assert (tmp_path / "samples" / "links.parquet").is_file()


def test_links_that_leave_no_certificate_make_the_run_invalid(
    played: Callable[..., Record], tmp_path: Path
) -> None:
    """Nothing counts without it; the services are ended and the samples kept all the same."""
    lab = StandIn(tmp_path, certifying=refuse(ValueError("no statistics")))
    record = played(lab)

    assert {"invalid"} == {str(v.outcome) for v in record.verdicts}
    assert "keeping the links' records ended at" in record.verdicts[0].reason
    assert ["links", "services"] == lab.done
    assert (tmp_path / "samples" / "heartbeat.parquet").is_file()


def test_services_that_do_not_end_are_a_mishap(played: Callable[..., Record], tmp_path: Path) -> None:
    """Nothing rests on their end: the verdicts are there, the mishap is noted."""
    record = played(StandIn(tmp_path, closing=refuse(RunError("busy.log is gone"))))

    assert ("the services' end", "busy.log is gone") in [(m.step, m.said) for m in record.mishaps]
    assert record.verdicts


def test_a_run_that_cannot_be_judged_has_failed_with_its_evidence(
    played: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A metric's own mistake is the run's error; samples, links and certificate are kept."""
    monkeypatch.setattr(inside, "evaluate", lambda *_: refuse(ZeroDivisionError("no probes"))())
    record = played(StandIn(tmp_path))

    assert (State.FAILED, "ZeroDivisionError: no probes", 3) == (
        record.state,
        record.error,
        record.exit_status,
    )
    assert record.fidelity is not None
    assert {"heartbeat.parquet", "links.parquet", "schedule.parquet"} == {
        path.name for path in (tmp_path / "samples").iterdir()
    }


def test_what_is_on_disk_has_verdicts_only_where_the_run_is_complete(
    played: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is killed at any moment of its judging was not judged: no write before the last one has a verdict."""
    written: list[Record] = []
    save = ResultWriter._save
    monkeypatch.setattr(ResultWriter, "_save", lambda writer: (save(writer), written.append(writer.record)))
    played(StandIn(tmp_path))

    assert {State.COMPLETE} == {record.state for record in written if record.verdicts}
    assert {State.COMPLETE} == {record.state for record in written if record.evidence_sha256}
    assert [] == [record for record in written if State.COMPLETE == record.state and not record.verdicts]


def test_what_is_noted_is_kept(
    played: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """What the screen notes as a run begins is in its result, before anything can go wrong."""
    monkeypatch.setattr(inside.notes, "of_files", lambda *_: iter(["the hub pings nobody"]))
    record = played(StandIn(tmp_path, certifying=refuse(ValueError("no statistics"))))

    assert "the hub pings nobody" == record.notes[0]  # a host without uPlot notes that too
    assert {"event": "note", "text": "the hub pings nobody", "error": False} in map(
        json.loads, capsys.readouterr().out.splitlines()
    )


def test_what_is_not_in_a_sandbox_prefers_nothing(played: Callable[..., Record], tmp_path: Path) -> None:
    """A run that is not alone would give its priority to all of the host."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    played(StandIn(tmp_path))

    assert before == os.getpriority(os.PRIO_PROCESS, 0)


def test_a_full_disk_is_said_and_is_no_verdict(
    played: Callable[..., Record], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The result stays as the last step left it, readable; the screen and the exit status say what it cannot,
    and no log can."""

    def fill() -> None:
        (tmp_path / "result.json.partial").symlink_to("/dev/full")
        monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True))

    record = played(StandIn(tmp_path, finishing=fill))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert (State.RUNNING, ()) == (record.state, record.verdicts)
    assert ("ended", "failed", 3) == (told[-1]["event"], told[-1]["state"], told[-1]["exit_status"])
    assert "its result could not be kept: OSError: [Errno 28] No space left on device" in told[-2]["text"]
