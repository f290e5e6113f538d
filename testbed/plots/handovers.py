"""Round trips folded over Starlink's slot of 15 s: what the recording has, and what the replay did."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.metrics.schedule import expected_rtt, links_of, passes_at
from testbed.plots import sheet, style
from testbed.result.store import Result

SLOT_NS, BOUNDARY_NS = 15_000_000_000, 12_000_000_000  # boundaries at 12, 27, 42 and 57 s of the minute
BINS = 150


def draw(result: Result) -> Figure:
    """Draw the median and the 10th to 90th percentile over the slot, of the schedule and of the heartbeat.

    Raises InputError where the run kept no schedule, or nobody carried a heartbeat over an uplink that has one.
    """
    evidence, record = result.evidence, result.record
    uplink = record.facts.preferred
    if evidence.schedule is None or uplink not in links_of(evidence.schedule) or record.started_ns is None:
        raise InputError(str(result.folder), f"no schedule of {uplink}", "name a run that played a trace")
    probes = evidence.probes(record.facts.heartbeat)
    carried = np.zeros(len(probes.t_ns), np.bool_)
    for stretch in evidence.carrier.stretches(evidence.whole):
        if stretch.uplink == uplink:
            carried |= (probes.t_ns >= stretch.start_ns) & (probes.t_ns < stretch.end_ns)
    for event in record.facts.events:  # what the scenario did is no part of the recording
        carried &= (probes.t_ns < event.start_ns) | (probes.t_ns > event.end_ns)
    if not carried.any():
        raise InputError(str(result.folder), f"no heartbeat over {uplink}", "name a run that it carried")
    place = (probes.t_ns + record.started_ns - BOUNDARY_NS) % SLOT_NS
    promised = expected_rtt(evidence.schedule, uplink, probes.t_ns) / 1e6
    passes = passes_at(evidence.schedule, uplink, probes.t_ns)
    slots = record.duration_ns / SLOT_NS
    figure = sheet.sheet(
        f"{record.title}: {uplink} over the 15 s slot",
        f"{int(carried.sum()):,} probes in {slots:.1f} slots; line: median, band: 10th to 90th percentile",
        [result],
        5.6,
    )
    above, below = sheet.panels(figure, 2)
    edges = np.linspace(0, SLOT_NS, BINS + 1)
    for label, mine, values, colour, line in (
        ("recording, as scheduled", carried & passes, promised, style.ORANGE, sheet.LINES[1]),
        ("replay, as measured", carried & probes.good, probes.rtt_ns / 1e6, style.BLUE, sheet.LINES[0]),
    ):
        low, middle, high = _bands(place[mine], values[mine], edges)
        centres = (edges[:-1] + edges[1:]) / 2e9
        above.fill_between(centres, low, high, color=colour, alpha=0.22, linewidth=0)
        above.plot(centres, middle, color=colour, linestyle=line, linewidth=1.3, label=label)
    style.prepare(above, "RTT (ms)")
    style.legend(above)
    sent, _ = np.histogram(place[carried], edges)
    lost, _ = np.histogram(place[carried & ~probes.good], edges)
    share = 100 * lost / np.maximum(sent, 1)
    below.stairs(share, edges / 1e9, color=style.VERMILLION, fill=True, alpha=0.5)
    below.stairs(share, edges / 1e9, color=style.VERMILLION, linewidth=0.9)
    style.prepare(below, "lost (%)")
    below.set_ylim(bottom=0)
    for axes in (above, below):
        axes.set_xlim(0, 15)
    above.tick_params(labelbottom=False)
    below.set_xlabel("time since the slot's boundary at 12, 27, 42 or 57 s of the minute (s)")
    figure.align_ylabels([above, below])
    return figure


def _bands(
    place: NDArray[np.int64], values: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the 10th, 50th and 90th percentile of each bin; NaN where a bin is empty."""
    inside = np.clip(np.searchsorted(edges, place, side="right") - 1, 0, len(edges) - 2)
    found = np.full((3, len(edges) - 1), np.nan)
    for each in np.unique(inside):
        found[:, each] = np.percentile(values[inside == each], (10, 50, 90))
    return found
