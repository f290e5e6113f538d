"""interruption: the longest time without a good heartbeat."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from testbed.metrics.evidence import Evidence, Probes
from testbed.metrics.looks import Look, first_look
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.metrics.window import Window
from testbed.model.objective import Unit

# No probe sent for this long: the prober failed, and its silence says nothing about the hub.
MAX_UNSENT_NS = 1_000_000_000
# A gap that begins later than this after an event is not its doing alone.
LATE_NS = 100_000_000


def unsent_reason(probes: Probes, window: Window) -> str:
    """Return a sentence when the probes do not cover the window, else ``""``."""
    edges = np.concatenate(([window.start_ns], probes.t_ns, [window.end_ns]))
    gaps = np.diff(edges)
    worst = int(gaps.argmax())
    if gaps[worst] <= max(MAX_UNSENT_NS, 3 * int(np.median(gaps))):
        return ""
    return f"no probe was sent from {edges[worst] / 1e9:.2f} s to {edges[worst + 1] / 1e9:.2f} s"


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Longest distance of the send times of two successive good probes, inside the window.

    At the window's edges a gap begins with the first probe sent, or ends with the last one: only
    the part inside counts. ``details.cut_at`` names the edges at which the longest gap was cut;
    where the run has no good probe beyond them, the value is a lower bound. ``details.look`` is when the
    hub next looked at the uplink whose event made the gap, null where that is not known.
    """
    everything = evidence.probes(ask.of)
    probes = everything.within(ask.window)
    sent = len(probes.t_ns)
    if sent == 0:
        return METRIC.answer(None, 0, reason="no heartbeat was sent in the window")
    edges = np.concatenate((probes.t_ns[:1], probes.t_ns[probes.good], probes.t_ns[-1:]))
    gaps = np.diff(edges)
    longest = int(gaps.argmax())
    first, last = int(edges[longest]), int(edges[longest + 1])
    touches_start = longest == 0 and not probes.good[0]
    touches_end = longest == len(gaps) - 1 and not probes.good[-1]
    good_t = everything.t_ns[everything.good]
    look = _look(evidence, first, last)
    unknown = (touches_start and not np.any(good_t < first)) or (touches_end and not np.any(good_t > last))
    return METRIC.answer(
        float(last - first),
        sent,
        lower_bound=bool(unknown),
        reason=unsent_reason(probes, ask.window),
        details={
            "last_good_ns": None if touches_start else first,
            "first_good_ns": None if touches_end else last,
            "lost_in_gap": int(np.sum(~probes.good & (probes.t_ns >= first) & (probes.t_ns <= last))),
            "cut_at": [name for name, cut in (("start", touches_start), ("end", touches_end)) if cut],
            "look": asdict(look) if look else None,
        },
    )


def _look(evidence: Evidence, first_ns: int, last_ns: int) -> Look | None:
    """Return the hub's first look at the uplink that went out in a gap; None where not one event made the gap."""
    made = [e for e in evidence.facts.events if e.uplink and e.start_ns < last_ns and first_ns < e.end_ns]
    return first_look(evidence, made[0]) if len(made) == 1 and first_ns <= made[0].start_ns + LATE_NS else None


METRIC = Metric(Unit.DURATION, "probes sent", 100, _measure)
