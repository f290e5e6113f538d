"""A trace as a figure for a design review: delay and losses over time, fold, distribution, loss runs, rate, limits."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from testbed.errors import InputError
from testbed.model.trace import Loss, Series, SeriesName, Trace
from testbed.traces import stats
from testbed.traces.lint import lint
from testbed.traces.panels import DRAWERS, headed
from testbed.units import format_duration, format_share

_HEIGHT = {"t": 2.6, "s": 1.2, "f": 2.6, "c": 2.6, "r": 2.6}
_LINE = 0.16
_WIDTH = 150


def draw(trace: Trace, path: Path) -> None:
    """Draw a trace into a PNG, SVG or PDF. Raises InputError for other endings and for nothing to draw."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(str(path), f"ending {path.suffix!r}", "write .png, .svg or .pdf")
    with matplotlib.rc_context({"svg.hashsalt": trace.name}):
        figure_of(trace).savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def figure_of(trace: Trace) -> Figure:
    """Return a trace's figure. Raises InputError for nothing to draw."""
    panels = _panels(trace)
    if not panels:
        raise InputError(trace.name, "nothing but context series", "draw a trace with delay or rate")
    limits = list(_limits(trace))
    heights = [_HEIGHT[row[0]] for row in panels] + [_LINE * (len(limits) + 2)]
    figure = Figure(figsize=(11, 1.2 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    mosaic = "\n".join([*panels, "ww"])
    for key, axes in figure.subplot_mosaic(mosaic, height_ratios=heights).items():
        if key == "w":
            _tell(axes, limits)
        else:
            DRAWERS[key](axes, trace)
    figure.suptitle("\n".join(_title(trace)), fontsize=10, x=0.01, ha="left")
    return figure


def _panels(trace: Trace) -> list[str]:
    """Return the rows of the figure, a letter a column: see panels.DRAWERS."""
    rows = []
    if trace.probes is not None and len(trace.probes):
        rows += ["tt", "ss", "ff", "cl"]
    if any(name in trace.series for name in (SeriesName.UP_RATE, SeriesName.DOWN_RATE)):
        rows.append("rr")
    return rows


def _title(trace: Trace) -> list[str]:
    provenance = trace.provenance
    parents = ", ".join(f"{parent.name} {parent.sha256[:12]}" for parent in provenance.parents[:3])
    lines = [f"{trace.name} ({provenance.kind}, {format_duration(trace.duration_ns)})", *_lost(trace)]
    lines += [provenance.source, f"licence: {provenance.licence}   made by: {provenance.made_by}   {parents}"]
    wrapped = (textwrap.wrap(line, 140, max_lines=2, placeholder=" ...") for line in lines)
    return [part for parts in wrapped for part in parts]


def _lost(trace: Trace) -> Iterator[str]:
    """Yield what was lost: of the probes, by direction where that is known, and as shares that were recorded."""
    ways = {"up": SeriesName.UP_DELAY, "down": SeriesName.DOWN_DELAY}
    counted = {"": SeriesName.RTT} if SeriesName.RTT in trace.series else ways
    for label, name in counted.items():
        series = trace.series.get(name)
        if series is not None and len(series):
            split = "" if label else _by_direction(series)
            count, share = int(series.lost.sum()), format_share(float(series.lost.mean()))
            yield f"lost{label and ' ' + label}: {count:,} of {len(series):,} probes ({share}){split}"
    for told, mean in stats.info(trace).loss_shares.items():
        yield f"{told.replace('_', ' ')} rate as recorded: {format_share(mean)} on average"


def _by_direction(series: Series) -> str:
    """Return how many were lost in which direction, where any is known."""
    found = {loss: int((series.loss == loss).sum()) for loss in (Loss.UP, Loss.DOWN, Loss.UNKNOWN)}
    known = {loss: count for loss, count in found.items() if count}
    if set(known) <= {Loss.UNKNOWN}:
        return ""
    return f": {', '.join(f'{loss.name.lower()} {count:,}' for loss, count in known.items())}"


def _limits(trace: Trace) -> Iterator[str]:
    """Yield what the trace cannot tell, in lines."""
    for finding in lint(trace):
        text = f"{finding.code}: {finding.evidence} -> {finding.consequence}"
        yield from textwrap.wrap(text, _WIDTH, subsequent_indent="      ", max_lines=3, placeholder=" ...")


def _tell(axes: Axes, limits: list[str]) -> None:
    axes.axis("off")
    text = "\n".join(limits) or "nothing found that limits this trace"
    axes.text(0, 1, text, ha="left", va="top", fontsize=8, transform=axes.transAxes)
    headed(axes, "What this trace cannot tell (trace lint)")
