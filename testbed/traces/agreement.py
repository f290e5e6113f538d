"""How well a replay's recording agrees with the recording that was replayed.

Replay a trace, probe at its own send times, and compare: RTT error of each sample, losses of each second,
lengths of loss runs, steps of the median RTT at handovers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Series, Trace
from testbed.traces.handover import handovers
from testbed.traces.losses import loss_runs

_S = 10**9


@dataclass(frozen=True)
class Agreement:
    """Errors are |replayed - original|; times in ns.

    ``overtaking`` answers of the original came back before an earlier probe's; a link that keeps order
    cannot replay them, and the errors leave them out.
    ``loss_per_second``: the largest difference of lost probes in any second; ``runs_apart``: loss runs
    that one recording has and the other has not, by length; ``step_error_ns`` is None without a cycle.
    """

    compared: int
    overtaking: int
    rtt_error_p50_ns: int
    rtt_error_p99_ns: int
    rtt_error_max_ns: int
    lost_one_only: int
    loss_per_second: int
    runs_apart: int
    step_error_ns: int | None


def agreement(original: Trace, replayed: Trace) -> Agreement:
    """Compare a recording with the recording of its replay, probe by probe.

    Both need round-trip probes and as many of them. Raises ValueError where they have not.
    """
    old, new = original.probes, replayed.probes
    if old is None or new is None or len(old) != len(new):
        raise ValueError("the recordings have different numbers of probes")
    overtaking = _overtaking(old)
    both = ~old.lost & ~new.lost & ~overtaking
    error = np.abs(new.value[both] - old.value[both])
    quantile = np.percentile(error, [50, 99, 100]) if len(error) else np.zeros(3)
    return Agreement(
        compared=int(both.sum()),
        overtaking=int(overtaking.sum()),
        rtt_error_p50_ns=round(float(quantile[0])),
        rtt_error_p99_ns=round(float(quantile[1])),
        rtt_error_max_ns=round(float(quantile[2])),
        lost_one_only=int((old.lost != new.lost).sum()),
        loss_per_second=int(np.abs(_by_second(old) - _by_second(new, old)).max(initial=0)),
        runs_apart=_runs_apart(old, new),
        step_error_ns=_step_error(original, replayed),
    )


def _overtaking(probes: Series) -> NDArray[np.bool_]:
    arrival = np.where(probes.lost, 0, probes.t_ns + probes.value)
    return np.asarray(~probes.lost & (arrival < np.maximum.accumulate(arrival)))


def _by_second(series: Series, like: Series | None = None) -> NDArray[np.int64]:
    seconds = int((like or series).t_ns[-1] // _S) + 1
    return np.bincount(np.minimum(series.t_ns[series.lost] // _S, seconds - 1), minlength=seconds)


def _runs_apart(old: Series, new: Series) -> int:
    lengths = [loss_runs(series).length for series in (old, new)]
    longest = max((int(run.max(initial=0)) for run in lengths), default=0) + 1
    counts = [np.bincount(run, minlength=longest) for run in lengths]
    return int(np.abs(counts[0] - counts[1]).sum())


def _step_error(original: Trace, replayed: Trace) -> int | None:
    found = handovers(original), handovers(replayed)
    if found[0] is None or found[1] is None or not found[0].clear:
        return None
    return abs(found[0].step_ns - found[1].step_ns)
