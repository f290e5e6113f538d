"""Delay that was asked for against delay that packets had."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.errors import InputError
from testbed.metrics.schedule import expected_rtt, links_of
from testbed.plots import sheet, style
from testbed.result.store import Result
from testbed.units import format_duration


def draw(result: Result) -> Figure:
    """Draw each probe's round trip against what the schedules promise, and how late packets left each link.

    Raises InputError where the run kept no schedule or no probe came back.
    """
    evidence, record = result.evidence, result.record
    probes = evidence.probes(record.facts.heartbeat)
    if evidence.schedule is None or not probes.good.any():
        raise InputError(
            str(result.folder), "no schedule or no round trip in it", "name a run that played a trace"
        )
    figure = sheet.sheet(
        f"{record.title}: delay asked for and achieved",
        "left: round trips, a point each; above the line: queues of other traffic. Right: departures of all packets",
        [result],
        4.9,
    )
    height = 4.9
    grid = figure.add_gridspec(
        1, 2, left=0.075, right=0.985, bottom=0.85 / height, top=1 - 0.75 / height, wspace=0.22
    )
    left, right = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    looks = style.colours(record.facts.uplinks)
    low, high = np.inf, 0.0
    for place, name in enumerate(links_of(evidence.schedule)):
        mine = np.zeros(len(probes.t_ns), np.bool_)
        for stretch in evidence.carrier.stretches(evidence.whole):
            if stretch.uplink == name:
                mine |= (probes.t_ns >= stretch.start_ns) & (probes.t_ns < stretch.end_ns)
        mine &= probes.good
        if not mine.any():
            continue
        asked = expected_rtt(evidence.schedule, name, probes.t_ns[mine]) / 1e6
        had = probes.rtt_ns[mine] / 1e6
        off = np.median(np.abs(had - asked))
        marker = sheet.MARKERS[place % len(sheet.MARKERS)]
        label = f"{name} ({int(mine.sum()):,} probes, median off {off:.2g} ms)"
        points = left.plot(asked, had, marker, color=looks.get(name, style.GREY), markersize=2.2, label=label)
        points[0].set(markeredgewidth=0, alpha=0.5, rasterized=True)
        low, high = min(low, asked.min(), had.min()), max(high, asked.max(), float(np.percentile(had, 99.9)))
    left.plot(
        [low, high], [low, high], color=style.BLACK, linewidth=0.8, linestyle=sheet.LINES[1], label="as asked"
    )
    style.prepare(left, "round trip, achieved (ms)")
    left.set(xscale="log", yscale="log", xlim=(low * 0.9, high * 1.1), ylim=(low * 0.9, high * 1.2))
    for axis in (left.xaxis, left.yaxis):
        sheet.plain_decades(axis)
    left.tick_params(which="both", labelsize=7.5)
    left.grid(True, which="both", color=style.RULE, linewidth=0.4)
    left.set_xlabel("round trip, as scheduled (ms)")
    left.legend(frameon=False, fontsize=7.5, loc="upper left", markerscale=3)
    _lateness(right, record.fidelity.links if record.fidelity else {}, looks)
    return figure


def _lateness(axes: Axes, links: Mapping[str, Mapping[str, object]], looks: Mapping[str, str]) -> None:
    """Draw the share of packets that left later than each lateness, from the certificate's histograms."""
    for place, (name, figures) in enumerate(links.items()):
        counted = figures.get("lateness")
        if not isinstance(counted, Mapping) or not counted:
            continue
        pairs = sorted((int(ns), int(count)) for ns, count in counted.items())
        late = np.array([ns for ns, _ in pairs]) / 1e3
        count = np.array([count for _, count in pairs])
        later = 100 * (1 - (np.cumsum(count) - count) / count.sum())
        p99 = figures.get("late_p99_ns")
        told = f", p99 {format_duration(p99)}" if isinstance(p99, int | float) else ""
        axes.step(late, later, where="post", color=looks.get(name.partition(" ")[0], style.GREY), linewidth=1.2,
                  linestyle=sheet.LINES[place % len(sheet.LINES)], label=f"{name}{told}")  # fmt: skip
    style.prepare(axes, "packets that left later (%)")
    if axes.lines:
        axes.set(xscale="log", yscale="log")
        for axis in (axes.xaxis, axes.yaxis):
            sheet.plain_decades(axis)
        axes.legend(frameon=False, fontsize=7.5, loc="lower left")
    else:
        style.empty(axes, "this back end keeps no lateness")
        axes.set(xticks=(), yticks=())
    axes.set_xlabel("later than its time (us)")
