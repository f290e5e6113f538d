"""Plain CSV with named columns: any time column, and what else is there.

time      t_s t_ms t_us t_ns (since the start), epoch_s epoch_ms epoch_us epoch_ns wall_time_ns,
          timestamp time datetime (an epoch in s, or ISO 8601)
delay     rtt_ms rtt_us rtt_ns, up_delay_ms down_delay_ms (or uplink_..., downlink_...); empty or -1: lost
rate      up_mbps down_mbps, up_bps down_bps, of frames; or uplink_throughput_Mbps ..., throughput_mbps (direction
          by the file's name): throughput is taken for TCP payload
loss      loss_pct (share of the probes lost, both ways); uplink_packet_loss downlink_packet_loss (0 to 1)
WetLinks  timestamp_start with download and upload, in bit/s of iperf3

A probe's time is taken for its send time, except in nuwins' ping CSV, which has receive times and leaves
lost probes out. A delay of 0, and an empty rate or loss, say nothing. Other columns are not read, and the
notes say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Framing, Layer, Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, clock, direction, tables
from testbed.units import format_duration

Int = NDArray[np.int64]
_NUWINS_PING = ["time", "rtt_ms", "operator"]
_SINCE_START: Mapping[str, int] = {f"t_{unit}": scale for unit, scale in clock.UNITS.items()}
_EPOCHS: Mapping[str, str] = {f"epoch_{unit}": unit for unit in clock.UNITS} | {"wall_time_ns": "ns"}
_EITHER = ("timestamp", "time", "datetime", "timestamp_start")
TIMES = (*_SINCE_START, *_EPOCHS, *_EITHER)
_WETLINKS = "timestamp_start"
_LEAST_BPS = 100_000
"""Rates that never reach it are no bit/s of such a path."""
_FLUSHED_ROWS = 20
_FLUSHED_RATES, _FLUSHED_PROBES = 0.5, 0.9
"""Shares of rows at the time of the row in front that are none of intervals; probes may be sent in bursts."""


class _Column(NamedTuple):
    series: SeriesName
    scale: int
    probes: bool = False


VALUES: Mapping[str, _Column] = {
    **{
        f"rtt_{unit}": _Column(SeriesName.RTT, scale, True)
        for unit, scale in clock.UNITS.items()
        if unit != "s"
    },
    "up_delay_ms": _Column(SeriesName.UP_DELAY, 10**6, True),
    "uplink_delay_ms": _Column(SeriesName.UP_DELAY, 10**6, True),
    "down_delay_ms": _Column(SeriesName.DOWN_DELAY, 10**6, True),
    "downlink_delay_ms": _Column(SeriesName.DOWN_DELAY, 10**6, True),
    "up_mbps": _Column(SeriesName.UP_RATE, 10**6),
    "up_bps": _Column(SeriesName.UP_RATE, 1),
    "uplink_throughput_mbps": _Column(SeriesName.UP_RATE, 10**6),
    "down_mbps": _Column(SeriesName.DOWN_RATE, 10**6),
    "down_bps": _Column(SeriesName.DOWN_RATE, 1),
    "downlink_throughput_mbps": _Column(SeriesName.DOWN_RATE, 10**6),
    "throughput_mbps": _Column(SeriesName.DOWN_RATE, 10**6),
    "loss_pct": _Column(SeriesName.LOSS, 10**4),
    "uplink_packet_loss": _Column(SeriesName.UP_LOSS, 10**6),
    "downlink_packet_loss": _Column(SeriesName.DOWN_LOSS, 10**6),
}
_OF_WETLINKS = {"download": _Column(SeriesName.DOWN_RATE, 1), "upload": _Column(SeriesName.UP_RATE, 1)}
_SHARES = (SeriesName.LOSS, SeriesName.UP_LOSS, SeriesName.DOWN_LOSS)
_RATES = (SeriesName.UP_RATE, SeriesName.DOWN_RATE)


@dataclass(frozen=True)
class _Readings:
    """A column as numbers: values, losses, and which rows say anything; each of shape (rows,)."""

    value: Int
    loss: NDArray[np.uint8]
    known: NDArray[np.bool_]


def _columns(names: list[str]) -> dict[str, _Column]:
    known = {**VALUES, **(_OF_WETLINKS if _WETLINKS in names else {})}
    return {name: known[name] for name in names if name in known}


def _recognises(head: base.Head) -> bool:
    names = [name.lower() for name in tables.header(head)]
    return any(name in TIMES for name in names) and bool(_columns(names))


def _read(path: Path) -> base.Recording:
    table = tables.read_csv(path)
    received = table.names == _NUWINS_PING
    table = _lower(table)
    columns = _columns(table.names)
    if not columns:
        what = f"columns {', '.join(table.names)}: none is known as a value"
        raise InputError(Place(str(path), 1), what, f"name one {' or '.join(VALUES)}")
    time_name = _one_of(table, [name for name in TIMES if name in table.columns], "times")
    stamp, utc, notes = _stamps(table, time_name)
    notes += clock.checked(path, stamp, table.lines, local=not utc)
    found = {name: _readings(table, name, column) for name, column in columns.items()}
    found = _without_joined(found, columns)
    if received:
        stamp = stamp - found["rtt_ms"].value
    order = np.argsort(stamp, kind="stable")
    origin = int(stamp.min())
    t = base.increasing(stamp[order] - origin)
    names, why = _names(path, table, columns)
    notes += why + _left_out(found) + _pauses(path, table, columns, stamp)
    unread = [name for name in table.names if name not in columns and name != time_name]
    return base.Recording(
        series={names[name]: _series(path, name, t, order, readings) for name, readings in found.items()},
        duration_ns=base.end_of(t),
        start_ns=origin if utc else None,
        traits=(Trait.ICMP, Trait.LOSS_OMITTED) if received else (),
        notes=((f"columns not read: {', '.join(unread)}",) if unread else ()) + notes,
        framing={
            names[name]: _framing(table) for name in columns if "throughput" in name or name in _OF_WETLINKS
        },
    )


def _lower(table: tables.Table) -> tables.Table:
    names = [name.lower() for name in table.names]
    if len(set(names)) != len(names):
        raise InputError(
            Place(str(table.path), 1), f"columns {', '.join(table.names)}", "name each column once"
        )
    return replace(table, columns=dict(zip(names, table.columns.values(), strict=True)))


def _one_of(table: tables.Table, names: list[str], what: str) -> str:
    if len(names) == 1:
        return names[0]
    found = f"columns {', '.join(table.names)}: {' and '.join(names) or 'none'} are {what}"
    expected = "keep one of them" if names else f"name one {' or '.join(TIMES)}"
    raise InputError(Place(str(table.path), 1), found, expected)


def _stamps(table: tables.Table, name: str) -> tuple[Int, bool, tuple[str, ...]]:
    """Return the times in ns, whether they are UTC, and notes."""
    if name in _SINCE_START:
        return table.scaled(name, _SINCE_START[name]), False, (clock.NO_ZONE,)
    if name in _EPOCHS:
        return clock.epochs(table, name, _EPOCHS[name]), True, ()
    if tables.is_number(table.column(name)[0]):
        if clock.unit_of(table.column(name)[0]) is None:
            found = f"{name} is {table.column(name)[0]}: no epoch"
            raise table.refuse(0, found, "call a time since the start t_s or t_ms")
        return clock.epochs(table, name, "s"), True, ()
    stamp, notes = clock.iso(table, name)
    return stamp, notes is None, notes or ()


def _readings(table: tables.Table, name: str, column: _Column) -> _Readings:
    cells, known = table.columns[name], table.known(name)
    lost = np.zeros(len(cells), np.bool_)
    if column.probes:
        lost = ~known | np.array([cell in ("-1", "-1.0") for cell in cells])
        known = np.ones(len(cells), np.bool_)
    values = table.scaled(name, column.scale, where=known & ~lost)
    if column.probes:
        table.check_rtt(name, values)
        known = lost | (values > 0)  # no path takes no time
    if column.series in _SHARES:
        for row in np.flatnonzero(values > 10**6)[:1]:
            expected = f"write a share from 0 to {10**6 // column.scale}"
            raise table.refuse(int(row), f"{name} is {cells[row]}", expected)
    if name in _OF_WETLINKS and known.any() and values.max() < _LEAST_BPS:
        found = f"{name} is {cells[int(values.argmax())]} at the most: no bit/s"
        raise InputError(str(table.path), found, "call the columns down_mbps and up_mbps")
    return _Readings(values, np.where(lost, Loss.UNKNOWN, Loss.NONE).astype(np.uint8), known)


def _without_joined(found: Mapping[str, _Readings], columns: Mapping[str, _Column]) -> dict[str, _Readings]:
    """Return the readings without the empty cells of probes that come from another recording's rows.

    Where no row has a delay beside a rate, two recordings were joined: no probe was sent in a rate's row.
    """
    rates = [r.known for name, r in found.items() if not columns[name].probes]
    probes = [r.known & (r.loss == Loss.NONE) for name, r in found.items() if columns[name].probes]
    if not rates or not probes:
        return dict(found)
    rated, answered = np.any(rates, axis=0), np.any(probes, axis=0)
    if np.any(answered & rated) or not answered.any() or not rated.any():
        return dict(found)
    return {
        name: replace(r, known=r.known & ~(rated & ~answered)) if columns[name].probes else r
        for name, r in found.items()
    }


def _series(path: Path, name: str, t: Int, order: Int, readings: _Readings) -> Series:
    kept = readings.known[order]
    if not kept.any():
        raise InputError(str(path), f"column {name} has no value", "take it out")
    return Series.of(t[kept], readings.value[order][kept], readings.loss[order][kept])


def _names(
    path: Path, table: tables.Table, columns: Mapping[str, _Column]
) -> tuple[dict[str, SeriesName], tuple[str, ...]]:
    """Return the series of each column, and a note where the file's name tells it."""
    names, notes = {name: column.series for name, column in columns.items()}, tuple[str, ...]()
    if "throughput_mbps" in names:
        way, why = direction.taken(path, direction.Way.DOWN)
        names["throughput_mbps"] = SeriesName.UP_RATE if way is direction.Way.UP else SeriesName.DOWN_RATE
        notes = (why,)
    for series in set(names.values()):
        _one_of(table, [name for name, of in names.items() if of is series], f"the same ({series})")
    return names, notes


