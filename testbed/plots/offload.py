"""What the cache spared the backhaul, over a run as long as a day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow.compute as pc
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from testbed.errors import InputError
from testbed.metrics.columns import integers
from testbed.metrics.kinds import kind_of
from testbed.metrics.requests import Requests
from testbed.plots import sheet, style
from testbed.result.store import Result

BINS = 24
LOWEST = -100.0  # %: where more than twice as much was fetched as delivered, the axis ends
UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def draw(results: Sequence[Result]) -> Figure:
    """Draw bytes to clients and bytes over the uplinks in each 24th of a run, and the share spared, run by run.

    Raises InputError for a run without requests or link counters.
    """
    figure = sheet.sheet(
        "Backhaul offload",
        "bars: delivered to clients, and carried down by each uplink, in each 24th of the run; line: share spared",
        results,
        1.75 + 2.9 * len(results),
    )
    looks: dict[str, Artist] = {}
    rows = sheet.panels(figure, len(results), right=0.93, gap=0.5, top=1.05)
    for axes, result in zip(rows, results, strict=True):
        evidence, record = result.evidence, result.record
        streams = [Requests.of(t) for t in evidence.samples.values() if kind_of(t) == "http-get"]
        if not streams or evidence.links is None:
            raise InputError(
                str(result.folder), "no requests or no link counters", "name runs with http-get traffic"
            )
        edges = np.linspace(0, record.duration_ns, BINS + 1)
        delivered = np.zeros(BINS)
        for each in streams:
            when = np.where(each.done_ns < np.iinfo(np.int64).max, each.done_ns, each.t_ns)
            delivered += np.histogram(when, edges, weights=each.size)[0]
        scale, unit = next((s, u) for s, u in UNITS if delivered.max() >= s or s == UNITS[-1][0])
        hours = record.duration_ns >= 2 * 3600 * 10**9
        per, axis = (3.6e12, "h") if hours else (1e9, "s")
        width = (edges[1] - edges[0]) / per
        starts = edges[:-1] / per
        axes.bar(starts, delivered / scale, 0.46 * width, align="edge", facecolor="white", edgecolor=style.BLACK,
                 hatch="////", linewidth=0.6, label="delivered to clients")  # fmt: skip
        below = np.zeros(BINS)
        for place, (name, colour) in enumerate(style.colours(record.facts.uplinks).items()):
            down = pc.and_(
                pc.equal(evidence.links["link"], name), pc.equal(evidence.links["direction"], "down")
            )
            mine = evidence.links.filter(down)
            carried = np.histogram(integers(mine, "t_ns"), edges, weights=integers(mine, "bytes_out"))[0]
            axes.bar(starts + 0.48 * width, carried / scale, 0.46 * width, bottom=below / scale, align="edge",
                     facecolor=colour, edgecolor=style.BLACK, hatch=sheet.HATCHES[2 * place % 6], linewidth=0.4,
                     label=f"down over {name}")  # fmt: skip
            below += carried
        style.prepare(axes, unit)
        axes.set_title(f"{record.title}: {100 * (1 - below.sum() / max(delivered.sum(), 1)):.1f} % spared in all",
                       loc="left", fontsize=8.5)  # fmt: skip
        spared = np.where(delivered > 0, 100 * (1 - below / np.maximum(delivered, 1)), np.nan)
        low = max(LOWEST, min(0.0, float(np.nanmin(spared, initial=0.0))))
        right = axes.twinx()
        right.plot(starts + width / 2, np.clip(spared, low, 100), "o-", color=style.VERMILLION, markersize=3,
                   linewidth=1, label="spared (right)")  # fmt: skip
        right.set_ylim(low - 3, 104)
        right.set_ylabel("spared (%)" if low > LOWEST else "spared (%; the axis ends at -100)")
        right.spines["top"].set_visible(False)
        right.axhline(0, color=style.FAINT, linewidth=0.5)
        axes.set_xlim(0, record.duration_ns / per)
        axes.set_xlabel(f"time since the start ({axis})", labelpad=1)
        for handles, labels in (axes.get_legend_handles_labels(), right.get_legend_handles_labels()):
            looks |= dict(zip(labels, handles, strict=True))
    figure.legend(looks.values(), looks.keys(), loc="upper left", ncols=6, frameon=False, fontsize=7.5,
                  bbox_to_anchor=(0.007, 1 - 0.52 / figure.get_size_inches()[1]))  # fmt: skip
    return figure
