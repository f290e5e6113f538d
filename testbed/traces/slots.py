"""Starlink's 15 s slots: where the boundaries of a trace lie.

The scheduler reassigns satellites every 15 s, everywhere at once, at 12, 27, 42 and 57 s past the minute.
"""

from __future__ import annotations

from testbed.model.trace import Provenance

SLOT_NS = 15 * 10**9
PHASE_NS = 12 * 10**9
"""A boundary's UTC time modulo the slot."""


def first_boundary(provenance: Provenance) -> int | None:
    """Return the trace instant (ns, 0 <= t < 15 s) of the first boundary, None where nothing tells."""
    if provenance.slot_ns is not None:
        return provenance.slot_ns % SLOT_NS
    if provenance.start_ns is not None:
        return (PHASE_NS - provenance.start_ns) % SLOT_NS
    return None
