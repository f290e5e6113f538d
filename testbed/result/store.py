"""A run's result: result.json, written step by step, and the samples beside it. See docs/result-schema.md."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from testbed.errors import InputError
from testbed.metrics import kinds
from testbed.metrics.evidence import Evidence
from testbed.result.record import Record, State, StepTime, from_json, to_json
from testbed.result.verdict import Verdict
from testbed.units import parse_duration

FILE = "result.json"
LINKS, SCHEDULE = "links", "schedule"  # samples that are no traffic


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
        self.update(steps=(*self.record.steps, StepTime(step, now_ns)))

    def end(self, now_ns: int) -> None:
        """Note that the step that lasts, if any, is over."""
        if self.record.steps and self.record.steps[-1].ended_ns is None:
            last = replace(self.record.steps[-1], ended_ns=now_ns)
            self.update(steps=(*self.record.steps[:-1], last))

    def keep(self, name: str, table: pa.Table) -> None:
        """Keep samples as samples/<name>.parquet, whole or not at all; of those of links the name is the kind."""
        if name in (LINKS, SCHEDULE):
            table = table.replace_schema_metadata(kinds.said(name))
        samples = self.folder / "samples"
        samples.mkdir(exist_ok=True)
        partial = samples / f"{name}.partial"
        pq.write_table(table, partial, compression="zstd")
        partial.replace(samples / f"{name}.parquet")

    def finish(self, state: State, now_ns: int, error: str = "", **judged: Any) -> None:
        """Note how the run ended, with what it was judged at once, and the files it left."""
        if state is State.COMPLETE:
            self.end(now_ns)  # otherwise the open step shows where the run was cut short
        self.update(state=state, ended_ns=now_ns, error=error, **judged)
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

    def carrier(self, of: str, at: str) -> str | None:
        """Return the uplink that carried the heartbeat, or the stream of new flows, ``of`` at a time, ``"85 s"``.

        None: nobody did. Raises InputError for other traffic.
        """
        facts = self.record.facts
        if not of or of not in (facts.heartbeat, facts.new_flows):
            marked = f"only the heartbeat {facts.heartbeat!r} is marked on the links"
            if facts.new_flows:
                marked = (
                    f"only the heartbeat {facts.heartbeat!r} and {facts.new_flows!r} are marked on the links"
                )
            raise InputError(str(self.folder), f"carrier of {of!r}", marked)
        seen = self.evidence.carrier if of == facts.heartbeat else self.evidence.new_flows_carrier
        return seen.at(parse_duration(at))

    def verdict(self, of: str) -> Verdict:
        """Return the verdict on an objective, by its key, or the first one on a metric. Raises InputError with the
        known ones."""
        for verdict in self.record.verdicts:
            if of in (verdict.key, verdict.metric):
                return verdict
        known = ", ".join(verdict.key or verdict.metric for verdict in self.record.verdicts) or "none"
        raise InputError(str(self.folder), f"no verdict on {of!r}", f"known: {known}")


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            str(path), f"not readable: {error}", "the run was cut short while writing it?"
        ) from error
