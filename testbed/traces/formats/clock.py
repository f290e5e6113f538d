"""The times of a table's rows: epochs in the unit that their column names, or ISO 8601; and what their order tells.

A zone by name (CEST) does not say which hour is meant when clocks go back: such times, and those without a
zone, are the recording's own, and its start is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.traces.formats import base, tables
from testbed.units import format_duration

Int = NDArray[np.int64]
S = 10**9
UNITS: Mapping[str, int] = {"s": S, "ms": 10**6, "us": 10**3, "ns": 1}
NO_ZONE = "times without a zone: the start is unknown"
_FROM_NS, _TO_NS = 946_684_800 * S, 4_102_444_800 * S
"""The years 2000 to 2100: an epoch that lies outside is one in another unit."""
_LONGEST_GAP_NS = 7 * 86400 * S
"""A table may pause for a night; where it leaps by more, a clock was set."""
_HOUR_NS = 3600 * S
_EXPONENT = re.compile(r"[\d.]+[eE][+-]?\d+\Z")
_DIGITS = 13
"""An epoch to the millisecond has that many."""
_ISO = re.compile(
    r"(?P<day>\d{4}[-/]\d\d[-/]\d\d)[T _](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<part>\d{1,9}))?"
    r" ?(?P<zone>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?(?P<name> ?\[?[A-Za-z]{2,}(?:/\w+)*\]?)?\Z"
)


def unit_of(text: str) -> str | None:
    """Return the unit in which a number is an epoch of our time, or None."""
    value = Decimal(text)
    return next((unit for unit, scale in UNITS.items() if _FROM_NS <= value * scale <= _TO_NS), None)


def epochs(table: tables.Table, name: str, unit: str) -> Int:
    """Return a column of epochs in ns. Raises InputError where they are in another unit than ``unit``."""
    for row, text in enumerate(table.column(name)):
        if _EXPONENT.match(text) and sum(map(str.isdigit, text.lower().split("e")[0])) < _DIGITS:
            raise table.refuse(
                row, f"{name} is {text}: its last digits are lost", "write it without an exponent"
            )
        if tables.is_number(text) and (found := unit_of(text)) not in (None, unit):
            raise table.refuse(row, f"{name} is {text}", f"{name} is in {unit}; call it epoch_{found}")
    return table.scaled(name, UNITS[unit])


def iso(table: tables.Table, name: str) -> tuple[Int, tuple[str, ...] | None]:
    """Return a column of ISO 8601 times in ns, as UTC where they have a zone.

    Where they have none the notes say so, else they are None. Raises InputError with the line of what is no
    time, or has a zone where others have none.
    """
    found, zones, named = [], set(), set()
    for row, text in enumerate(table.column(name)):
        if not (match := _ISO.match(text)):
            raise table.refuse(row, f"{name} is {text!r}", "write ISO 8601, with a zone in all rows or none")
        if (match["name"] or "").strip().upper() in ("AM", "PM"):
            raise table.refuse(row, f"{name} is {text!r}", "write hours from 0 to 23")
        if (stamp := iso_ns(match)) is None:
            raise table.refuse(row, f"{name} is {text!r}", "write a date that there was")
        found.append(stamp)
        zones.add(bool(match["zone"]))
        if match["name"] and not match["zone"]:
            named.add(match["name"].strip(" []"))
        if len(zones) > 1:
            raise table.refuse(row, f"{name} is {text!r}", "write ISO 8601, with a zone in all rows or none")
    if zones == {True}:
        return np.array(found, np.int64), None
    notes = (f"the zone {', '.join(sorted(named))} is a name, no offset: not read",) if named else ()
    return np.array(found, np.int64), (NO_ZONE, *notes)


def iso_ns(match: re.Match[str]) -> int | None:
    """Return a time that `_ISO` matches in ns, as UTC where it has no zone.

    None for a date that is none, or that 64 bits do not hold.
    """
    try:
        when = datetime.fromisoformat(f"{match['day'].replace('/', '-')}T{match['time']}")
    except ValueError:
        return None
    seconds = (when - datetime(1970, 1, 1)) // timedelta(seconds=1)
    offset = match["zone"] or ""
    if offset[:1] in "+-" and offset:
        away = int(offset[1:3]) * 3600 + int(offset[3:].strip(":") or 0) * 60
        seconds += away if offset[0] == "-" else -away
    found = seconds * S + int((match["part"] or "0").ljust(9, "0"))
    return found if abs(found) < 2**63 else None


def checked(path: Path, stamp: Int, lines: Sequence[int], *, local: bool = False) -> tuple[str, ...]:
    """Return notes on the pauses in a table's times. Raises InputError where a second recording or clock begins.

    ``local``: the times have no zone, so that an hour may be one that was lived twice.
    """
    steps = np.diff(stamp)
    back = np.flatnonzero(steps < 0)
    again = back[(stamp[back + 1] <= stamp[0]) & (back > 0)][:1] + 1
    leap = base.leap(stamp, longest_ns=_LONGEST_GAP_NS)
    for row in sorted([*again.tolist(), *([leap[0]] if leap else [])])[:1]:
        step = int(steps[row - 1])
        found = f"the clock leaps {'back' if step < 0 else 'forward'} by {format_duration(abs(step))}"
        expected = "split the recording there"
        if local and abs(step + _HOUR_NS) < 60 * S:
            found, expected = f"{found}, as at the end of summer time", "write the times as UTC"
        elif step < 0 and stamp[row] <= stamp[0]:
            found += ": its times begin again"
        raise InputError(Place(str(path), lines[row]), found, expected)
    return base.pauses(stamp, lines)
