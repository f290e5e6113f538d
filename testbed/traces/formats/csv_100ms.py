"""CSV without a header, every 100 ms: seven columns, or five without the losses.

up and down Mbit/s, up and down one-way ms, (up and down share of packets lost, 0 to 1,) time in ms: the trace
of the Starlink-Emulator project (Li, University of Victoria), made from iperf3 and irtt. Its processing cuts whole
slots out of the recording and numbers the rows anew, so that time 0 is second 0 of a minute: boundaries lie
at 12, 27, 42 and 57 s.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import FRAMINGS, Layer, Series, SeriesName
from testbed.traces.formats import base, tables
from testbed.traces.slots import PHASE_NS, SLOT_NS
from testbed.units import format_duration

_SCALES = {"up_rate": 10**6, "down_rate": 10**6, "up_delay": 10**6, "down_delay": 10**6}
_SHARES = {"up_loss": 10**6, "down_loss": 10**6}
_LINE = re.compile(r"((\d+(\.\d+)?,){4}|(\d+(\.\d+)?,){6})\d+\Z")
_EPOCH_NS = 10**18
_CADENCE_MS = 100


def _recognises(head: base.Head) -> bool:
    lines = [line.strip() for line in head.lines[:20]]
    if not lines or not all(map(_LINE.match, lines)):
        return False
    steps = np.diff([float(line.rsplit(",", 1)[1]) for line in lines])
    return not len(steps) or bool(abs(float(np.median(steps)) - _CADENCE_MS) < _CADENCE_MS / 2)


def _read(path: Path) -> base.Recording:
    scales = _SCALES | (_SHARES if base.lines(path)[0].count(",") == 6 else {})
    table = tables.read_csv(path, (*scales, "time"))
    stamp = table.scaled("time", 10**6)
    for row in np.flatnonzero(np.diff(stamp) <= 0)[:1] + 1:
        found = f"time {table.columns['time'][row]} does not rise"
        raise table.refuse(int(row), found, "split the recording")
    base.check_clock(path, stamp, table.lines)
    t = stamp - stamp[0]
    epoch = bool(stamp[0] > _EPOCH_NS)
    return base.Recording(
        series={SeriesName(name): _series(table, name, scale, t) for name, scale in scales.items()},
        duration_ns=base.end_of(t),
        start_ns=int(stamp[0]) if epoch else None,
        slot_ns=None if epoch else int((PHASE_NS - stamp[0]) % SLOT_NS),
        notes=_holes(stamp),
        framing=dict.fromkeys((SeriesName.UP_RATE, SeriesName.DOWN_RATE), FRAMINGS[Layer.TCP]),
    )


def _holes(stamp: NDArray[np.int64]) -> tuple[str, ...]:
    """Return a note on rows that are missing: nothing is known there, and the one in front is held."""
    steps = np.diff(stamp)
    holes = steps[steps > 1.5 * np.median(steps)] if len(steps) else steps
    if not len(holes):
        return ()
    return (f"{len(holes)} times rows are missing, for {format_duration(int(holes.max()))} at the longest",)


def _series(table: tables.Table, name: str, scale: int, t: NDArray[np.int64]) -> Series:
    values = table.scaled(name, scale)
    if name.endswith("delay"):
        table.check_rtt(name, values)
        for row in np.flatnonzero(values == 0)[:1]:
            raise table.refuse(int(row), f"{name} is 0", "no path takes no time: leave the row out")
    if name in _SHARES:
        for row in np.flatnonzero(values > scale)[:1]:
            found = f"{name} is {table.columns[name][row]}"
            raise table.refuse(int(row), found, "a share of losses lies between 0 and 1")
    return Series.of(t, values)


FORMAT = base.Format(
    "csv-100ms",
    "rates, one-way delays, losses, time in ms; no header",
    _recognises,
    _read,
    by_line=True,
    sign="five or seven columns of numbers without a header",
    tool="the Starlink-Emulator project's processing",
    record="give the recordings of iperf3 and irtt instead",
    cannot_tell="when it was recorded; what lay in the slots that were cut out",
)
