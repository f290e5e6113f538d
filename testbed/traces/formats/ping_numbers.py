"""Sequence numbers of 16 bits become counts: by the times between them, else by what ping's summary counts.

65,536 probes at 10 ms are 11 minutes; beyond half of that a number alone may have wrapped. Times tell how often,
unless the cadence is too loosely known, or the host slept: then the numbers go on where they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Loss
from testbed.units import format_duration

Int = NDArray[np.int64]
MODULO = 65536
_NEAR = 13_000
"""So far numbers can be off the time (jitter, stalls, a cadence that is not kept) and not have wrapped."""
_SILENT = 8192
"""The longest gap taken for what it reads where neither times nor a summary are there."""
_KEPT = 0.12
"""A prober without answers keeps its cadence this well: iputils' -i 1 becomes 1.024 s."""
_ASLEEP = 0.1
_EXACT = 0.002
_STEP_NS = 10**9
"""So far a clock may be set while a recording runs."""


class UncountedError(ValueError):
    """Numbers that cannot be counted: at which of them, why, and what would help."""

    def __init__(self, at: int, found: str, expected: str) -> None:
        self.at, self.found, self.expected = at, found, expected
        super().__init__(found)


@dataclass(frozen=True)
class Summary:
    """What ping says in the end: how many it sent, received, and how long it took, where it says so."""

    sent: int
    received: int
    took_ns: int | None


def counts(number: Int, t_ns: Int | None, cadence_ns: float, sent: int | None) -> Int:
    """Return probes' numbers, shape (n,), as counts that never wrap; the first one stays as it is.

    ``t_ns``: about when each was sent, -1 where that is unknown, or None where no time is. ``sent``: how many were sent
    from the first on, if a summary says so. Raises UncountedError where what is known does not tell.
    """
    steps = _wrapped(np.diff(number))
    if t_ns is None or cadence_ns <= 0:
        steps = _by_sum(number, steps, sent)
    else:
        steps = _by_time(number, steps, t_ns, cadence_ns, sent)
    return np.asarray(number[0] + np.concatenate((np.zeros(1, np.int64), np.cumsum(steps))), np.int64)


def cadence(number: Int, t_ns: Int) -> float:
    """Return the usual distance in ns of neighbours in a list of numbers and times; 0 where none tells."""
    steps = _wrapped(np.diff(number))
    near = (steps > 0) & (steps <= 64)
    return float(np.median(np.diff(t_ns)[near] / steps[near])) if near.any() else 0.0


def second(count: Int, sent_ns: Int) -> tuple[int, str] | None:
    """Return the first of some replies, in a file's order, that cannot be of the recording before it, and why.

    A count comes once, and a lower one that comes later (an answer was late) was sent earlier. ``sent_ns`` is -1
    where it is not known.
    """
    _, where = np.unique(count, return_index=True)
    again = np.setdiff1d(np.arange(len(count)), where)[:1].tolist()
    highest = np.maximum.accumulate(
        np.where(count == np.maximum.accumulate(count), np.arange(len(count)), 0) if len(count) else count
    )
    known = (sent_ns >= 0) & (sent_ns[highest] >= 0)
    behind = np.flatnonzero(known & (count < count[highest]) & (sent_ns > sent_ns[highest] + _STEP_NS))[
        :1
    ].tolist()
    if again and (not behind or again <= behind):
        return again[0], "comes again, and not as a duplicate"
    return (behind[0], "was sent later than a higher one") if behind else None


def accounted(count: Int, t_ns: Int, cadence_ns: float) -> NDArray[np.bool_]:
    """Return of each step of time whether the counts tell that it passed, shape (n - 1,)."""
    due, passed = np.diff(count) * cadence_ns, np.diff(t_ns)
    return np.asarray((passed > due / 1.5) & (passed < 1.5 * due), bool)


def between(all_counts: Int, answered: Int, sent: Int, interval_ns: int) -> Int:
    """Return when each probe was sent: lost ones evenly between their neighbours, or at the usual distance."""
    inside = np.interp(all_counts, answered, sent - sent[0]).round().astype(np.int64) + sent[0]
    before = np.minimum(all_counts - answered[0], 0) * interval_ns
    after = np.maximum(all_counts - answered[-1], 0) * interval_ns
    return np.asarray(inside + before + after, np.int64)


