"""Flent's data files (JSON, .flent.gz): the RTT under load probe by probe, and the sums of its transfers.

Raw values have the time of the answer, so that a probe was sent its RTT before; a number that is missing is a
lost probe. Rates are those that Flent puts on its grid, in Mbit/s of TCP payload; an upload's are its sender's.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.model.trace import FRAMINGS, Layer, Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, dish_grpc, documents

Int = NDArray[np.int64]
_MBPS = 10**6
_LONGEST_LOSS = 100_000
_LONGEST_S = 10**7
_WAYS: Mapping[str, SeriesName] = {"download": SeriesName.DOWN_RATE, "upload": SeriesName.UP_RATE}


def _recognises(head: base.Head) -> bool:
    text = head.text
    return text.lstrip()[:1] == "{" and ('"FLENT_VERSION"' in text or '"NETPERF_WRAPPER_VERSION"' in text)


def _read(path: Path) -> base.Recording:
    with documents.shape(path, "a data file of Flent's"):
        data = documents.only(path, base.lines(path), "test")
        metadata = data["metadata"]
        begun = dish_grpc.iso_ns(str(metadata.get("T0") or metadata["TIME"]).replace("Z", "+00:00"))
        sent, rtt, probes_note = _probes(path, data.get("raw_values") or {})
        rates, rates_notes = _rates(path, data)
    if not len(sent) and not rates:
        found = f"series {', '.join(data['results']) or 'none'}: no ping with raw values, no TCP transfer"
        raise InputError(str(path), found, "give a test such as rrul or tcp_nup")
    start = min([begun, *sent[:1].tolist()])
    series = {name: _on_grid(rows, begun - start) for name, rows in rates.items()}
    if len(sent):
        loss = np.where(rtt < 0, Loss.UNKNOWN, Loss.NONE)
        series[SeriesName.RTT] = Series.of(base.increasing(sent - start), rtt, loss)
    return base.Recording(
        series=series,
        duration_ns=base.end_of(*(s.t_ns for s in series.values())),
        start_ns=start,
        traits=(Trait.SENDER_SIDE,) if SeriesName.UP_RATE in rates else (),
        notes=probes_note + rates_notes,
        framing=dict.fromkeys(rates, FRAMINGS[Layer.TCP]),
    )


def _probes(path: Path, raw: Mapping[str, Sequence[Any]]) -> tuple[Int, Int, tuple[str, ...]]:
    """Return when the packets of a ping that numbers them were sent (UTC ns), their RTTs (-1: lost), and notes."""
    pings = [name for name, rows in raw.items() if name.startswith("Ping (ms)") and rows]
    names = [name for name in pings if any("seq" in row for row in raw[name])]
    if not names:
        none = np.zeros(0, np.int64)
        return none, none, (f"packets are not numbered: {', '.join(pings)} left",) if pings else ()
    name = next((name for name in names if "ICMP" in name), names[0])
    left = [other for other in pings if other != name]
    notes = (f"RTT of '{name}'" + (f"; left: {', '.join(left)}" if left else ""),)
    rows = [_row(path, name, number, row) for number, row in enumerate(raw[name])]
    for number, ((one, _, _), (other, _, _)) in enumerate(itertools.pairwise(rows), 1):
        if not one < other <= one + _LONGEST_LOSS:
            found = f"{name}, value {number}: number {other} follows {one}"
            raise InputError(str(path), found, "give the data of one test")
    if leap := base.leap([t for _, t, _ in rows]):
        raise InputError(str(path), f"{name}, value {leap[0]}: {leap[1]}", "give the data of one test")
    numbers = [number for number, _, _ in rows]
    every = np.arange(numbers[0], numbers[-1] + 1)
    sent = np.interp(every, numbers, [float(t - rows[0][1]) for _, t, _ in rows]).round().astype(np.int64)
    rtt = np.full(len(every), -1, np.int64)
    rtt[np.array(numbers) - numbers[0]] = [rtt for _, _, rtt in rows]
    return rows[0][1] + sent, rtt, notes


def _row(path: Path, name: str, number: int, row: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return number, time of sending (UTC ns) and RTT (ns, -1: lost) of one raw value."""
    value = row.get("val")
    rtt = -1 if value is None else round(float(value) * 1e6)
    if not (rtt == -1 or 0 < rtt <= base.MAX_RTT_NS):
        found = f"{name}, value {number}: {value} ms"
        raise InputError(str(path), found, "a round trip takes more than 0 and less than 10 minutes")
    return int(row["seq"]), round(float(row["t"]) * 1e9) - max(rtt, 0), rtt


def _rates(
    path: Path, data: Mapping[str, Any]
) -> tuple[dict[SeriesName, list[tuple[int, int]]], tuple[str, ...]]:
    """Return (ns since T0, bit/s) of each direction's transfers, and notes."""
    found, notes = {}, tuple[str, ...]()
    for word, series in _WAYS.items():
        names = [n for n in data["results"] if n.startswith(f"TCP {word}") and not n.endswith("avg")]
        name = next((n for n in names if n.endswith("sum")), names[0] if len(names) == 1 else None)
        if name is None:
            continue
        values, times = data["results"][name], data["x_values"]
        if len(values) != len(times):
            raise ValueError(f"'{name}' has {len(values)} values at {len(times)} times")
        rows = [
            (round(float(t) * 1e9), round(float(v) * _MBPS))
            for t, v in zip(times, values, strict=True)
            if v is not None
        ]
        if any(one >= other for (one, _), (other, _) in itertools.pairwise(rows)):
            raise ValueError("x_values do not rise")
        if any(not (0 <= rate < 10**13 and 0 <= t < _LONGEST_S * 10**9) for t, rate in rows):
            raise InputError(
                str(path), f"'{name}' has values that no link has", "give the file as Flent wrote it"
            )
        if rows:
            found[series] = rows
            left = len(values) - len(rows)
            notes += (f"{series} of '{name}'" + (f"; {left} times without a value left out" if left else ""),)
    return found, notes


def _on_grid(rows: Sequence[tuple[int, int]], late_ns: int) -> Series:
    t = base.increasing([t + late_ns for t, _ in rows])
    return Series.of(t, [rate for _, rate in rows])


FORMAT = base.Format(
    "flent",
    "Flent's data files",
    _recognises,
    _read,
    sign="JSON with Flent's metadata (`FLENT_VERSION`)",
    tool="Flent 1.0 to 2.2 (file format 3), netperf-wrapper's later files",
    record="flent rrul -s 0.05 -l 300 -H HOST",
    cannot_tell="the direction of a loss; single rates: its transfers lie on a grid, an upload as its sender sees it; "
    "RTT without load",
)
