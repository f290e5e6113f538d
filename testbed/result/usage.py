"""What each hub's uplinks carried, to the byte, as a table: one file a sampled day."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from testbed import paths
from testbed.errors import InputError, did_you_mean
from testbed.model.data_plan import DAY_NS

COLUMNS = ("hub", "uplink", "duration_ns", "up_bytes", "down_bytes")


class UsageRow(NamedTuple):
    """What one uplink of one hub carried in so much time, as its link counted."""

    hub: str
    uplink: str
    duration_ns: int
    up_bytes: int
    down_bytes: int


def write(path: Path, rows: Iterable[UsageRow]) -> None:
    """Write a table of usage."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def read(path: Path) -> list[UsageRow]:
    """Read a table of usage. Raises InputError with the line of what is wrong."""
    if not path.is_file():
        raise InputError("", f"no file {paths.shown(path)}", "write one by 'testbed fleet play NAME --usage FILE'")
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    where = paths.shown(path)
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"{where}:1", f"columns {', '.join(lines[0] if lines else ())}", f"write {', '.join(COLUMNS)}")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(COLUMNS) or not all(text.isdecimal() for text in line[2:]) or int(line[2]) == 0:
            raise InputError(f"{where}:{number}", ", ".join(line), "write two names and three whole numbers")
        rows.append(UsageRow(line[0], line[1], *map(int, line[2:])))
    return rows


def by_day(tables: Sequence[Sequence[UsageRow]], uplink: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return the hubs, and the bytes of each by sampled day, shape (days, hubs); what is shorter is taken to go on.

    Raises InputError for an uplink that nobody has, or days of other hubs.
    """
    known = sorted({row.uplink for row in tables[0]})
    if uplink not in known:
        raise InputError("--uplink", f"no uplink {uplink!r} in the usage", did_you_mean(uplink, known))
    days = [
        {row.hub: (row.up_bytes + row.down_bytes) * (DAY_NS / row.duration_ns) for row in table if row.uplink == uplink}
        for table in tables
    ]
    names = list(days[0])
    if any(set(day) != set(names) for day in days):
        raise InputError("", "the sampled days are not of the same hubs", "give days of one fleet")
    return names, np.array([[day[name] for name in names] for day in days], np.float64)
