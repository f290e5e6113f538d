"""Files of one number a line: mahimahi deliveries, LeoCC delays, and delays in ns with losses beside them.

All three are whole numbers and nothing else; which of them a file is says `list_kinds`. A delay of 0 is no
delay: nothing is known there.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import FRAMINGS, Layer, Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, direction, list_kinds

MS = 10**6
S_MS = 1000
DELIVERY_BITS = 1500 * 8
"""One line of a mahimahi trace lets one packet of 1,500 bytes (IP) pass."""
_LEOCC_STEP_NS = 10 * MS
_NS_STEP_NS = 10 * MS
"""The delay lists of Tian et al. (2024) come from irtt at 10 ms; the files do not say so."""
_WHOLE = re.compile(rb"[ \t]*\d{1,18}[ \t\r]*\Z")
_MAX_MS = 30 * 86400 * 1000


def _numbers(path: Path, most: int, what: str) -> NDArray[np.int64]:
    lines = base.content(path).split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    for number, line in enumerate(lines, 1):
        if not _WHOLE.match(line) or int(line) > most:
            found = repr(line[:40].decode("utf-8", "replace")) if line.strip() else "an empty line"
            raise InputError(Place(str(path), number), found, f"write {what}, one a line")
    return np.array([int(line) for line in lines], np.int64)


def _taken_for(name: str, head: base.Head) -> bool:
    found = list_kinds.verdict(head)
    return found is not None and found.name == name


def _read_mahimahi(path: Path) -> base.Recording:
    at_ms = _numbers(path, _MAX_MS, "the millisecond of a delivery (up to 30 days)")
    falls = np.flatnonzero(np.diff(at_ms) < 0)
    if len(falls):
        found = f"{at_ms[falls[0] + 1]} follows {at_ms[falls[0]]}"
        raise InputError(
            Place(str(path), int(falls[0]) + 2), found, "deliveries come in order: split two lists"
        )
    if at_ms[-1] == 0:
        raise InputError(str(path), "all deliveries are at 0 ms", "give a mahimahi trace")
    # mahimahi repeats the file with its last delivery's time as the period, so that a delivery at
    # the end is one at 0 of the next round.
    period, lines = int(at_ms[-1]), len(at_ms)
    way, why = direction.taken(path, direction.Way.DOWN)
    notes = (
        f"{lines} deliveries of 1,500 bytes; {why}",
        *list_kinds.why(base.head(path), list_kinds.MAHIMAHI),
    )
    if at_ms[0] == period < S_MS:  # a constant rate: a second of it is easier to look at
        rounds = -(-S_MS // period)
        at_ms, period = np.repeat(np.arange(1, rounds + 1) * period, lines), rounds * period
        notes += (f"repeated {rounds} times, as mahimahi repeats it",)
    begins, counts = _steps(at_ms % period, period)
    name = SeriesName.UP_RATE if way is direction.Way.UP else SeriesName.DOWN_RATE
    return base.Recording(
        series={name: Series.of(begins * MS, counts * DELIVERY_BITS * 1000)},
        duration_ns=period * MS,
        notes=notes,
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


def _read_leocc(path: Path) -> base.Recording:
    delay = _numbers(path, base.MAX_RTT_NS // MS, "a one-way delay in ms (up to 10 minutes)") * MS
    t, known, notes = _every(path, delay, _LEOCC_STEP_NS)
    series = Series.of(t, delay[known])
    return base.Recording(
        series={SeriesName.UP_DELAY: series, SeriesName.DOWN_DELAY: series},
        duration_ns=len(delay) * _LEOCC_STEP_NS,
        traits=(Trait.WHOLE_MS,),
        notes=(
            "one file for both directions, as its own replayer plays it",
            *notes,
            *list_kinds.why(base.head(path), list_kinds.LEOCC),
        ),
    )


def _read_ns_delays(path: Path) -> base.Recording:
    delay = _numbers(path, base.MAX_RTT_NS, "a one-way delay in ns (up to 10 minutes)")
    way, why = direction.taken(path, direction.Way.DOWN)
    name, lost = SeriesName.DOWN_DELAY, Loss.DOWN
    if way is direction.Way.UP:
        name, lost = SeriesName.UP_DELAY, Loss.UP
    loss = _losses_beside(path, len(delay), lost)
    t, known, notes = _every(path, np.where(loss > 0, 1, delay), _NS_STEP_NS)
    return base.Recording(
        series={name: Series.of(t, delay[known], loss[known])},
        duration_ns=len(delay) * _NS_STEP_NS,
        notes=(why, *notes, *list_kinds.why(base.head(path), list_kinds.NS_DELAYS)),
    )


def _every(
    path: Path, delay: NDArray[np.int64], step_ns: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], tuple[str, ...]]:
    """Return the times of the delays that are known, which those are, and what was taken for granted."""
    known = np.asarray(delay > 0)
    if not known.any():
        raise InputError(str(path), "all delays are 0", "give the delays that were measured")
    notes: tuple[str, ...] = ("one every 10 ms taken for granted",)
    if not known.all():
        notes += (f"{int((~known).sum())} delays of 0 left out: no path has none",)
    return np.flatnonzero(known) * step_ns, known, notes


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
    list_kinds.MAHIMAHI,
    "delivery trace: one millisecond a line",
    lambda head: _taken_for(list_kinds.MAHIMAHI, head),
    _read_mahimahi,
    by_line=True,
    sign="whole numbers of ms that never fall and begin near 0, or the name's ending .up or .down",
    tool="mahimahi's mm-link, and all that write its traces",
    record="mahimahi's saturator; name the file .up or .down",
    cannot_tell="delay and loss; its direction, except by its name",
)
NS_DELAYS = base.Format(
    list_kinds.NS_DELAYS,
    "one-way delays in ns, a 'loss' file beside it",
    lambda head: _taken_for(list_kinds.NS_DELAYS, head),
    _read_ns_delays,
    by_line=True,
    sign="whole numbers from 100,000 on that no list of deliveries begins with",
    tool="the delay lists of Tian et al. (2024), made of irtt",
    record="keep the loss list beside it: the same name with `loss` for `delay`",
    cannot_tell="when it was recorded; its cadence, taken for 10 ms",
)
LEOCC = base.Format(
    list_kinds.LEOCC,
    "one-way delays in whole ms, 10 ms apart",
    lambda head: _taken_for(list_kinds.LEOCC, head),
    _read_leocc,
    by_line=True,
    sign="whole numbers up to 600,000 that rise and fall, or `delay` in the name; those that only rise are "
    "refused until --format says what they are",
    tool="LeoCC's replayer",
    record="give the recording that it was made of instead",
    cannot_tell="jitter below 1 ms; losses; the direction; its cadence, taken for 10 ms",
)
