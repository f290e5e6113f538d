"""Tables with a Starlink dish's fields: of starlink-grpc-tools (CSV, SQLite, Parquet) and of LEOViz (CSV).

The dish's pings become RTT and loss, as in its own dumps. A database has a row a second in its history and
one a poll in its status: the history is taken. A table of several dishes gives the one with the most rows.
Parquet named .parquet.gzip is plain Parquet.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from testbed.errors import InputError, Place
from testbed.traces.formats import base, clock, dish_series, documents, named_csv, tables

TIMES = ("@timestamp", "datetimestamp_utc", "time", "timestamp")
_LATENCY, _DROP = "pop_ping_latency_ms", "pop_ping_drop_rate"
_DOWN, _UP = "downlink_throughput_bps", "uplink_throughput_bps"
_ID = "id"
_FIELDS: Mapping[str, str] = {
    **{name: name for name in (_LATENCY, _DROP, _DOWN, _UP, _ID, *TIMES)},
    "popPingLatencyMs": _LATENCY,
    "popPingDropRate": _DROP,
    "downlinkThroughputBps": _DOWN,
    "uplinkThroughputBps": _UP,
}
_OTHER_RTTS = {"rtt", *(name for name, column in named_csv.VALUES.items() if column.probes)}
_STATES = {"CONNECTED", "SEARCHING", "BOOTING", "OFFLINE", "UNKNOWN", "STOWED", "NO_SATS", "OBSTRUCTED",
           "NO_DOWNLINK", "NO_PINGS", "THERMAL_SHUTDOWN"}  # fmt: skip
_ISO_START = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")


def table_of(path: Path, columns: Mapping[str, Sequence[Any]]) -> tables.Table:
    """Return columns of any values as a table of text; what is null is an empty cell."""
    rows = len(next(iter(columns.values()), ()))
    if not rows:
        raise InputError(str(path), "the table has no rows", "give the whole recording")
    cells = {name: ["" if v is None else str(v) for v in column] for name, column in columns.items()}
    return tables.Table(path, cells, range(1, rows + 1))


def parquet(path: Path, wanted: re.Pattern[str]) -> Mapping[str, Sequence[Any]]:
    """Return the columns of a Parquet file whose names match. Raises InputError where it is broken."""
    try:
        table = pq.read_table(path)  # all of it, so that damage anywhere is seen
        return {name: table[name].to_pylist() for name in table.column_names if wanted.match(name)}
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            str(path), f"broken Parquet file ({str(error).splitlines()[0]})", "copy it again"
        ) from error


def parquet_names(head: base.Head) -> list[str]:
    """Return the columns of a Parquet file, none where it is none. Raises InputError where it is broken."""
    if head.data[:4] != b"PAR1":
        return []
    try:
        return list(pq.read_schema(head.path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            str(head.path), f"broken Parquet file ({str(error).splitlines()[0]})", "copy it again"
        ) from error


def is_row_without_header(cells: Sequence[str]) -> bool:
    """Say whether a table's first line is a row as starlink-grpc-tools writes it: a time, then figures."""
    figures = [cell for cell in cells[1:] if cell.lower() in tables.UNKNOWN or tables.is_number(cell)]
    return bool(_ISO_START.match(cells[0])) and (bool(figures) or bool(_STATES & set(cells)))


def stamps(table: tables.Table) -> tuple[np.ndarray[Any, np.dtype[np.int64]], bool, tuple[str, ...]]:
    """Return a table's times in ns, whether they are UTC, and notes. Raises InputError where it has none."""
    name = next((name for name in TIMES if name in table.columns), None)
    if name is None:
        found = f"columns {', '.join(table.names)}: no column with times"
        raise InputError(str(table.path), found, f"name one {' or '.join(TIMES)}")
    if tables.is_number(table.columns[name][0]):
        return clock.epochs(table, name, "s"), True, ()
    stamp, notes = clock.iso(table, name)
    if name == "datetimestamp_utc":
        notes = None
    return stamp, notes is None, notes or ()


def _sqlite(path: Path) -> tuple[tables.Table, tuple[str, ...]]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = {name: _count(connection, name) for name in ("history", "status")}
            if not any(rows.values()):
                found = connection.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
                )
                names = ", ".join(name for (name,) in found) or "none"
                expected = "give a database of starlink-grpc-tools: history or status with rows"
                raise InputError(str(path), f"tables {names}", expected)
            taken = "history" if rows["history"] else "status"
            cursor = connection.execute(f"SELECT * FROM {taken} ORDER BY time")
            cells = cursor.fetchall()
            columns = {column[0]: [row[i] for row in cells] for i, column in enumerate(cursor.description)}
    except sqlite3.Error as error:
        raise InputError(str(path), f"broken SQLite file ({error})", "copy it again") from error
    left = rows["status"] if taken == "history" else 0
    notes = (f"table history taken; table status with {left} rows left",) if left else ()
    return table_of(path, columns), notes


def _count(connection: sqlite3.Connection, name: str) -> int:
    there = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)
    )
    return int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]) if there.fetchone()[0] else 0


