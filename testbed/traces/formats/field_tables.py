"""Tables with the field names of starlink-grpc-tools (CSV, SQLite, Parquet) and of RouterOS' LTE monitor.

The dish's pings become RTT and loss, as in its own dumps. A modem's radio figures are context: they are
never replayed. Parquet named .parquet.gzip is plain Parquet.
"""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from testbed.errors import InputError
from testbed.model.trace import Series
from testbed.traces.formats import base, dish_grpc, documents, tables

Columns = Mapping[str, Sequence[Any]]
_TIMES = ("@timestamp", "datetimestamp_utc", "time", "timestamp")
_LATENCY, _DROP = "pop_ping_latency_ms", "pop_ping_drop_rate"
_DOWN, _UP = "downlink_throughput_bps", "uplink_throughput_bps"
_LOUDEST = 1000.0
"""No dBm, dB (or tenths of one) or CQI comes near it."""
_RADIO = {
    "lte.lRssi": "RSSI dBm",
    "lte.lRsrp": "RSRP dBm",
    "lte.lRsrq": "RSRQ dB",
    "lte.lSinr": "SINR dB",
    "lte.lCqi": "CQI",
    "lte.lNrRsrp": "NR RSRP dBm",
    "lte.lNrRsrq": "NR RSRQ dB",
    "lte.lNrSinr": "NR SINR dB",
}


def _parquet(path: Path) -> Columns:
    try:
        return {name: column.to_pylist() for name, column in _flat(pq.read_table(path))}
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            str(path), f"broken Parquet file ({str(error).splitlines()[0]})", "copy it again"
        ) from error


def _flat(table: pa.Table) -> list[tuple[str, Any]]:
    wanted = re.compile(r"(@timestamp|identity|lte\.l\w+|(dish_status\.)?\w+)\Z")
    return [(name, table[name]) for name in table.column_names if wanted.match(name)]


def _sqlite(path: Path) -> Columns:
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
            names = [name for (name,) in found]
            table = next((name for name in ("status", "history") if name in names), None)
            if table is None:
                raise InputError(
                    str(path), f"tables {', '.join(names) or 'none'}", "starlink-grpc-tools' status"
                )
            cursor = connection.execute(f"SELECT * FROM {table} ORDER BY time")
            rows = cursor.fetchall()
            return {column[0]: [row[i] for row in rows] for i, column in enumerate(cursor.description)}
    except sqlite3.Error as error:
        raise InputError(str(path), f"broken SQLite file ({error})", "copy it again") from error


def _plain(columns: Columns) -> Columns:
    return {name.removeprefix("dish_status."): column for name, column in columns.items()}


def _stamps(path: Path, columns: Columns) -> Sequence[int]:
    name = next((name for name in _TIMES if name in columns), None)
    if name is None:
        raise InputError(str(path), "no column with times", f"name one {' or '.join(_TIMES)}")
    stamps = []
    for row, value in enumerate(columns[name]):
        with documents.shape(path, "a time with its zone", f"record {row}"):
            text = str(value)
            seconds = re.fullmatch(r"\d{9,10}(\.\d+)?", text)
            if name == "datetimestamp_utc" and not re.search(r"(Z|[+-]\d\d:?\d\d)\Z", text):
                text += "+00:00"
            stamps.append(round(float(text) * 1e9) if seconds else dish_grpc.iso_ns(text))
    if not stamps:
        raise InputError(str(path), "the table has no rows", "give the whole recording")
    return stamps


def _dish(path: Path, columns: Columns) -> base.Recording:
    columns = _plain(columns)
    stamps = np.array(_stamps(path, columns), np.int64)
    base.check_clock(path, stamps, range(1, len(stamps) + 1))
    t = base.increasing(stamps - stamps[0])
    with documents.shape(path, "a table of starlink-grpc-tools"):
        latency, drop = ([_number(v) for v in columns[name]] for name in (_LATENCY, _DROP))
        silent = [i for i, v in enumerate(latency) if v is None]
        series = dish_grpc.path_series(
            t,
            [0.0 if v is None else v for v in latency],
            [1.0 if latency[i] is None else (v or 0.0) for i, v in enumerate(drop)],
        )
        down, up = ([_number(v) or 0.0 for v in columns.get(name, [0] * len(t))] for name in (_DOWN, _UP))
        context = dish_grpc.usage(t, down, up)
    notes = (f"{len(silent)} rows without a latency taken for lost",) if silent else ()
    return base.Recording(series, base.end_of(t), int(stamps[0]), (), context, dish_grpc.TRAITS, notes)


