"""Receive times taken for send times: how a recording shows it, and how it is corrected.

A prober sends at even distances, and answers come back an RTT later. Where a recording's times are those of the
answers, the times less the RTTs step more evenly than the times themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import Parent, Series, SeriesName, Trace, Trait
from testbed.traces.edit import descended
from testbed.traces.waits import waits

_FEWEST = 50
_CLEAR = 0.6
"""Steps of t - RTT that vary this much less than those of t are no chance: else they vary more."""


@dataclass(frozen=True)
class StepSpread:
    """How far the steps of times vary (standard deviations, ns): as recorded, and less each RTT."""

    recorded_ns: int
    less_rtt_ns: int

    @property
    def received(self) -> bool:
        """The times are those of the answers."""
        return self.less_rtt_ns < _CLEAR * self.recorded_ns


def steps(trace: Trace) -> StepSpread | None:
    """Return how regular a trace's times are; None for too few RTTs, and where no clock of the prober's made them."""
    probes = trace.series.get(SeriesName.RTT)
    if probes is None or Trait.NO_SEND_TIMES in trace.provenance.traits or waits(trace) is not None:
        return None
    pairs = ~probes.lost[1:] & ~probes.lost[:-1]
    if pairs.sum() < _FEWEST:
        return None
    recorded, sent = np.diff(probes.t_ns)[pairs], np.diff(probes.t_ns - probes.value)[pairs]
    usual = recorded <= np.percentile(recorded, 99)  # holes are not the clock's
    return StepSpread(round(float(recorded[usual].std())), round(float(sent[usual].std())))


def as_sent(trace: Trace, parents: Sequence[Parent] = ()) -> Trace:
    """Return the trace with each probe an RTT earlier, where its times are those of the answers.

    A lost probe, which has no answer, is as much earlier as the answered one in front of it. t = 0 becomes the first
    send time. Raises InputError for a trace without RTTs.
    """
    probes = trace.series.get(SeriesName.RTT)
    if probes is None or not len(probes) or probes.lost.all():
        raise InputError(
            trace.name, "it has no RTTs to take from its times", "give a recording of round trips"
        )
    answered = np.flatnonzero(~probes.lost)
    in_front = answered[np.maximum(np.searchsorted(answered, np.arange(len(probes)), "right") - 1, 0)]
    sent = probes.t_ns - probes.value[in_front]
    order = np.argsort(sent, kind="stable")
    first = int(sent.min())
    place = np.arange(len(sent))
    t = np.maximum.accumulate(sent[order] - first - place) + place  # equal times 1 ns apart
    series = {name: _moved(other, first) for name, other in trace.series.items()}
    series[SeriesName.RTT] = Series.of(t, probes.value[order], probes.loss[order])
    start, slot = trace.provenance.start_ns, trace.provenance.slot_ns
    provenance = descended(trace, parents, "times taken for those of the answers: each probe an RTT earlier")
    return replace(
        trace,
        provenance=replace(
            provenance,
            start_ns=None if start is None else start + first,
            slot_ns=None if slot is None else slot - first,
        ),
        series=series,
        context={name: _moved(series, first) for name, series in trace.context.items()},
        events=tuple(replace(e, t_ns=max(0, e.t_ns - first)) for e in trace.events),
        duration_ns=max(trace.duration_ns - first, int(t[-1]) + 1),
    )


def _moved(series: Series, first: int) -> Series:
    """Return a series on the new clock; what came before its start is left out."""
    t = series.t_ns - first
    return Series.of(t[t >= 0], series.value[t >= 0], series.loss[t >= 0])
