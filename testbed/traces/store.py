"""Traces on disk: found by name, read (a recording is imported on the fly), written as one Parquet file.

The file has one row a reading: ``series`` (rtt, up_rate ..., or ``context:NAME``), ``t_ns``, ``value``
(null where lost) and ``lost`` (none, up, down, unknown). Its key-value metadata ``testbed.trace`` is
JSON: format version, name, duration, events, provenance. Equal traces give equal bytes.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from testbed.errors import InputError, Place
from testbed.model.trace import (
    UNITS,
    EventKind,
    Framing,
    Layer,
    Loss,
    Origin,
    Parameter,
    Parent,
    Provenance,
    Series,
    SeriesName,
    Trace,
    TraceEvent,
    Trait,
)
from testbed.traces import catalogue, formats
from testbed.traces.formats import base, direction, spacing

FORMAT_VERSION = 1
KEY = b"testbed.trace"
SUFFIX = ".parquet"
_CONTEXT = "context:"
_LOSS_NAMES = [loss.name.lower() for loss in Loss]
_REPOSITORY = Path(__file__).parents[2]


def folders(environment: Mapping[str, str] | None = None) -> tuple[Path, ...]:
    """Return where traces are looked for: the repository's, ``TESTBED_TRACES``, ``../shared/traces``."""
    listed = (os.environ if environment is None else environment).get("TESTBED_TRACES", "")
    extra = [Path(part) for part in listed.split(os.pathsep) if part]
    places = [
        _REPOSITORY / "scenarios" / "traces",
        *extra,
        _REPOSITORY.parent / "shared" / "traces",
    ]
    return tuple(place for place in places if place.is_dir())


def find(name: str, where: Sequence[Path] | None = None, place: Place | str = "") -> Path:
    """Return the file of the trace or recording ``name``; a path below one of the folders is a name.

    Raises InputError at ``place``, with the nearest names, where no folder has it.
    """
    where = folders() if where is None else where
    for folder in where:
        for candidate in (folder / f"{name}{SUFFIX}", folder / name):
            if candidate.is_file() and candidate.resolve().is_relative_to(folder.resolve()):
                return candidate
    searched = ", ".join(map(_shown, where)) or "no trace folder exists"
    expected = f"{_nearest(name, names(where))} (searched: {searched}; add folders by TESTBED_TRACES)"
    raise InputError(place, f"no trace {name!r}", expected)


def _nearest(name: str, known: Sequence[str]) -> str:
    """Return what may have been meant: close names, names that contain the word, or the traces."""
    close = difflib.get_close_matches(name, known, n=3) or [k for k in known if name.lower() in k.lower()][:3]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    traces = [k for k in known if "/" not in k]
    return f"known: {', '.join(traces) or 'none'}, and {len(known) - len(traces)} recordings"


def names(where: Iterable[Path]) -> list[str]:
    """Return what can be named: traces without their ending; recordings by their path below a folder."""
    found = set()
    for folder in where:
        for path in folder.rglob("*"):
            if path.is_file() and path.name.upper() not in ("README.MD", "LICENSE"):
                relative = path.relative_to(folder)
                found.add(str(relative.with_suffix("") if path.suffix == SUFFIX else relative))
    return sorted(found)


def _shown(folder: Path) -> str:
    return os.path.relpath(folder) if folder.is_relative_to(_REPOSITORY.parent) else str(folder)


def read(path: Path) -> Trace:
    """Read a canonical trace, or import a recording of any known format. Raises InputError."""
    return _read_canonical(path) if is_canonical(path) else import_file(path)


