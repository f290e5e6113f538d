"""Plain CSV with named columns: any time column, and what else is there.

time      t_s t_ms t_ns (since the start), epoch_s epoch_ms epoch_ns timestamp wall_time_ns, time (ISO 8601)
delay     rtt_ms rtt_us rtt_ns, up_delay_ms down_delay_ms (or uplink_..., downlink_...); empty or -1: lost
rate      up_mbps down_mbps, of frames; or uplink_throughput_Mbps ..., throughput_mbps (direction by the file's
          name): throughput is taken for TCP payload
loss      loss_pct (share of the probes lost, both ways); uplink_packet_loss downlink_packet_loss (0 to 1)

A probe's time is taken for its send time, except in nuwins' ping CSV, which has receive times and leaves
lost probes out. Other columns are not read, and the notes say so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Layer, Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, dish_grpc, tables

Int = NDArray[np.int64]
_NUWINS_PING = ["time", "rtt_ms", "operator"]
_TIMES: Mapping[str, tuple[int, bool]] = {  # scale to ns, and whether it counts from 1970
    "t_s": (10**9, False),
    "t_ms": (10**6, False),
    "t_ns": (1, False),
    "epoch_s": (10**9, True),
    "timestamp": (10**9, True),
    "epoch_ms": (10**6, True),
    "epoch_ns": (1, True),
    "wall_time_ns": (1, True),
    "time": (0, True),
}


class _Column(NamedTuple):
    series: SeriesName
    scale: int
    probes: bool


_VALUES: Mapping[str, _Column] = {
    "rtt_ms": _Column(SeriesName.RTT, 10**6, True),
    "rtt_us": _Column(SeriesName.RTT, 10**3, True),
    "rtt_ns": _Column(SeriesName.RTT, 1, True),
    "up_delay_ms": _Column(SeriesName.UP_DELAY, 10**6, True),
    "uplink_delay_ms": _Column(SeriesName.UP_DELAY, 10**6, True),
    "down_delay_ms": _Column(SeriesName.DOWN_DELAY, 10**6, True),
    "downlink_delay_ms": _Column(SeriesName.DOWN_DELAY, 10**6, True),
    "up_mbps": _Column(SeriesName.UP_RATE, 10**6, False),
    "uplink_throughput_Mbps": _Column(SeriesName.UP_RATE, 10**6, False),
    "down_mbps": _Column(SeriesName.DOWN_RATE, 10**6, False),
    "downlink_throughput_Mbps": _Column(SeriesName.DOWN_RATE, 10**6, False),
    "throughput_mbps": _Column(SeriesName.DOWN_RATE, 10**6, False),
    "loss_pct": _Column(SeriesName.LOSS, 10**4, False),
    "uplink_packet_loss": _Column(SeriesName.UP_LOSS, 10**6, False),
    "downlink_packet_loss": _Column(SeriesName.DOWN_LOSS, 10**6, False),
}


def _recognises(head: base.Head) -> bool:
    names = [name.strip() for name in head.lines[0].split(",")] if head.lines else []
    return any(name in _TIMES for name in names) and any(name in _VALUES for name in names)


def _read(path: Path) -> base.Recording:
    table = tables.read_csv(path)
    received = table.names == _NUWINS_PING
    time_name = next((name for name in _TIMES if name in table.columns), "time")
    stamp, utc = _stamps(table, time_name)
    base.check_clock(path, stamp, table.lines)
    found = {
        column.series: _series_of(path, table, name)
        for name, column in _VALUES.items()
        if name in table.columns
    }
    if received:
        stamp = stamp - found[SeriesName.RTT][0]
    origin = int(stamp.min()) if len(stamp) else 0
    t = base.increasing(np.sort(stamp) - origin)
    order = np.argsort(stamp, kind="stable")
    series = {
        _towards(path, name, table): Series.of(t, v[order], loss[order]) for name, (v, loss) in found.items()
    }
    unread = [name for name in table.names if name not in _VALUES and name != time_name]
    notes: tuple[str, ...] = (f"columns not read: {', '.join(unread)}",) if unread else ()
    if not utc:
        notes += ("times without a zone: the start is unknown",)
    traits = (Trait.ICMP, Trait.LOSS_OMITTED) if received else ()
    framing = {
        _towards(path, _VALUES[name].series, table): FRAMINGS[Layer.TCP]
        for name in table.names
        if name in _VALUES and "throughput" in name
    }
    start = origin if utc else None
    return base.Recording(series, base.end_of(t), start, (), {}, traits, notes, framing)


def _stamps(table: tables.Table, name: str) -> tuple[Int, bool]:
    scale, epoch = _TIMES[name]
    if scale:
        return table.scaled(name, scale), epoch
    zoned = all(re.search(r"(Z|[+-]\d\d:?\d\d)\Z", text) for text in table.column(name))
    found = []
    for row, text in enumerate(table.column(name)):
        try:
            found.append(dish_grpc.iso_ns(text if zoned else text + "+00:00"))
        except ValueError:
            raise table.refuse(
                row, f"{name} is {text!r}", "write ISO 8601, with a zone in all rows or none"
            ) from None
    return np.array(found, np.int64), zoned


def _series_of(path: Path, table: tables.Table, name: str) -> tuple[Int, NDArray[np.uint8]]:
    column = _VALUES[name]
    cells = table.columns[name]
    lost = np.array([cell in ("", "-1", "-1.0", "nan", "NaN") for cell in cells])
    if lost.any() and not column.probes:
        row = int(np.flatnonzero(lost)[0])
        raise InputError(Place(str(path), table.lines[row]), f"{name} is {cells[row]!r}", "write a number")
    kept = tables.Table(
        path, {name: ["0" if gone else c for c, gone in zip(cells, lost, strict=True)]}, table.lines
    )
    values = kept.scaled(name, column.scale)
    if column.probes:
        kept.check_rtt(name, values)
    if column.series in (SeriesName.LOSS, SeriesName.UP_LOSS, SeriesName.DOWN_LOSS):
        for row in np.flatnonzero(values > 10**6)[:1]:
            expected = f"write a share from 0 to {10**6 // column.scale}"
            raise table.refuse(int(row), f"{name} is {cells[row]}", expected)
    return values, np.where(lost, Loss.UNKNOWN, Loss.NONE).astype(np.uint8)


def _towards(path: Path, name: SeriesName, table: tables.Table) -> SeriesName:
    upwards = "throughput_mbps" in table.columns and "uplink" in path.name.lower()
    return SeriesName.UP_RATE if upwards and name is SeriesName.DOWN_RATE else name


FORMAT = base.Format(
    "csv",
    "plain CSV with named columns, such as t_s,rtt_ms",
    _recognises,
    _read,
    by_line=True,
    sign="a header with a column of times and one of values",
    tool="anyone's; the names carry the units",
    record="epoch_ns,rtt_ms with the time of sending, and a row with an empty cell for each lost probe",
    cannot_tell="what it has no column for; whether a time is that of sending",
)