def _dish(given: tables.Table, notes: tuple[str, ...] = ()) -> base.Recording:
    table, more = _one_dish(_fields(given))
    path = table.path
    stamp, utc, zone = stamps(table)
    notes += more + zone + clock.checked(path, stamp, table.lines, local=not utc)
    t = base.increasing(stamp - stamp[0])
    with documents.shape(path, "a table of a dish's fields"):
        series, unsaid = dish_series.path_series(t, _numbers(table, _LATENCY), _numbers(table, _DROP))
        context = dish_series.usage(t, _numbers(table, _DOWN), _numbers(table, _UP))
    start = int(stamp[0]) if utc else None
    return base.Recording(series, base.end_of(t), start, (), context, dish_series.TRAITS, notes + unsaid)


def _fields(given: tables.Table) -> tables.Table:
    """Return the columns that are read, by the names of starlink-grpc-tools.

    Raises InputError where there are none, or RTTs of another prober beside the dish's.
    """
    plain = {name.removeprefix("dish_status."): cells for name, cells in given.columns.items()}
    found = {_FIELDS[name]: cells for name, cells in plain.items() if name in _FIELDS}
    place, names = Place(str(given.path), 1), ", ".join(given.names)
    if _LATENCY not in found:
        raise InputError(place, f"columns {names}: no {_LATENCY}", "give a table of starlink-grpc-tools")
    if other := _OTHER_RTTS & {name.lower() for name in given.names}:
        lacks = "" if _DROP in found else f", and no {_DROP}"
        what = f"columns {names}: round trips in {', '.join(sorted(other))} and in {_LATENCY}{lacks}"
        raise InputError(place, what, "keep one of them (a round trip in ms is called rtt_ms)")
    return tables.Table(given.path, found, given.lines)


def _one_dish(table: tables.Table) -> tuple[tables.Table, tuple[str, ...]]:
    rows = Counter(table.columns.get(_ID, ()))
    if len(rows) < 2:
        return table, ()
    taken = max(sorted(rows), key=lambda name: rows[name])
    kept = [row for row, name in enumerate(table.columns[_ID]) if name == taken]
    columns = {name: [cells[row] for row in kept] for name, cells in table.columns.items()}
    left = ", ".join(f"{name or 'nameless'} ({rows[name]} rows)" for name in sorted(rows) if name != taken)
    note = f"dish {taken} taken; left: {left}"
    return tables.Table(table.path, columns, [table.lines[row] for row in kept]), (note,)


def _numbers(table: tables.Table, name: str) -> list[float | None]:
    """Return a column as numbers, None where nothing is known. Raises InputError with the line of what is none."""
    if name not in table.columns:
        return [None] * len(table.lines)
    found: list[float | None] = []
    for row, cell in enumerate(table.columns[name]):
        if cell.lower() in tables.UNKNOWN:
            found.append(None)
        elif tables.is_number(cell):
            found.append(float(cell))
        else:
            raise table.refuse(row, f"{name} is {cell!r}", "write a number")
    return found


def _is_csv(head: base.Head) -> bool:
    return any(_FIELDS.get(name) == _LATENCY for name in tables.header(head))


_DISH_FIELDS = re.compile(rf"(dish_status\.)?({'|'.join(map(re.escape, _FIELDS))})\Z")
_SMOOTHED = (
    "steps and spikes within a second, which the dish smooths; what the path could carry: throughput is usage"
)
DISH_PARQUET = base.Format(
    "grpc-tools-parquet",
    "starlink-grpc-tools fields, Parquet",
    lambda head: any(_LATENCY in name for name in parquet_names(head)),
    lambda path: _dish(table_of(path, parquet(path, _DISH_FIELDS))),
    sign="Parquet with `pop_ping_latency_ms`",
    tool="starlink-grpc-tools' fields, as FjordLink keeps them",
    record="a row a second, of one dish",
    cannot_tell=_SMOOTHED,
)
DISH_SQLITE = base.Format(
    "grpc-tools-sqlite",
    "starlink-grpc-tools, SQLite",
    lambda head: head.data[:16] == b"SQLite format 3\0",
    lambda path: _dish(*_sqlite(path)),
    sign="an SQLite file",
    tool="starlink-grpc-tools, dish_grpc_sqlite.py (schema 1 to 3)",
    record="dish_grpc_sqlite.py -t 30 bulk_history dish.db: a row a second, of one dish",
    cannot_tell=f"{_SMOOTHED}; with the status alone, what lies between its polls",
)
DISH_CSV = base.Format(
    "grpc-tools-csv",
    "starlink-grpc-tools and LEOViz, CSV with header",
    _is_csv,
    lambda path: _dish(tables.read_csv(path)),
    by_line=True,
    sign="a header with `pop_ping_latency_ms` or `popPingLatencyMs`",
    tool="starlink-grpc-tools, dish_grpc_text.py; LEOViz, GRPC_STATUS-*.csv",
    record="dish_grpc_text.py -H bulk_history > dish.csv; dish_grpc_text.py -t 30 bulk_history >> dish.csv",
    cannot_tell=f"{_SMOOTHED}; losses without `pop_ping_drop_rate` (LEOViz)",
)
