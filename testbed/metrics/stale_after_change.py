"""stale_after_change: for how long clients are given what the tenant has replaced."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.requests import Requests, none_reason, requests
from testbed.metrics.ttfb import percentile
from testbed.metrics.window import Window
from testbed.model.event import Kind
from testbed.model.objective import Unit


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the longest time from a change until a request was sent whose answer was still of an older version.

    A change has happened when the tenant has all new versions, and lasts until the next begins. An object whose
    last answer was old may stay so for longer: the value is then a lower bound.
    """
    asked = requests(evidence, ask)
    told = asked.where(asked.whole & (asked.version >= 0))
    late: list[NDArray[np.int64]] = []
    answers, unseen = 0, []
    for version, period in _changes(evidence, ask.window):
        mine = told.where(period.holds(told.sent_ns))
        old = mine.version < version
        answers += len(old)
        late.append(mine.sent_ns[old] - period.start_ns)
        unseen += list(_never_new(mine, old))
    if answers == 0:
        reason = none_reason(ask) if len(asked.t_ns) == 0 else "no answer after a change of content in the window"
        return METRIC.answer(None, 0, reason=reason)
    ages = np.concatenate(late)
    details: dict[str, object] = {"answers": answers, "old": len(ages), "never_seen_new": unseen}
    if len(ages):
        details |= {"old_p50_ns": int(percentile(ages, 50)), "old_p95_ns": int(percentile(ages, 95))}
    value = float(ages.max()) if len(ages) else 0.0
    return METRIC.answer(value, answers, lower_bound=bool(unseen), details=details)


def _changes(evidence: Evidence, window: Window) -> Iterator[tuple[int, Window]]:
    """Yield each version after the first, and the time in which it is the newest, as far as it is in the window."""
    events = [e for e in evidence.facts.events if e.kind == Kind.CONTENT_CHANGES]
    ends = [*(e.start_ns for e in events[1:]), window.end_ns][: len(events)]
    for version, (event, end_ns) in enumerate(zip(events, ends, strict=True), start=1):
        if window.start_ns <= event.end_ns < min(end_ns, window.end_ns):
            yield version, Window(event.end_ns, min(end_ns, window.end_ns))


def _never_new(mine: Requests, old: NDArray[np.bool_]) -> Iterator[str]:
    """Yield the objects whose last answer was old."""
    order = np.argsort(mine.sent_ns)
    last = {str(mine.object[i]): bool(old[i]) for i in order}
    return (name for name, was_old in sorted(last.items()) if was_old)


METRIC = Metric(Unit.DURATION, "answers after a change", 20, _measure)
