"""How far apart the probes of a recording without times were, where its user knows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import Series, SeriesName, Trait
from testbed.traces.formats import base, ping_lines
from testbed.units import format_duration


def spaced(recording: base.Recording, cadence_ns: int) -> base.Recording:
    """Return a recording with its probes ``cadence_ns`` apart.

    Raises InputError where it has times of its own.
    """
    if Trait.NO_SEND_TIMES not in recording.traits or cadence_ns <= 0:
        raise InputError("--cadence", "the recording has times of its own", "leave it out")
    probes = recording.series[SeriesName.RTT]
    t_ns = np.arange(len(probes), dtype=np.int64) * cadence_ns
    notes = tuple(note for note in recording.notes if note != ping_lines.CADENCE_UNKNOWN)
    return replace(
        recording,
        series={SeriesName.RTT: Series.of(t_ns, probes.value, probes.loss)},
        duration_ns=len(probes) * cadence_ns,
        notes=(*notes, f"probes {format_duration(cadence_ns)} apart, as the user said"),
    )
