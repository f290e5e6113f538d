"""The 15 s cycle of a trace, found in its data: phase, steps, gaps, jitter inside the slots.

The step at an instant is the difference of the median RTT over the 4 s after it and the 4 s before it,
leaving out 0.25 s on either side (a gap and the queue behind it). Folded on the cycle, the step of a
Starlink path peaks at one phase, and folded on no other cycle it peaks as high. Where the trace has a clock the
phase is known: there steps at it need only be higher than those between two boundaries.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from testbed.model.trace import Series, Trace
from testbed.traces.losses import LossRuns, loss_runs
from testbed.traces.slots import SLOT_NS, first_boundary
from testbed.traces.waits import heard

_BIN_NS = 250 * 10**6
_WINDOW = 16  # bins: 4 s
_ASIDE = 1  # bins left out on either side
_CYCLE = SLOT_NS // _BIN_NS
_NEAR_NS = 10**9
_FEWEST_CYCLES = 4
_OTHER_CYCLES = tuple(_CYCLE + k for k in (-19, -16, -13, -11, -7, 7, 11, 13, 16, 19))
_CLEAR = 1.5
"""How much higher the folded step peaks on the cycle of 15 s than on others, where it is clear."""
_COARSEST_NS = 250 * 10**6


@dataclass(frozen=True)
class Handovers:
    """What a trace tells of its 15 s cycle. Times in ns; ``phase_ns`` is the first boundary's instant.

    ``phase_utc_ns`` is a boundary's UTC time modulo 15 s, where the trace has a clock. ``clear`` says
    whether gaps, peaks or steps (``contrast``: at boundaries over elsewhere) single the phase out.
    ``near_share`` of the losses lie within 1 s of a boundary; 2/15 would by chance.
    """

    clear: bool
    phase_ns: int
    phase_utc_ns: int | None
    boundaries: int
    contrast: float
    step_ns: int
    step_elsewhere_ns: int
    jitter_ns: int
    near_share: float | None
    gaps: int
    gap_ns: int
    gap_start_ns: int
    peak_ns: int


def handovers(trace: Trace) -> Handovers | None:
    """Return the analysis of a trace's cycle; None for a trace too short or too coarse for one."""
    probes = trace.probes
    if probes is None or not 0 < probes.cadence_ns <= _COARSEST_NS:
        return None
    if trace.duration_ns < _FEWEST_CYCLES * SLOT_NS or not (~probes.lost).any():
        return None
    instants, steps = _steps(probes)
    runs = loss_runs(heard(trace) or probes)
    if not len(steps):
        return None
    by_phase = _folded(instants, steps, _CYCLE)
    peaks = [float(np.nanmax(_folded(instants, steps, cycle))) for cycle in _OTHER_CYCLES]
    by_step = float(np.nanmax(by_phase)) > 0 and float(np.nanmax(by_phase)) >= _CLEAR * max(peaks)
    marks = runs.begin_ns[runs.length >= 3], _peaks(probes)
    phase, marked = _phase(by_phase, marks, trace.duration_ns)
    known = first_boundary(trace.provenance)
    if not marked and known is not None and _steps_at(by_phase, known):
        phase, marked = known, True
    return _described(trace, probes, runs, instants, steps, phase, marked or by_step)


