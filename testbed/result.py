"""A run's result: result.json, written step by step, and the samples beside it. See docs/result-schema.md."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from testbed.errors import InputError
from testbed.metrics.carrier import Carrier, carrier
from testbed.metrics.decomposition import Decomposition
from testbed.metrics.evidence import Evidence, Facts, Happening
from testbed.metrics.ledger import Entry, Fate
from testbed.model.bench import VIRTUAL
from testbed.model.objective import Unit
from testbed.provenance import Host, Versions
from testbed.units import parse_duration
from testbed.verdict import Outcome, Verdict, exit_status

SCHEMA = 1
FILE = "result.json"
LINKS, SCHEDULE = "links", "schedule"  # samples that are no traffic


class State(StrEnum):
    """How far a run came. ``running`` in the file of a run that is over means that it was killed."""

    RUNNING = "running"
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    FAILED = "failed"


@dataclass(frozen=True)
class Input:
    """A file that the outcome depends on: role (scenario, topology, trace of starlink ...), name and hash."""

    role: str
    name: str
    sha256: str


@dataclass(frozen=True)
class Step:
    """A step of the run, in CLOCK_REALTIME ns; ``ended_ns`` is None while it lasts or where it was cut."""

    name: str
    began_ns: int
    ended_ns: int | None = None


@dataclass(frozen=True)
class Fidelity:
    """The emulation's own certificate in short.

    ``valid`` it kept its budget; ``reason`` why not; ``rtt_error_p95_ns`` see docs/metrics.md;
    ``stolen_share`` what the hypervisor took of the processors' time during the scenario;
    ``links`` the back end's own figures, one mapping for each link and direction; ``missing`` what
    this back end cannot tell, so that it was not held against the budget.
    """

    valid: bool
    reason: str = ""
    rtt_error_p95_ns: float | None = None
    links: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    stolen_share: float | None = None
    backend: str = "native"
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What result.json holds.

    ``started_ns`` is the start instant (CLOCK_REALTIME), None before it; ``changes`` are those made to
    the scenario for this run (KEY=VALUE); ``bench`` is the name of the hub's bench.
    """

    scenario: str
    question: str
    duration_ns: int
    seed: int
    facts: Facts
    inputs: tuple[Input, ...]
    versions: Versions
    host: Host
    created_ns: int
    state: State = State.RUNNING
    started_ns: int | None = None
    ended_ns: int | None = None
    error: str = ""
    steps: tuple[Step, ...] = ()
    fidelity: Fidelity | None = None
    verdicts: tuple[Verdict, ...] = ()
    decomposition: tuple[Decomposition, ...] = ()
    sessions: tuple[Entry, ...] = ()
    files: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    bench: str = VIRTUAL

    @property
    def title(self) -> str:
        """The scenario's name, and what was changed in it for this run."""
        return f"{self.scenario} with {', '.join(self.changes)}" if self.changes else self.scenario

    @property
    def exit_status(self) -> int:
        """The exit status of the run: that of its verdicts; a run that did not complete could not tell."""
        return exit_status(self.verdicts) if self.state is State.COMPLETE else 3


