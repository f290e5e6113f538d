"""boot_to_service: how long after its power is back a hub serves again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.evidence import Evidence
from testbed.metrics.interruption import unsent_reason
from testbed.metrics.kinds import kind_of
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import requests
from testbed.metrics.window import Window
from testbed.model.event import Kind
from testbed.model.objective import Unit


def _boots(evidence: Evidence, window: Window) -> list[Window]:
    """Return for each return of the hub's power in the window the time in which service is looked for."""
    off = sorted((e for e in evidence.facts.events if e.kind == Kind.POWER_OFF), key=lambda e: e.start_ns)
    following = [event.start_ns for event in off[1:]] + [window.end_ns]
    return [
        Window(event.end_ns, min(end, window.end_ns))
        for event, end in zip(off, following, strict=False)
        if window.start_ns <= event.end_ns < min(end, window.end_ns)
    ]


def _asked(evidence: Evidence, of: str, horizon: Window) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Return when traffic was sent in a window, when it was served in it, and why that may not be known."""
    table = evidence.samples.get(of)
    if table is not None and kind_of(table) == "http-get":
        sent = requests(evidence, Ask(of, horizon))
        done_ns = sent.done_ns[sent.whole]
        return sent.t_ns, done_ns[done_ns < horizon.end_ns], ""
    probes = evidence.probes(of).within(horizon)
    return probes.t_ns, probes.t_ns[probes.good], unsent_reason(probes, horizon)


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the longest time from a return of the power to the first packet answered, or request served whole.

    Service is waited for until the next loss of power or the window's end; where it does not come, the value is
    a lower bound.
    """
    horizons = _boots(evidence, ask.window)
    if not horizons:
        return METRIC.answer(None, 0, reason="no loss of the hub's power ends in the window")
    asked = [_asked(evidence, ask.of, horizon) for horizon in horizons]
    back = [int(served.min()) if len(served) else None for _, served, _ in asked]
    waits = [(h.end_ns if b is None else b) - h.start_ns for h, b in zip(horizons, back, strict=True)]
    worst = max(range(len(waits)), key=lambda i: (back[i] is None, waits[i]))
    return METRIC.answer(
        float(waits[worst]),
        min(len(sent) for sent, _, _ in asked),
        lower_bound=back[worst] is None,
        reason=next((reason for _, _, reason in asked if reason), ""),
        details={"outage_end_ns": horizons[worst].start_ns, "served_ns": back[worst], "boots": len(waits)},
    )


METRIC = Metric(Unit.DURATION, "packets or requests sent after the power's return", 10, _measure)