def _steps_at(by_phase: NDArray[np.float64], known: int) -> bool:
    """Say whether the steps at a boundary that the clock tells are clearly higher than those away from it."""
    away = (np.arange(_CYCLE) - known // _BIN_NS + _CYCLE // 2) % _CYCLE - _CYCLE // 2
    at, elsewhere = by_phase[np.abs(away) <= 1], by_phase[np.abs(away) > _WINDOW + _ASIDE]
    if np.isnan(at).all() or np.isnan(elsewhere).all():
        return False
    return bool(np.nanmedian(at) > 0 and np.nanmedian(at) >= _CLEAR * np.nanmax(elsewhere))


def _folded(instants: NDArray[np.int64], steps: NDArray[np.float64], cycle: int) -> NDArray[np.float64]:
    """Return the median step at each phase of a cycle (in bins); NaN where there are too few."""
    phase = (instants // _BIN_NS) % cycle
    at = [steps[phase == k] for k in range(cycle)]
    return np.array([np.median(found) if len(found) >= _FEWEST_CYCLES - 1 else np.nan for found in at])


def _steps(probes: Series) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return instants 250 ms apart and the step of the median RTT (ns) at each of them."""
    kept = ~probes.lost
    bins = probes.t_ns[kept] // _BIN_NS
    value = probes.value[kept].astype(np.float64)
    medians = np.full(int(bins[-1]) + 1, np.nan)
    edges = np.flatnonzero(np.diff(bins)) + 1
    for part, at in zip(np.split(value, edges), bins[np.concatenate(([0], edges))], strict=True):
        medians[at] = np.median(part)
    if len(medians) < 2 * (_WINDOW + _ASIDE):
        return np.array([], np.int64), np.array([])
    windows = sliding_window_view(medians, _WINDOW)
    usable = np.count_nonzero(~np.isnan(windows), axis=1) >= _WINDOW // 2
    level = np.full(len(windows), np.nan)
    level[usable] = np.nanmedian(windows[usable], axis=1)
    distance = _WINDOW + 2 * _ASIDE
    steps = np.abs(level[distance:] - level[:-distance])
    instants = (np.arange(len(steps)) + _WINDOW + _ASIDE) * _BIN_NS
    return instants[~np.isnan(steps)], steps[~np.isnan(steps)]


def _phase(
    by_phase: NDArray[np.float64], marks: tuple[NDArray[np.int64], ...], duration_ns: int
) -> tuple[int, bool]:
    """Return the boundary's phase, and whether marks (gaps, else peaks) tell it rather than steps."""
    for times in marks:
        if (told := _gathered(times, duration_ns)) is not None:
            return told, True
    return int(np.nanargmax(by_phase)) * _BIN_NS, False


def _gathered(times: NDArray[np.int64], duration_ns: int) -> int | None:
    """Return the phase at which marks gather: half of them, and one in half of the slots."""
    phases = times % SLOT_NS
    if not len(phases):
        return None
    near = [np.count_nonzero((phases - centre + _NEAR_NS) % SLOT_NS <= 2 * _NEAR_NS) for centre in phases]
    best = int(np.argmax(near))
    if near[best] < max(3, duration_ns / SLOT_NS / 2, len(phases) / 2):
        return None
    around = (phases - phases[best] + SLOT_NS // 2) % SLOT_NS - SLOT_NS // 2
    return int(phases[best] + np.median(around[np.abs(around) <= _NEAR_NS])) % SLOT_NS


def _peaks(probes: Series) -> NDArray[np.int64]:
    """Return when the RTT rose among its highest 0.3 %, once for each second of that."""
    kept = ~probes.lost
    high = probes.t_ns[kept][probes.value[kept] > np.percentile(probes.value[kept], 99.7)]
    return high[np.diff(high, prepend=-(10**18)) > _NEAR_NS]


def _described(
    trace: Trace,
    probes: Series,
    runs: LossRuns,
    instants: NDArray[np.int64],
    steps: NDArray[np.float64],
    phase: int,
    clear: bool,
) -> Handovers:
    away = _distance(instants, phase)
    at, elsewhere = steps[np.abs(away) <= _BIN_NS * 1.5], steps[np.abs(away) > 3 * 10**9]
    step, quiet = (
        float(np.median(at)) if len(at) else 0.0,
        float(np.median(elsewhere)) if len(elsewhere) else 0.0,
    )
    contrast = step / quiet if quiet else float("inf")
    gaps = gaps_of(runs, phase)
    lost = probes.t_ns[probes.lost]
    near = np.abs(_distance(lost, phase)) <= _NEAR_NS
    start = trace.provenance.start_ns
    begins = _distance(runs.begin_ns[gaps], phase)
    return Handovers(
        clear=clear,
        phase_ns=phase,
        phase_utc_ns=None if start is None else (start + phase) % SLOT_NS,
        boundaries=(trace.duration_ns - 1 - phase + _NEAR_NS) // SLOT_NS + 1,
        contrast=contrast,
        step_ns=round(step),
        step_elsewhere_ns=round(quiet),
        jitter_ns=_jitter(probes, phase),
        near_share=float(near.mean()) if len(lost) else None,
        gaps=int(gaps.sum()),
        gap_ns=_median(runs.lasted_ns[gaps]),
        gap_start_ns=_median(begins),
        peak_ns=_median(runs.next_value[gaps & (runs.next_value > 0)]),
    )


def gaps_of(runs: LossRuns, phase: int) -> NDArray[np.bool_]:
    """Return which runs of losses are the gap of a boundary: the longest of 3 or more within 1 s of it."""
    found = np.zeros(len(runs.length), np.bool_)
    near = (runs.length >= 3) & (np.abs(_distance(runs.begin_ns, phase)) <= _NEAR_NS)
    boundary = (runs.begin_ns - phase + SLOT_NS // 2) // SLOT_NS
    for one in np.unique(boundary[near]):
        mine = np.flatnonzero(near & (boundary == one))
        found[mine[np.argmax(runs.length[mine])]] = True
    return found


def _distance(t_ns: NDArray[np.int64], phase: int) -> NDArray[np.int64]:
    """Return the signed distance of instants to their nearest boundary."""
    return np.asarray((t_ns - phase + SLOT_NS // 2) % SLOT_NS - SLOT_NS // 2, np.int64)


def _jitter(probes: Series, phase: int) -> int:
    """Return the median difference of neighbouring RTTs, away from boundaries."""
    inside = np.abs(_distance(probes.t_ns, phase)) > _NEAR_NS
    pairs = ~probes.lost[1:] & ~probes.lost[:-1] & inside[1:] & inside[:-1]
    return _median(np.abs(np.diff(probes.value))[pairs])


def _median(values: NDArray[np.int64]) -> int:
    return round(float(np.median(values))) if len(values) else 0