def is_canonical(path: Path) -> bool:
    """Say whether a file is a trace in the testbed's own format. Raises InputError where it is broken."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                return False
        return KEY in (pq.read_schema(path).metadata or {})
    except OSError as error:
        raise InputError(str(path), f"cannot be read ({error.strerror or error})", "give a trace") from error
    except pa.ArrowException as error:
        raise InputError(str(path), f"broken Parquet file ({_first_line(error)})", "copy it again") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def import_file(
    path: Path, format_name: str = "", way: direction.Way | None = None, cadence_ns: int | None = None
) -> Trace:
    """Import a recording; the format is recognised by content unless named. Raises InputError.

    ``way`` is the direction of a recording that has one, ``cadence_ns`` the distance of probes without times,
    where the user knows better.
    """
    format = formats.by_name(format_name) if format_name else formats.recognise(path)
    with ThreadPoolExecutor(1) as pool:  # of a day's recording each takes seconds
        digest = pool.submit(sha256, path)
        recording = format.read(path)
    if way:
        recording = direction.turned(recording, way)
    if cadence_ns is not None:
        recording = spacing.spaced(recording, cadence_ns)
    dataset = catalogue.read().dataset_of(path.absolute())
    provenance = Provenance(
        kind=Origin.MEASURED,
        source=f"{dataset.name}: {dataset.title}; {path.name}" if dataset else path.name,
        licence=dataset.licence if dataset else "not stated",
        citation=dataset.citation if dataset else "",
        start_ns=recording.start_ns,
        slot_ns=recording.slot_ns,
        made_by=f"{format.name} {format.version}",
        parents=(Parent(path.name, digest.result()),),
        traits=recording.traits,
        notes=recording.notes + (base.open_end(path) if format.by_line else ()),
    )
    return Trace(
        name=path.stem,
        provenance=provenance,
        series=recording.series,
        duration_ns=recording.duration_ns,
        events=tuple(recording.events),
        context=recording.context,
        framing=recording.framing,
    )


def write(trace: Trace, path: Path) -> None:
    """Write a trace, all of it or nothing: the file appears complete under its name. Raises InputError."""
    columns = [(str(name), series) for name, series in sorted(trace.series.items())]
    columns += [(_CONTEXT + name, series) for name, series in sorted(trace.context.items())]
    table = pa.concat_tables([_rows(name, series) for name, series in columns] or [_SCHEMA.empty_table()])
    meta = json.dumps(_metadata(trace), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    unfinished = path.with_name(path.name + ".part")
    try:
        pq.write_table(
            table.replace_schema_metadata({KEY: meta.encode()}),
            unfinished,
            compression="zstd",
            use_dictionary=["series", "lost"],
            column_encoding={"t_ns": "DELTA_BINARY_PACKED", "value": "DELTA_BINARY_PACKED"},
        )
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise InputError(
            str(path), f"cannot be written ({error.strerror or error})", "name another file"
        ) from error


_SCHEMA = pa.schema(
    [
        ("series", pa.string()),
        ("t_ns", pa.int64()),
        ("value", pa.int64()),
        ("lost", pa.string()),
    ]
)


def _rows(name: str, series: Series) -> pa.Table:
    lost = pa.DictionaryArray.from_arrays(pa.array(series.loss, pa.int8()), _LOSS_NAMES)
    columns = [
        pa.array([name], pa.string()).take(pa.array(np.zeros(len(series), np.int64))),
        pa.array(series.t_ns),
        pa.array(series.value, mask=series.lost),
        lost.cast(pa.string()),
    ]
    return pa.table(columns, schema=_SCHEMA)


def _metadata(trace: Trace) -> dict[str, Any]:
    return {
        "version": FORMAT_VERSION,
        "name": trace.name,
        "duration_ns": trace.duration_ns,
        "cadence_ns": {str(name): series.cadence_ns for name, series in trace.series.items()},
        "framing": {str(name): dataclasses.asdict(framing) for name, framing in trace.framing.items()},
        "units": {str(name): UNITS[name] for name in trace.series},
        "events": [dataclasses.asdict(event) for event in trace.events],
        "provenance": dataclasses.asdict(trace.provenance),
    }


def _read_canonical(path: Path) -> Trace:
    try:
        table = pq.read_table(path)
        meta = json.loads(table.schema.metadata[KEY])
        if meta["version"] != FORMAT_VERSION:
            found = f"trace format version {meta['version']}"
            raise InputError(str(path), found, f"this testbed reads version {FORMAT_VERSION}")
        return _trace(table, meta)
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(str(path), f"broken trace ({_first_line(error)})", "import it again") from error


def _trace(table: pa.Table, meta: dict[str, Any]) -> Trace:
    found = {name: _series(table, name) for name in table["series"].unique().to_pylist()}
    context = {name.removeprefix(_CONTEXT): s for name, s in found.items() if name.startswith(_CONTEXT)}
    return Trace(
        name=meta["name"],
        provenance=_provenance(meta["provenance"]),
        series={SeriesName(name): s for name, s in found.items() if not name.startswith(_CONTEXT)},
        duration_ns=meta["duration_ns"],
        events=tuple(TraceEvent(**(e | {"kind": EventKind(e["kind"])})) for e in meta["events"]),
        context=context,
        framing={SeriesName(name): _framing(fields) for name, fields in meta.get("framing", {}).items()},
    )


def _framing(fields: dict[str, Any]) -> Framing:
    return Framing(Layer(fields["layer"]), int(fields["payload_bytes"]))


def _series(table: pa.Table, name: str) -> Series:
    rows = table.filter(pc.equal(table["series"], name))
    lost = rows["lost"].combine_chunks().cast(pa.string())
    loss = pc.index_in(lost, value_set=pa.array(_LOSS_NAMES))
    if loss.null_count:
        raise ValueError(f"lost is one of {', '.join(_LOSS_NAMES)}")
    value = pc.fill_null(rows["value"], 0)
    return Series.of(rows["t_ns"].to_numpy(), value.to_numpy(), loss.to_numpy())


def _provenance(fields: dict[str, Any]) -> Provenance:
    built = {
        "kind": Origin(fields["kind"]),
        "parents": tuple(Parent(**parent) for parent in fields["parents"]),
        "parameters": tuple(Parameter(**parameter) for parameter in fields["parameters"]),
        "traits": tuple(Trait(trait) for trait in fields["traits"]),
        "notes": tuple(fields["notes"]),
    }
    return Provenance(**(fields | built))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