def probes(
    all_counts: Int, answered: Int, sent: Int, rtt_ns: Int, interval_ns: int
) -> tuple[Int, Int, NDArray[np.uint8]]:
    """Return send time, RTT and loss of all probes from what is known of those that were answered."""
    values, loss = lost(len(all_counts))
    values[answered - all_counts[0]], loss[answered - all_counts[0]] = rtt_ns, Loss.NONE
    return between(all_counts, answered, sent, interval_ns), values, loss


def lost(count: int) -> tuple[Int, NDArray[np.uint8]]:
    """Return RTT and loss of probes of which none was answered."""
    return np.zeros(count, np.int64), np.full(count, Loss.UNKNOWN, np.uint8)


def _wrapped(steps: Int) -> Int:
    half = MODULO // 2
    return np.asarray((steps + half) % MODULO - half, np.int64)


def _by_sum(number: Int, steps: Int, sent: int | None) -> Int:
    far = np.flatnonzero(np.abs(steps) > _SILENT)
    if len(far) and sent is None:
        at = int(far[0]) + 1
        raise UncountedError(
            at,
            f"sequence number {number[at]} follows {number[at - 1]}: numbers of 16 bits do not say how many are lost",
            "record with times (ping -D), or keep ping's summary",
        )
    found = np.where(steps < -_SILENT, steps + MODULO, steps)
    if sent is not None and len(far):
        missing = sent - int(found.sum()) - 1
        if missing >= MODULO:
            raise UncountedError(
                int(far[0]) + 1,
                f"the summary counts {sent} probes: {missing} more than the numbers, which have 16 bits",
                "record with times (ping -D): where they were lost is not known",
            )
    return found


def _by_time(number: Int, steps: Int, t_ns: Int, cadence_ns: float, sent: int | None) -> Int:
    timed = np.flatnonzero(t_ns >= 0)
    reached = np.concatenate((np.zeros(1, np.int64), np.cumsum(steps)))[timed]
    naive, due = np.diff(reached), np.diff(t_ns[timed]) / cadence_ns
    doubtful = (np.abs(due) > _NEAR) | (np.abs(naive) > _NEAR) | (naive > 2 * np.abs(due) + 1000)
    unsure = []
    for at in np.flatnonzero(doubtful).tolist():
        into = int(timed[at + 1])
        wraps = _wraps(number, into, int(naive[at]), float(due[at]), cadence_ns)
        if wraps is None:
            unsure.append((into, float(due[at])))
        else:
            steps[into - 1] += MODULO * wraps
    for into, due_there in unsure:
        steps[into - 1] += MODULO * _by_rest(number, steps, into, due_there, cadence_ns, sent, len(unsure))
    return steps


def _wraps(number: Int, at: int, naive: int, due: float, cadence_ns: float) -> int | None:
    """Return how often the numbers wrapped in front of number ``at``, None where several would fit."""
    if due < 0:
        return 0  # a late answer, or a clock that leaps back: the clock is looked at later
    least, most = due * (1 - _KEPT) - 64, due * (1 + _KEPT) + 64
    lowest, highest = int(np.ceil((least - naive) / MODULO)), int((most - naive) // MODULO)
    asleep = 0 < naive < _ASLEEP * due
    if lowest > highest:
        if asleep or (naive < 0 and abs(naive) < _SILENT):
            return 0
        passed = format_duration(round(due * cadence_ns))
        raise UncountedError(
            at,
            f"sequence number {number[at]} follows {number[at - 1]} after {passed}: "
            "neither lost probes nor a late answer",
            "split the file where another recording begins",
        )
    if lowest < highest:
        return None
    exact = abs(naive + MODULO * lowest - due) <= _EXACT * due + 2
    if asleep and lowest > 0 and not exact:
        return None
    return lowest


def _by_rest(
    number: Int, steps: Int, at: int, due: float, cadence_ns: float, sent: int | None, doubts: int
) -> int:
    """Return how often the numbers wrapped where time does not tell but the summary does."""
    rest = None if sent is None or doubts > 1 else sent - 1 - int(steps.sum())
    if rest is not None and rest >= 0 and abs(int(steps[at - 1]) + MODULO * (rest // MODULO) - due) < due / 2:
        return rest // MODULO
    passed = format_duration(round(due * cadence_ns))
    raise UncountedError(
        at,
        f"{passed} pass between sequence numbers {number[at - 1]} and {number[at]}: "
        "numbers of 16 bits do not say how many are lost, or whether the clock leapt",
        "split the recording there, or keep ping's summary",
    )