def _left_out(found: Mapping[str, _Readings]) -> tuple[str, ...]:
    left = {name: int((~readings.known).sum()) for name, readings in found.items()}
    return tuple(f"{count} rows say nothing of {name}: left out" for name, count in left.items() if count)


def _pauses(path: Path, table: tables.Table, columns: Mapping[str, _Column], stamp: Int) -> tuple[str, ...]:
    """Return a note on the pauses between rates. Raises InputError where the times are those of a flush."""
    steps = np.diff(stamp)
    if len(steps) < 2:
        return ()
    rates = any(column.series in _RATES for column in columns.values())
    same = int((steps == 0).sum())
    if len(stamp) >= _FLUSHED_ROWS and 2 * same > len(stamp):
        found = f"{same} of {len(stamp)} rows have the very time of the row in front"
        raise InputError(str(path), found, "write times finer than the rows are apart")
    together = int((steps < float(steps.mean()) / 50).sum())
    if len(stamp) >= _FLUSHED_ROWS and together > (_FLUSHED_RATES if rates else _FLUSHED_PROBES) * len(stamp):
        found = (
            f"{together} of {len(stamp)} rows have the time of the row in front: of the flush, not of the row"
        )
        raise InputError(str(path), found, "import the tool's own text, or write each row's own time (t_s)")
    if not rates:
        return ()
    pauses = steps[steps > 5 * max(float(np.median(steps)), 1)]
    if not len(pauses):
        return ()
    longest = format_duration(int(pauses.max()))
    return (f"{len(pauses)} pauses between rates, the longest of {longest}: the rate in front is held",)


def _framing(table: tables.Table) -> Framing:
    udp = {cell.lower() for cell in table.columns.get("transport_protocol", ())} == {"udp"}
    return FRAMINGS[Layer.UDP if udp else Layer.TCP]


FORMAT = base.Format(
    "csv",
    "plain CSV with named columns, such as epoch_ns,rtt_ms",
    _recognises,
    _read,
    by_line=True,
    sign="a header with a column of times and one of values, by their names",
    tool="anyone's: the names carry the units (t_s, epoch_ms, timestamp; rtt_ms, down_mbps, loss_pct ...); "
    "nuwins' and WetLinks' own tables",
    record="epoch_ns,rtt_ms with the time of sending, and a row with an empty cell for each lost probe",
    cannot_tell="what it has no column for; whether a time is that of sending",
)
