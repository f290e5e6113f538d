"""How well a replay's recording agrees with the recording that was replayed.

Replay a trace, probe at its own send times, and compare: RTT error of each sample, losses of each second,
lengths of loss runs, gaps and steps of the median RTT at handovers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.model.trace import Series, Trace
from testbed.traces.handover import handovers
from testbed.traces.losses import loss_runs

_S = 10**9


@dataclass(frozen=True)
class HandoverAgreement:
    """The 15 s cycle as (original, replayed): the median step and gap in ns, and the number of gaps."""

    step_ns: tuple[int, int]
    gap_ns: tuple[int, int]
    gaps: tuple[int, int]


@dataclass(frozen=True)
class Agreement:
    """Errors are |replayed - original|; times in ns; pairs are (original, replayed).

    ``overtaking`` answers of the original came back before an earlier probe's; a link that keeps order
    cannot replay them, and the errors leave them out.
    ``loss_per_second``: the largest difference of lost probes in any second; ``runs`` of losses by their
    length; ``runs_apart`` those that one recording has and the other has not; ``handover`` is None without
    a clear cycle in the original.
    """

    compared: int
    overtaking: int
    rtt_error_p50_ns: int
    rtt_error_p95_ns: int
    rtt_error_p99_ns: int
    rtt_error_max_ns: int
    lost: tuple[int, int]
    lost_one_only: int
    loss_per_second: int
    runs: Mapping[int, tuple[int, int]]
    runs_apart: int
    handover: HandoverAgreement | None


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
    p50, p95, p99, most = np.percentile(error, [50, 95, 99, 100]) if len(error) else np.zeros(4)
    runs = _runs(old, new)
    return Agreement(
        compared=int(both.sum()),
        overtaking=int(overtaking.sum()),
        rtt_error_p50_ns=round(float(p50)),
        rtt_error_p95_ns=round(float(p95)),
        rtt_error_p99_ns=round(float(p99)),
        rtt_error_max_ns=round(float(most)),
        lost=(int(old.lost.sum()), int(new.lost.sum())),
        lost_one_only=int((old.lost != new.lost).sum()),
        loss_per_second=int(np.abs(_by_second(old) - _by_second(new, old)).max(initial=0)),
        runs=runs,
        runs_apart=sum(abs(a - b) for a, b in runs.values()),
        handover=_handover(original, replayed),
    )


def _overtaking(probes: Series) -> NDArray[np.bool_]:
    arrival = np.where(probes.lost, 0, probes.t_ns + probes.value)
    return np.asarray(~probes.lost & (arrival < np.maximum.accumulate(arrival)))


def _by_second(series: Series, like: Series | None = None) -> NDArray[np.int64]:
    seconds = int((like or series).t_ns[-1] // _S) + 1
    return np.bincount(np.minimum(series.t_ns[series.lost] // _S, seconds - 1), minlength=seconds)


def _runs(old: Series, new: Series) -> dict[int, tuple[int, int]]:
    """Return how many runs of each length there are in the two."""
    a, b = (Counter(loss_runs(series).length.tolist()) for series in (old, new))
    return {length: (a[length], b[length]) for length in sorted(a | b)}


def _handover(original: Trace, replayed: Trace) -> HandoverAgreement | None:
    old, new = handovers(original), handovers(replayed)
    if old is None or new is None or not old.clear:
        return None
    return HandoverAgreement((old.step_ns, new.step_ns), (old.gap_ns, new.gap_ns), (old.gaps, new.gaps))
