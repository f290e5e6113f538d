"""Tab-separated epoch, sequence number, RTT in ms by a stop-and-wait prober; -1 is a lost probe (mmsys24).

The time is the one when the answer came or the wait for it ended; the next probe leaves a fixed pause
later. So a probe was sent its RTT before its time, and a lost one a pause after the time before it.
"""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base

_LINE = re.compile(r"(\d{9,10}(?:\.\d{1,9})?)\t(\d+)\t(-1(?:\.0+)?|\d+(?:\.\d+)?)\Z")


def _recognises(head: base.Head) -> bool:
    return any(_LINE.match(line) for line in head.lines[:3])


def _read(path: Path) -> base.Recording:
    lines, rest, _ = base.ended(path)
    notes = () if rest is None or _LINE.match(rest) else base.unfinished(len(lines) + 1)
    if rest is not None and not notes:
        lines.append(rest)
    rows = [_row(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise InputError(str(path), "the recording has no probes", "give the whole recording")
    at = [number for number, line in enumerate(lines, 1) if line.strip()]
    _check_sequence(path, at, [row[1] for row in rows])
    stamp = np.array([row[0] for row in rows], np.int64)
    rtt = np.array([row[2] for row in rows], np.int64)
    base.check_clock(path, stamp, at)
    lost = rtt < 0
    pauses = np.diff(stamp)[~lost[1:]] - rtt[1:][~lost[1:]]
    pause = int(np.median(pauses)) if len(pauses) else 0
    sent = np.where(lost, np.concatenate((stamp[:1], stamp[:-1])) + pause, stamp - rtt)
    t = base.increasing(sent - sent[0])
    return base.Recording(
        series={SeriesName.RTT: Series.of(t, rtt, np.where(lost, Loss.UNKNOWN, Loss.NONE))},
        duration_ns=base.end_of(t),
        start_ns=int(sent[0]),
        traits=(Trait.STOP_AND_WAIT,),
        notes=notes,
    )


def _row(path: Path, number: int, line: str) -> tuple[int, int, int]:
    place = Place(str(path), number)
    if not (match := _LINE.match(line)):
        raise InputError(
            place, f"{line[:60]!r}", "write epoch, sequence number and RTT in ms (-1: lost), by tabs"
        )
    seconds, _, fraction = match[1].partition(".")
    rtt = -1 if match[3].startswith("-") else round(float(match[3]) * 1e6)
    if rtt > base.MAX_RTT_NS:
        raise InputError(place, f"the RTT is {match[3]} ms", "a round trip takes less than 10 minutes")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0")), int(match[2]), rtt


def _check_sequence(path: Path, at: list[int], numbers: list[int]) -> None:
    for line, (before, after) in zip(at[1:], itertools.pairwise(numbers), strict=True):
        if after != before + 1:
            place, found = Place(str(path), line), f"sequence number {after} follows {before}"
            if after <= numbers[0]:
                raise InputError(
                    place, f"{found}: a second recording begins here", "split the file there, import each"
                )
            raise InputError(place, found, "give the whole recording: lost probes have lines too")


FORMAT = base.Format(
    "probe-tsv",
    "epoch, sequence number, RTT by tabs (stop-and-wait prober)",
    _recognises,
    _read,
    by_line=True,
    sign="epoch, number and RTT, separated by tabs",
    tool="the stop-and-wait prober of the mmsys24 data set",
    record="record with irtt or ping -D instead, which do not wait",
    cannot_tell="how long a loss lasted: nothing is sent until the prober gives up",
)