def _number(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


def _is_dish_parquet(head: base.Head) -> bool:
    return head.data[:4] == b"PAR1" and any(_LATENCY in name for name in _parquet_names(head.path))


def _is_lte_parquet(head: base.Head) -> bool:
    return head.data[:4] == b"PAR1" and "lte.lRsrp" in _parquet_names(head.path)


def _parquet_names(path: Path) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            str(path), f"broken Parquet file ({str(error).splitlines()[0]})", "copy it again"
        ) from error


def _is_dish_sqlite(head: base.Head) -> bool:
    return head.data[:16] == b"SQLite format 3\0"


def _is_dish_csv(head: base.Head) -> bool:
    return bool(head.lines) and _LATENCY in next(csv.reader(head.lines[:1]), [])


def _read_lte(path: Path) -> base.Recording:
    columns = _parquet(path)
    stamps = np.array(_stamps(path, columns), np.int64)
    names = columns.get("identity", ["modem"] * len(stamps))
    start = int(stamps.min())
    context: dict[str, Series] = {}
    for modem in sorted(set(map(str, names))):
        mine = [i for i, name in enumerate(names) if str(name) == modem]
        if found := base.leap(stamps[mine]):
            raise InputError(
                str(path),
                f"record {mine[found[0]]}: {found[1]}",
                "split the recording where its clock changes",
            )
        mine.sort(key=lambda i: stamps[i])
        for field, title in _RADIO.items():
            with documents.shape(path, "a RouterOS LTE recording", field):
                rows = [
                    (stamps[i] - start, float(columns[field][i])) for i in mine if columns[field][i] != ""
                ]
                if any(abs(value) >= _LOUDEST for _, value in rows):
                    raise ValueError(f"a value of {max(abs(value) for _, value in rows):g}")
                if rows:
                    t = base.increasing([t for t, _ in rows])
                    context[f"{modem} {title}"] = Series.of(t, [round(v * 1000) for _, v in rows])
    notes = (f"{len(stamps)} rows of {len(set(map(str, names)))} modems",)
    return base.Recording({}, base.end_of(*(s.t_ns for s in context.values())), start, (), context, (), notes)


DISH_PARQUET = base.Format(
    "grpc-tools-parquet",
    "starlink-grpc-tools fields, Parquet",
    _is_dish_parquet,
    lambda p: _dish(p, _parquet(p)),
    sign="Parquet with `pop_ping_latency_ms`",
    tool="starlink-grpc-tools' fields, as FjordLink keeps them",
    record="dish_grpc_text.py -t 1 ping_drop usage, or its history",
    cannot_tell="steps and spikes within a second, which the dish smooths",
)
DISH_SQLITE = base.Format(
    "grpc-tools-sqlite",
    "starlink-grpc-tools, SQLite",
    _is_dish_sqlite,
    lambda p: _dish(p, _sqlite(p)),
    sign="an SQLite file",
    tool="starlink-grpc-tools, dish_grpc_sqlite.py",
    record="dish_grpc_sqlite.py -t 30 bulk_history: one row a second",
    cannot_tell="steps and spikes within a second, which the dish smooths; with the status alone, what "
    "lies between its polls",
)
DISH_CSV = base.Format(
    "grpc-tools-csv",
    "starlink-grpc-tools, CSV with header",
    _is_dish_csv,
    lambda p: _dish(p, tables.read_csv(p).columns),
    by_line=True,
    sign="a header with `pop_ping_latency_ms`",
    tool="starlink-grpc-tools, dish_grpc_text.py",
    record="dish_grpc_text.py -H > dish.csv, then -t 1 status >> dish.csv",
    cannot_tell="steps and spikes within a second, which the dish smooths",
)
LTE_PARQUET = base.Format(
    "routeros-lte",
    "RouterOS LTE monitor, Parquet (context)",
    _is_lte_parquet,
    _read_lte,
    sign="Parquet with `lte.lRsrp`",
    tool="RouterOS' LTE monitor, as FjordLink keeps it",
    record="beside a recording of RTT and rates",
    cannot_tell="RTT, loss and rate: it is context",
)
