"""address_gap: how long a client has no IPv6 address that leads anywhere."""

from __future__ import annotations

from ipaddress import IPv6Address
from itertools import groupby

import numpy as np

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence, Probes
from testbed.metrics.interruption import unsent_reason
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.event import Kind
from testbed.model.facts import Facts
from testbed.model.objective import Unit

_DARK = (Kind.OUTAGE, Kind.REBOOT)
"""Faults of an uplink by which nothing from its prefix gets anywhere."""


def leads(facts: Facts, address: str, t_ns: int) -> bool:
    """Return whether an address is of a prefix that is delegated, by an uplink that is not dark."""
    if not address or IPv6Address(address).is_link_local:
        return False
    return any(
        prefix.start_ns <= t_ns < prefix.end_ns and prefix.holds(address) and not _dark(facts, prefix.uplink, t_ns)
        for prefix in facts.prefixes
    )


def _dark(facts: Facts, uplink: str, t_ns: int) -> bool:
    return any(e.kind in _DARK and e.start_ns <= t_ns < e.end_ns for e in facts.faults(uplink))


def _measure(evidence: Evidence, ask: Ask) -> Measurement:
    """Longest time from a sample whose address leads nowhere, or is none, until the next one whose address does.

    One that lasts until the window's end is counted until there, and a lower bound where it lasts on.
    """
    table = evidence.samples.get(ask.of)
    if table is None or not evidence.facts.prefixes:
        return METRIC.answer(None, 0, reason="no address was asked for" if table is None else "no prefix is known")
    t_ns, address = integers(table, "t_ns"), texts(table, "address")
    order = np.argsort(t_ns)
    rows = [(int(t_ns[i]), str(address[i])) for i in order if bool(ask.window.holds(t_ns[i : i + 1])[0])]
    if not rows:
        return METRIC.answer(None, 0, reason="no address was asked for in the window")
    good = np.array([leads(evidence.facts, text, t) for t, text in rows])
    times = np.array([t for t, _ in rows])
    probes = Probes(times, np.zeros_like(times), good)
    begins = [i for i in range(len(rows)) if not good[i] and (i == 0 or good[i - 1])]
    gaps = [(_end(rows, good, i, ask.window.end_ns) - rows[i][0], i) for i in begins]
    gap_ns, first = max(gaps, default=(0, -1), key=lambda gap: gap[0])
    unended = first >= 0 and not good[first:].any()
    held = [text for text, _ in groupby(text for _, text in rows[first:] if first >= 0)]
    return METRIC.answer(
        float(gap_ns),
        len(rows),
        lower_bound=unended,
        reason=unsent_reason(probes, ask.window),
        details={
            "from_ns": rows[first][0] if first >= 0 else None,
            "held": held[0] if held else "",
            "gaps": len(gaps),
            "without_ns": sum(gap for gap, _ in gaps),
        },
    )


def _end(rows: list[tuple[int, str]], good: np.typing.NDArray[np.bool_], first: int, window_end_ns: int) -> int:
    following = np.flatnonzero(good[first:])
    return rows[first + int(following[0])][0] if len(following) else window_end_ns


METRIC = Metric(Unit.DURATION, "addresses asked for", 20, _measure)