class ResultWriter:
    """Keeps result.json up to date: every change is on disk, whole, before the call returns."""

    def __init__(self, folder: Path, record: Record) -> None:
        self.folder = folder
        self.record = record
        self._save()

    def update(self, **changes: Any) -> None:
        """Change fields of the record."""
        self.record = replace(self.record, **changes)
        self._save()

    def begin(self, step: str, now_ns: int) -> None:
        """Note that a step begins; the one before it ends."""
        self.end(now_ns)
        self.update(steps=(*self.record.steps, Step(step, now_ns)))

    def end(self, now_ns: int) -> None:
        """Note that the step that lasts, if any, is over."""
        if self.record.steps and self.record.steps[-1].ended_ns is None:
            last = replace(self.record.steps[-1], ended_ns=now_ns)
            self.update(steps=(*self.record.steps[:-1], last))

    def keep(self, name: str, table: pa.Table) -> None:
        """Keep samples as samples/<name>.parquet, whole or not at all."""
        samples = self.folder / "samples"
        samples.mkdir(exist_ok=True)
        partial = samples / f"{name}.partial"
        pq.write_table(table, partial, compression="zstd")
        partial.replace(samples / f"{name}.parquet")

    def finish(self, state: State, now_ns: int, error: str = "") -> None:
        """Note how the run ended, and the files it left."""
        if state is State.COMPLETE:
            self.end(now_ns)  # otherwise the open step shows where the run was cut short
        self.update(state=state, ended_ns=now_ns, error=error)
        self.list_files()

    def list_files(self) -> None:
        """Note the files in the folder (path below it -> bytes); call it again when there are more."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file() and path.name != FILE)
        self.update(files={str(path.relative_to(self.folder)): path.stat().st_size for path in found})

    def _save(self) -> None:
        text = json.dumps(to_json(self.record), indent=1, ensure_ascii=False, allow_nan=False)
        partial = self.folder / f"{FILE}.partial"
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.folder / FILE)


@dataclass(frozen=True)
class Result:
    """A run's result as it lies in its folder; samples are read when they are asked for."""

    folder: Path
    record: Record

    @classmethod
    def load(cls, folder: Path) -> Result:
        """Read a result, of a run that is over or not. Raises InputError where there is none to read."""
        path = folder / FILE
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(str(folder), f"no {FILE}", "name the folder of a run below results/") from None
        except (OSError, ValueError) as error:
            raise InputError(str(path), f"not readable: {error}", "name the folder of a run") from error
        return cls(folder, from_json(fields, str(path)))

    @cached_property
    def evidence(self) -> Evidence:
        """The kept samples and the facts: what metrics are computed from."""
        tables = {path.stem: _read(path) for path in sorted((self.folder / "samples").glob("*.parquet"))}
        links, schedule = tables.pop(LINKS, None), tables.pop(SCHEDULE, None)
        return Evidence(self.record.facts, tables, links, schedule)

    @cached_property
    def carriers(self) -> Carrier:
        """Which uplink carried the heartbeat, at every moment."""
        return carrier(self.evidence.links)

    def carrier(self, of: str, at: str) -> str | None:
        """Return the uplink that carried the heartbeat ``of`` at a time, ``"85 s"``; None: nobody did."""
        if of != self.record.facts.heartbeat:
            expected = f"only the heartbeat {self.record.facts.heartbeat!r} is marked on the links"
            raise InputError(str(self.folder), f"carrier of {of!r}", expected)
        return self.carriers.at(parse_duration(at))

    def verdict(self, metric: str) -> Verdict:
        """Return the first verdict on a metric. Raises InputError with the known ones."""
        for verdict in self.record.verdicts:
            if verdict.metric == metric:
                return verdict
        known = ", ".join(verdict.metric for verdict in self.record.verdicts) or "none"
        raise InputError(str(self.folder), f"no verdict on {metric!r}", f"known: {known}")


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            str(path), f"not readable: {error}", "the run was cut short while writing it?"
        ) from error


def to_json(record: Record) -> dict[str, Any]:
    """Return a record as JSON values; ISO times for people are added beside the exact ones."""
    times = {name: iso(getattr(record, f"{name}_ns")) for name in ("created", "started", "ended")}
    return {"schema": SCHEMA, "exit_status": record.exit_status, **times, **asdict(record)}


def iso(t_ns: int | None) -> str | None:
    """Return CLOCK_REALTIME ns as ``2026-11-22T03:04:05.678Z``."""
    if t_ns is None:
        return None
    return datetime.fromtimestamp(t_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_json(values: Mapping[str, Any], place: str) -> Record:
    """Return the record of a result.json. Raises InputError for one that this version cannot read."""
    if values.get("schema") != SCHEMA:
        found = f"schema {values.get('schema')!r}"
        raise InputError(place, found, f"this testbed reads schema {SCHEMA}; use the version that wrote it")
    known = {f.name: values[f.name] for f in fields(Record) if f.name in values}
    try:
        return Record(**known | {name: read(known[name]) for name, read in _READERS.items() if name in known})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(place, f"broken: {error}", "see docs/result-schema.md") from error


def _facts(values: Mapping[str, Any]) -> Facts:
    events = tuple(Happening(**event) for event in values["events"])
    names = {name: tuple(values[name]) for name in ("uplinks", "metered") if name in values}
    return Facts(**{**values, **names, "events": events})


def _verdict(values: Mapping[str, Any]) -> Verdict:
    typed = {
        "window_ns": tuple(values["window_ns"]),
        "unit": Unit(values["unit"]),
        "outcome": Outcome(values["outcome"]),
    }
    return Verdict(**{**values, **typed})


_READERS: Mapping[str, Any] = {
    "facts": _facts,
    "inputs": lambda values: tuple(Input(**value) for value in values),
    "versions": lambda values: Versions(**values),
    "host": lambda values: Host(**values),
    "state": State,
    "steps": lambda values: tuple(Step(**value) for value in values),
    "fidelity": lambda values: (
        Fidelity(**{**values, "missing": tuple(values.get("missing", ()))}) if values else None
    ),
    "verdicts": lambda values: tuple(map(_verdict, values)),
    "decomposition": lambda values: tuple(Decomposition(**value) for value in values),
    "sessions": lambda values: tuple(Entry(**{**value, "fate": Fate(value["fate"])}) for value in values),
    "changes": tuple,
}
