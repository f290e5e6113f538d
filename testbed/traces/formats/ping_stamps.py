"""The time in front of a line of ping's: its own (-D), macOS' (--apple-time), or one that another program put there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.units import format_duration

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_NS = 86400 * 10**9
_HOUR_NS = 3600 * 10**9
_SLACK_NS = 60 * 10**9


class Clock(Enum):
    """What a printed time counts from."""

    NONE = "none"
    UTC = "UTC"
    LOCAL = "local time of an unknown zone"
    DAY = "time of day"


_DATE = r"\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d{1,9})(Z|[+-]\d\d:?\d\d)?\]?[:,]? "
_KINDS = (
    (re.compile(r"\[(\d{1,10})\.(\d{6})\] "), Clock.UTC),  # ping -D
    (re.compile(r"(\d{9,10})\.(\d{1,9}):? "), Clock.UTC),  # ts %.s
    (re.compile(_DATE), Clock.LOCAL),
    (re.compile(r"\[?(\d\d:\d\d:\d\d[.,]\d{3,9})\]? "), Clock.DAY),  # --apple-time
)
FOREIGN = re.compile(r"([^=]{0,60}?(?:\d\d?:\d\d|\d{9,10}\b)[^=]{0,40}?)(?=PING |\d+ [^\W\d]\S* .*seq=\d)")
"""A time in front of ping's own words, of any kind."""


class Stamps:
    """Splits each line of one file into its time in ns, and ping's own text; all have the first one's kind."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = Clock.NONE
        self._kind: tuple[re.Pattern[str], Clock] | None = None

    def __call__(self, number: int, line: str) -> tuple[int | None, str]:
        """Return the time in front of a line, or None, and the rest. Raises InputError for no date."""
        if self._kind is None:
            self._kind = next((kind for kind in _KINDS if kind[0].match(line)), None)
        found = self._kind[0].match(line) if self._kind else None
        if found is None or self._kind is None:
            return None, line
        zoned = self._kind[1] is Clock.LOCAL and found[2] is not None
        self.clock = Clock.UTC if zoned else self._kind[1]
        return self._ns(number, found), line[found.end() :]

    def _ns(self, number: int, found: re.Match[str]) -> int:
        if self._kind is not None and self._kind[1] is Clock.UTC:
            return int(found[1]) * 10**9 + int(found[2].ljust(9, "0"))
        whole, _, fraction = found[1].replace(",", ".").partition(".")
        text = whole if self.clock is not Clock.DAY else f"1970-01-01 {whole}"
        zone = (found[2] or "+00:00") if self.clock is not Clock.DAY else "+00:00"
        return date_ns(self.path, number, text, zone) + int(fraction.ljust(9, "0"))


def date_ns(path: Path, number: int, text: str, zone: str = "+00:00") -> int:
    """Return a date and time in ns since 1970; a local one as if it were UTC. Raises InputError for none."""
    try:
        return (datetime.fromisoformat(text + zone) - _EPOCH) // timedelta(microseconds=1) * 1000
    except ValueError as error:
        raise InputError(
            Place(str(path), number), f"time {text!r}: {error}", "give the whole recording"
        ) from None


def straightened(
    clock: Clock, t_ns: NDArray[np.int64], passed_ns: NDArray[np.float64]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return times of a clock without UTC, in order, without midnights and without ends of summer time.

    ``passed_ns``, shape (n - 1,): the time between them that the numbers of the probes tell, 0 where unknown.
    """
    steps = np.diff(t_ns)
    notes: tuple[str, ...] = ()
    if clock is Clock.DAY:
        t_ns = t_ns + np.concatenate(([0], np.cumsum(steps < -_DAY_NS // 2))) * _DAY_NS
    if clock is Clock.LOCAL:
        beyond = steps - passed_ns
        hours = np.where(passed_ns > 0, np.round(beyond / _HOUR_NS), 0)
        set_anew = (np.abs(hours) == 1) & (np.abs(beyond - hours * _HOUR_NS) < _SLACK_NS)
        moved = np.where(set_anew, hours, 0).astype(np.int64) * _HOUR_NS
        t_ns = t_ns - np.concatenate(([0], np.cumsum(moved)))
        notes = tuple(
            f"the local time goes {'back' if by < 0 else 'forward'} by {format_duration(abs(int(by)))} "
            "where the numbers go on: summer time"
            for by in moved[moved != 0]
        )
    return t_ns, notes
