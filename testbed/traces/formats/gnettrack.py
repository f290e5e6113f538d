"""G-NetTrack's log of a phone: throughput and pings by the second, and the radio's figures as context.

Its throughput is what went through the phone, in kbit/s: the path's only where a transfer filled it. Its
times are local and have no zone. `-` and 0 ms stand where nothing was measured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import FRAMINGS, Framing, Layer, Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, clock, tables

_TIME = re.compile(r"(\d{4})\.(\d\d)\.(\d\d)_(\d\d)\.(\d\d)\.(\d\d)\Z")
_RATES: Mapping[str, SeriesName] = {"DL_bitrate": SeriesName.DOWN_RATE, "UL_bitrate": SeriesName.UP_RATE}
_RADIO: Mapping[str, str] = {
    "RSRP": "RSRP dBm",
    "RSRQ": "RSRQ dB",
    "SNR": "SNR dB",
    "CQI": "CQI",
    "RSSI": "RSSI dBm",
    "Level": "level dBm",
    "Qual": "quality dB",
    "LTERSSI": "LTE RSSI dBm",
}
_LOUDEST = 1000


def _recognises(head: base.Head) -> bool:
    names = tables.header(head)
    return "Timestamp" in names and bool(_RATES.keys() & set(names))


def _read(path: Path) -> base.Recording:
    table = _iso(tables.read_csv(path))
    stamp, notes = clock.iso(table, "Timestamp")
    pauses = clock.checked(path, stamp, table.lines, local=True)
    t = base.increasing(stamp - stamp[0])
    series: dict[SeriesName, Series] = {}
    framing: dict[SeriesName, Framing] = {}
    for column, name in _RATES.items():
        if column in table.columns and (known := table.known(column)).any():
            series[name] = Series.of(t[known], table.scaled(column, 1000, where=known)[known])
            framing[name] = FRAMINGS[Layer.IP]
    if "PINGAVG" in table.columns:
        series |= _rtt(table, t)
    if not series:
        raise InputError(str(path), "no throughput and no pings in any row", "give a log that has them")
    context = {
        title: found for name, title in _RADIO.items() if (found := _radio(table, name, t)) is not None
    }
    traits = (Trait.USAGE,) if framing else ()
    return base.Recording(series, base.end_of(t), None, (), context, traits, (notes or ()) + pauses, framing)


def _iso(table: tables.Table) -> tables.Table:
    stamps = []
    for row, text in enumerate(table.column("Timestamp")):
        if not (match := _TIME.match(text)):
            raise table.refuse(row, f"Timestamp is {text!r}", "give the log as G-NetTrack wrote it")
        stamps.append("{}-{}-{} {}:{}:{}".format(*match.groups()))
    return replace(table, columns=dict(table.columns) | {"Timestamp": stamps})


def _rtt(table: tables.Table, t: np.ndarray[tuple[int], np.dtype[np.int64]]) -> dict[SeriesName, Series]:
    """Return the mean RTT of each second's pings; a second that lost all of them is a lost probe."""
    rtt = table.scaled("PINGAVG", 10**6, where=table.known("PINGAVG"))
    table.check_rtt("PINGAVG", rtt)
    lost = np.zeros(len(t), np.bool_)
    if "PINGLOSS" in table.columns:
        lost = table.scaled("PINGLOSS", 1, where=table.known("PINGLOSS")) >= 100
    kept = lost | (rtt > 0)
    if not kept.any():
        return {}
    return {SeriesName.RTT: Series.of(t[kept], rtt[kept], np.where(lost, Loss.UNKNOWN, Loss.NONE)[kept])}


def _radio(table: tables.Table, name: str, t: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Series | None:
    if name not in table.columns or not (known := table.known(name)).any():
        return None
    values = table.scaled(name, 1000, low=-_LOUDEST, where=known)
    for row in np.flatnonzero(values > _LOUDEST * 1000)[:1]:
        raise table.refuse(int(row), f"{name} is {table.columns[name][row]}", "no radio is as loud")
    return Series.of(t[known], values[known])


FORMAT = base.Format(
    "gnettrack",
    "G-NetTrack's log of a phone",
    _recognises,
    _read,
    by_line=True,
    sign="a header with `Timestamp` and `DL_bitrate` or `UL_bitrate`",
    tool="G-NetTrack Pro; the 4G and 5G data sets of University College Cork",
    record="while a download (or an upload) fills the path; with its ping test on",
    cannot_tell="the start, for want of a zone; what the path could carry while nothing filled it; single RTTs: "
    "its pings are means by the second",
)
