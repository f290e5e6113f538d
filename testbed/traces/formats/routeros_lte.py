"""RouterOS' LTE monitor as Parquet: a modem's radio figures, which are context and never replayed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from testbed.model.trace import Series
from testbed.traces.formats import base, clock, documents, field_tables, tables

_LOUDEST = 1000.0
"""No dBm, dB (or tenths of one) or CQI comes near it."""
_RADIO: Mapping[str, str] = {
    "lte.lRssi": "RSSI dBm",
    "lte.lRsrp": "RSRP dBm",
    "lte.lRsrq": "RSRQ dB",
    "lte.lSinr": "SINR dB",
    "lte.lCqi": "CQI",
    "lte.lNrRsrp": "NR RSRP dBm",
    "lte.lNrRsrq": "NR RSRQ dB",
    "lte.lNrSinr": "NR SINR dB",
}
_FIELDS = re.compile(r"(@timestamp|identity|lte\.l\w+)\Z")


def _read(path: Path) -> base.Recording:
    table = field_tables.table_of(path, field_tables.parquet(path, _FIELDS))
    stamp, utc, notes = field_tables.stamps(table)
    names = table.columns.get("identity", ["modem"] * len(stamp))
    start = int(stamp.min())
    context: dict[str, Series] = {}
    for modem in sorted(set(names)):
        mine = [row for row, name in enumerate(names) if name == modem]
        notes += clock.checked(path, stamp[mine], [table.lines[row] for row in mine], local=not utc)
        mine.sort(key=lambda row: stamp[row])
        for field, title in _RADIO.items():
            with documents.shape(path, "a RouterOS LTE recording", field):
                cells = table.column(field)
                rows = [
                    (int(stamp[i]) - start, float(cells[i]))
                    for i in mine
                    if cells[i].lower() not in tables.UNKNOWN
                ]
                if any(abs(value) >= _LOUDEST for _, value in rows):
                    raise ValueError(f"a value of {max(abs(value) for _, value in rows):g}")
                if rows:
                    t = base.increasing([t for t, _ in rows])
                    context[f"{modem} {title}"] = Series.of(t, [round(v * 1000) for _, v in rows])
    notes += (f"{len(stamp)} rows of {len(set(names))} modems",)
    end = base.end_of(*(series.t_ns for series in context.values()))
    return base.Recording({}, end, start if utc else None, (), context, (), notes)


FORMAT = base.Format(
    "routeros-lte",
    "RouterOS LTE monitor, Parquet (context)",
    lambda head: "lte.lRsrp" in field_tables.parquet_names(head),
    _read,
    sign="Parquet with `lte.lRsrp`",
    tool="RouterOS' LTE monitor, as FjordLink keeps it",
    record="beside a recording of RTT and rates",
    cannot_tell="RTT, loss and rate: it is context",
)
