"""Files of one number a line: mahimahi deliveries, LeoCC delays, and delays in ns with losses beside them.

All three are whole numbers and nothing else. Deliveries (ms) never fall; delays in ns are large;
what is left are LeoCC's delays in ms.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Layer, Loss, Series, SeriesName, Trait
from testbed.traces.formats import base

MS = 10**6
DELIVERY_BITS = 1500 * 8
"""One line of a mahimahi trace lets one packet of 1,500 bytes (IP) pass."""
_LEOCC_STEP_NS = 10 * MS
_NS_STEP_NS = 10 * MS
"""The delay lists of Tian et al. (2024) come from irtt at 10 ms; the files do not say so."""
_WHOLE = re.compile(rb"[ \t]*\d{1,18}[ \t\r]*\Z")
_MAX_MS = 30 * 86400 * 1000


def _first(head: base.Head) -> list[int]:
    """Return the numbers of a file's beginning, none where it holds anything else."""
    lines = [line.strip(" \t\r") for line in head.lines if line.strip()]
    plain = all(line.isascii() and line.isdigit() and len(line) < 19 for line in lines)
    return [int(line) for line in lines] if plain else []


def _numbers(path: Path, most: int, what: str) -> NDArray[np.int64]:
    lines = base.content(path).split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not _WHOLE.match(line) or int(line) > most:
            text = line[:40].decode("utf-8", "replace")
            raise InputError(Place(str(path), number), f"{text!r}", f"write {what}, one a line")
    return np.array([int(line) for line in lines], np.int64)


def _rises(numbers: Sequence[int]) -> bool:
    return all(a <= b for a, b in itertools.pairwise(numbers)) and numbers[-1] > numbers[0]


def _is_mahimahi(head: base.Head) -> bool:
    numbers = _first(head)
    return len(numbers) > 1 and _rises(numbers) and numbers[0] < 10**9


def _read_mahimahi(path: Path) -> base.Recording:
    at_ms = _numbers(path, _MAX_MS, "the millisecond of a delivery (up to 30 days)")
    falls = np.flatnonzero(np.diff(at_ms) < 0)
    if len(falls):
        found = f"{at_ms[falls[0] + 1]} follows {at_ms[falls[0]]}"
        raise InputError(Place(str(path), int(falls[0]) + 2), found, "deliveries come in order")
    if at_ms[-1] == 0:
        raise InputError(str(path), "all deliveries are at 0 ms", "give a mahimahi trace")
    # mahimahi repeats the file with its last delivery's time as the period, so that a delivery at
    # the end is one at 0 of the next round.
    period = int(at_ms[-1])
    begins, counts = _steps(at_ms % period, period)
    upwards = path.suffix == ".up" or "up" in path.stem.lower().replace("-", "_").split("_")
    name, way = (SeriesName.UP_RATE, "up") if upwards else (SeriesName.DOWN_RATE, "down")
    return base.Recording(
        series={name: Series.of(begins * MS, counts * DELIVERY_BITS * 1000)},
        duration_ns=period * MS,
        notes=(f"{len(at_ms)} deliveries of 1,500 bytes; direction {way} by the file's name",),
        framing={name: FRAMINGS[Layer.IP]},
    )


def _steps(at_ms: NDArray[np.int64], period: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when the number of deliveries a millisecond changes, and to what; a silence takes no memory."""
    busy, counts = np.unique(at_ms, return_counts=True)
    edges = np.unique(np.concatenate(([0], busy, busy + 1)))
    edges = edges[edges < period]
    found = np.zeros(len(edges), np.int64)
    found[np.searchsorted(edges, busy)] = counts
    changes = np.diff(found, prepend=-1) != 0
    return edges[changes], found[changes]


def _is_leocc(head: base.Head) -> bool:
    numbers = _first(head)
    return bool(numbers) and max(numbers) <= base.MAX_RTT_NS // MS


def _read_leocc(path: Path) -> base.Recording:
    delay = _numbers(path, base.MAX_RTT_NS // MS, "a one-way delay in ms (up to 10 minutes)") * MS
    t = np.arange(len(delay), dtype=np.int64) * _LEOCC_STEP_NS
    series = Series.of(t, delay)
    return base.Recording(
        series={SeriesName.UP_DELAY: series, SeriesName.DOWN_DELAY: series},
        duration_ns=len(delay) * _LEOCC_STEP_NS,
        traits=(Trait.WHOLE_MS,),
        notes=("one file for both directions, as its own replayer plays it",),
    )


def _is_ns_delays(head: base.Head) -> bool:
    numbers = _first(head)
    return bool(numbers) and min(numbers) >= 100_000 and not _rises(numbers)


def _read_ns_delays(path: Path) -> base.Recording:
    delay = _numbers(path, base.MAX_RTT_NS, "a one-way delay in ns (up to 10 minutes)")
    upwards = "up" in path.name.lower()
    loss = _losses_beside(path, len(delay), Loss.UP if upwards else Loss.DOWN)
    t = np.arange(len(delay), dtype=np.int64) * _NS_STEP_NS
    way = "up" if upwards else "down"
    return base.Recording(
        series={SeriesName.UP_DELAY if upwards else SeriesName.DOWN_DELAY: Series.of(t, delay, loss)},
        duration_ns=len(delay) * _NS_STEP_NS,
        notes=(f"one packet every 10 ms taken for granted; direction {way} by the file's name",),
    )


def _losses_beside(path: Path, count: int, lost: Loss) -> NDArray[np.uint8]:
    beside = path.with_name(path.name.replace("delay", "loss"))
    if beside == path or not beside.is_file():
        return np.zeros(count, np.uint8)
    marks = _numbers(beside, 1, "0 or 1 (lost)")
    if len(marks) != count:
        raise InputError(
            str(beside), f"{len(marks)} losses for {count} delays", "give both files of one recording"
        )
    return np.where(marks > 0, lost, Loss.NONE).astype(np.uint8)


MAHIMAHI = base.Format(
    "mahimahi",
    "delivery trace: one millisecond a line",
    _is_mahimahi,
    _read_mahimahi,
    by_line=True,
    sign="whole numbers of ms that never fall",
    tool="mahimahi's mm-link, and all that write its traces",
    record="mahimahi's saturator; name the file .up or .down",
    cannot_tell="delay and loss; its direction, except by its name",
)
NS_DELAYS = base.Format(
    "ns-delays",
    "one-way delays in ns, a 'loss' file beside it",
    _is_ns_delays,
    _read_ns_delays,
    by_line=True,
    sign="whole numbers of ns",
    tool="the delay lists of Tian et al. (2024), made of irtt",
    record="keep the loss list beside it: the same name with `loss` for `delay`",
    cannot_tell="when it was recorded; its cadence, taken for 10 ms",
)
LEOCC = base.Format(
    "leocc-delay",
    "one-way delays in whole ms, 10 ms apart",
    _is_leocc,
    _read_leocc,
    by_line=True,
    sign="whole numbers of ms that rise and fall",
    tool="LeoCC's replayer",
    record="give the recording that it was made of instead",
    cannot_tell="jitter below 1 ms; losses; the direction",
)
