"""CSV without a header: up and down Mbit/s, up and down one-way ms, time in ms, every 100 ms.

The order is the one of the Starlink-Emulator project's trace (its combine step writes rates, delays, time).
"""

from __future__ import annotations

import re
from pathlib import Path

from testbed.model.trace import Series, SeriesName
from testbed.traces.formats import base, tables

_COLUMNS = ("up_rate", "down_rate", "up_delay", "down_delay", "time")
_LINE = re.compile(r"(\d+(\.\d+)?,){4}\d+\Z")


def _recognises(head: base.Head) -> bool:
    lines = head.lines[:3]
    return len(lines) > 0 and all(_LINE.match(line.strip()) for line in lines)


def _read(path: Path) -> base.Recording:
    table = tables.read_csv(path, _COLUMNS)
    stamp = table.scaled("time", 10**6)
    for row in [row for row, step in enumerate(stamp[1:] - stamp[:-1]) if step <= 0][:1]:
        raise table.refuse(
            row + 1, f"time {table.columns['time'][row + 1]} does not rise", "split the recording"
        )
    base.check_clock(path, stamp, table.lines)
    t = stamp - stamp[0]
    scales = {"up_rate": 10**6, "down_rate": 10**6, "up_delay": 10**6, "down_delay": 10**6}
    values = {SeriesName(name): table.scaled(name, scale) for name, scale in scales.items()}
    for name in ("up_delay", "down_delay"):
        table.check_rtt(name, values[SeriesName(name)])
    return base.Recording(
        series={name: Series.of(t, value) for name, value in values.items()},
        duration_ns=base.end_of(t),
        start_ns=int(stamp[0]) if stamp[0] > 10**18 else None,
    )


FORMAT = base.Format("csv-100ms", "rates, one-way delays, time in ms; no header", _recognises, _read)
