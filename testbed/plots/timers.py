"""How soon a hub notices against how often it is wrong, over a sweep of its timers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.metrics import METRICS
from testbed.metrics.measurement import Ask
from testbed.plots import sheet, style
from testbed.result.store import Result


def draw(results: Sequence[Result]) -> Figure:
    """Draw a point for each configuration: failovers without cause an hour, time until another uplink carried.

    Bars reach from the least to the largest of its runs. A configuration that never noticed stands on the upper
    edge, with words. Raises InputError where no run can tell either.
    """
    points: list[tuple[str, int, NDArray[np.float64], NDArray[np.float64]]] = []
    for name, runs in sheet.groups(results).items():
        rates = [rate for each in runs if (rate := _alarms(each)) is not None]
        noticed = [time for each in runs for time in _detection(each)]
        if rates and noticed:
            points.append((name, len(runs), np.array(rates), np.array(noticed)))
    if not points:
        raise InputError(
            str(results[0].folder), "no detection in it", "name runs with an event on the carrying uplink"
        )
    figure = sheet.sheet(
        "Detection time against false alarms",
        "near the lower left corner is better; bars: from the least to the largest run",
        results,
        5.2 + 0.17 * len(points),
    )
    (axes,) = sheet.panels(figure, 1, bottom=1.15 + 0.17 * len(points))
    seen = [time for *_, times in points for time in times if np.isfinite(time)]
    top = 1.15 * max(seen, default=1.0)
    path = sorted((float(np.mean(alarms)), float(np.median(times))) for _, _, alarms, times in points)
    known = [point for point in path if np.isfinite(point[1])]
    axes.plot([x for x, _ in known], [y for _, y in known], color=style.FAINT, linewidth=0.7, zorder=1)
    for place, (name, count, alarms, times) in enumerate(points):
        colour, marker = sheet.COLOURS[place % len(sheet.COLOURS)], sheet.MARKERS[place % len(sheet.MARKERS)]
        x, finite = float(np.mean(alarms)), times[np.isfinite(times)]
        missed = len(times) - len(finite)
        y = float(np.median(finite)) if len(finite) else top
        told = f", unnoticed: {missed} of {len(times)} events" if missed else ""
        label = f"{name} ({sheet.counted(count)}{told})"
        point = axes.plot([x], [y], marker, color=colour, markersize=7, linestyle="", zorder=3, label=label)
        point[0].set_markerfacecolor(colour if len(finite) else "white")
        axes.hlines(y, alarms.min(), alarms.max(), colour, linewidth=1)
        if len(finite):
            axes.vlines(x, finite.min(), finite.max(), colour, linewidth=1)
    style.prepare(axes, "event until another uplink carries (s)")
    axes.set_ylim(0, top * 1.05)
    axes.set_xlim(-0.02 * max(1.0, axes.get_xlim()[1]), max(1.0, axes.get_xlim()[1]))
    axes.set_xlabel("failovers without cause (an hour)")
    if len(known) < len(points):
        axes.axhline(top, color=style.FAINT, linewidth=0.7, linestyle=sheet.LINES[2])
        axes.text(
            1, top, "never noticed", transform=axes.get_yaxis_transform(), ha="right", va="top", fontsize=7
        )
    figure.legend(*axes.get_legend_handles_labels(), frameon=False, fontsize=7.5, loc="lower left",
                  bbox_to_anchor=(0.08, 0.33 / figure.get_size_inches()[1]))  # fmt: skip
    return figure


def _alarms(result: Result) -> float | None:
    """Return the failovers without cause an hour; None where nobody can tell."""
    ask = Ask(result.record.facts.heartbeat, result.evidence.whole)
    value = METRICS["false_alarms"].measure(result.evidence, ask).value
    return None if value is None else value * 3600e9 / result.record.duration_ns


def _detection(result: Result) -> list[float]:
    """Return how long it took until another uplink carried, event by event (s); infinite where none did.

    An event that was over before anything was lost asks nothing of the hub.
    """
    return [
        np.inf if found.first_backup_ns is None else (found.first_backup_ns - found.impairment_ns) / 1e9
        for found in result.record.decomposition
        if found.uplink and found.first_lost_ns is not None
    ]
