"""Stop-and-wait: what a lost probe stands for where the prober sends nothing until it gives up.

Such a prober sends a pause after the answer. After a loss it waits for seconds: that hole is its own time-out and says
nothing of the path. So a lost probe stands for one cadence (pause and usual RTT); from there to the next probe the
sample in front holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import PROBES, Loss, Series, Trace, Trait

_HOLE = 3
"""A hole is this many times the cadence, or more."""
_LONGEST_NS = 30 * 10**9
"""No prober waits longer for an answer: what is longer is the pause between two measurements."""
_ALIKE = 0.1
_FEWEST_ALIKE = 3
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Waits:
    """How a stop-and-wait prober sent: ``cadence_ns`` after an answer, ``hole_ns`` after a loss (0 for none seen).

    ``declared`` where the importer knows the prober, else the data show it. ``held_ns`` is the time in all that lies
    between a lost probe's cadence and the next probe; ``in_a_row`` the number of losses that follow a loss.
    """

    declared: bool
    cadence_ns: int
    hole_ns: int
    held_ns: int
    in_a_row: int


def waits(trace: Trace) -> Waits | None:
    """Return how the prober waited; None for one that sends whatever is answered."""
    probes = trace.probes
    declared = Trait.STOP_AND_WAIT in trace.provenance.traits
    if probes is None or len(probes) < 2 or probes.lost.all():
        return None
    steps, after_loss = np.diff(probes.t_ns), probes.lost[:-1]
    if after_loss.all():
        return None
    cadence = int(np.median(steps[~after_loss]))
    holes = steps[after_loss]
    if not declared and not _shown(probes, cadence):
        return None
    held = (holes - cadence)[holes > 1.5 * cadence]
    return Waits(
        declared=declared,
        cadence_ns=cadence,
        hole_ns=int(np.median(holes)) if len(holes) else 0,
        held_ns=int(held.sum()),
        in_a_row=int((probes.lost[1:] & probes.lost[:-1]).sum()),
    )


def _shown(probes: Series, cadence: int) -> bool:
    """Say whether the same hole follows each loss and hardly an answer.

    Few losses show it only where the steps between the others follow the RTT.
    """
    steps, after_loss = np.diff(probes.t_ns), probes.lost[:-1]
    holes, others = steps[after_loss], steps[~after_loss]
    if not len(holes) or not _HOLE * cadence <= np.median(holes) <= _LONGEST_NS:
        return False
    usual = float(np.median(holes))
    alike = np.abs(holes - usual) <= max(_ALIKE * usual, cadence)
    if alike.mean() < 0.9 or (others > usual * (1 - _ALIKE)).mean() > 0.01:
        return False
    return len(holes) >= _FEWEST_ALIKE or _follows(others, probes.value[:-1][~after_loss], usual)


def _follows(steps: Int, rtt: Int, hole: float) -> bool:
    """Say whether a step is a pause and the RTT in front of it."""
    near = steps < hole / 2
    steps, rtt = steps[near], rtt[near]
    return len(steps) > 10 and bool(np.std(steps - rtt) < np.std(steps) / 2)


def heard(trace: Trace) -> Series | None:
    """Return the probes, with a reading where a lost one of a stop-and-wait prober ceases to count."""
    probes, found = trace.probes, waits(trace)
    if probes is None or found is None:
        return probes
    lost = np.flatnonzero(probes.lost)
    answered = np.flatnonzero(~probes.lost)
    ends = np.append(probes.t_ns, trace.duration_ns)[lost + 1]
    in_front = answered[np.maximum(np.searchsorted(answered, lost) - 1, 0)]
    begin = probes.t_ns[lost] + found.cadence_ns
    # A second reading one cadence before the next probe: delays that run linearly begin to do so there.
    times = np.concatenate((begin, ends - found.cadence_ns))
    values = np.tile(probes.value[in_front], 2)
    room = np.concatenate((ends - begin > found.cadence_ns / 2, ends - begin > 2 * found.cadence_ns))
    return _with(probes, times[room], values[room])


def _with(probes: Series, times: Int, values: Int) -> Series:
    t, first = np.unique(np.concatenate((probes.t_ns, times)), return_index=True)
    value, loss = np.append(probes.value, values), np.append(probes.loss, np.full(len(times), Loss.NONE))
    return Series.of(t, value[first], loss[first])


def as_heard(trace: Trace) -> Trace:
    """Return the trace with its probes as ``heard``."""
    probes = heard(trace)
    if probes is None or probes is trace.probes:
        return trace
    name = next(name for name in PROBES if name in trace.series)
    return replace(trace, series={**trace.series, name: probes})
