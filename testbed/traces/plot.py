"""A trace as a figure for a design review: RTT and losses over time, fold on the 15 s cycle, CDF, runs, rate."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from testbed.errors import InputError
from testbed.model.trace import FRAMES, EventKind, Series, SeriesName, Trace
from testbed.traces.handover import handovers
from testbed.traces.losses import loss_runs
from testbed.traces.render import COUNTED
from testbed.traces.slots import SLOT_NS, first_boundary
from testbed.units import format_duration

# Okabe and Ito's colours: told apart by the colour-blind, and in grey by their lightness.
BLUE, ORANGE, GREEN, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#000000"
_MOST_DOTS = 60_000
_FEW_DOTS = 2000
_SHARES = (SeriesName.LOSS, SeriesName.UP_LOSS, SeriesName.DOWN_LOSS)
_S, _MS = 1e9, 1e6


def draw(trace: Trace, path: Path) -> None:
    """Draw a trace into a PNG, SVG or PDF. Raises InputError for other endings and for nothing to draw."""
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise InputError(str(path), f"ending {path.suffix!r}", "write .png, .svg or .pdf")
    panels = _panels(trace)
    if not panels:
        raise InputError(trace.name, "nothing but context series", "draw a trace with delay or rate")
    figure = Figure(figsize=(11, 2.5 + 2.6 * len(panels)), layout="constrained")
    FigureCanvasAgg(figure)
    for key, axes in figure.subplot_mosaic("\n".join(panels)).items():
        DRAWERS[key](axes, trace)
    figure.suptitle(_title(trace), fontsize=10, x=0.01, ha="left")
    with matplotlib.rc_context({"svg.hashsalt": trace.name}):
        figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)


def _panels(trace: Trace) -> list[str]:
    """Return the rows of the figure, a letter a column: t time, f fold, c CDF, l loss runs, r rate."""
    rows = []
    if trace.probes is not None and len(trace.probes):
        rows += ["tt", "ff", "cl"]
    if any(name in trace.series for name in (SeriesName.UP_RATE, SeriesName.DOWN_RATE)):
        rows.append("rr")
    return rows


def _title(trace: Trace) -> str:
    provenance = trace.provenance
    parents = ", ".join(f"{parent.name} {parent.sha256[:12]}" for parent in provenance.parents[:3])
    lines = [f"{trace.name} ({provenance.kind}, {format_duration(trace.duration_ns)})", provenance.source]
    lines.append(f"licence: {provenance.licence}   made by: {provenance.made_by}   {parents}")
    wrapped = (textwrap.wrap(line, 140, max_lines=2, placeholder=" ...") for line in lines)
    return "\n".join(part for parts in wrapped for part in parts)


def _delay_label(trace: Trace) -> str:
    return "RTT (ms)" if SeriesName.RTT in trace.series else "one-way delay (ms)"


def _thinned(probes: Series) -> Series:
    """Return at most so many probes that a figure can show them: every n-th."""
    step = -(-len(probes) // _MOST_DOTS)
    return Series(probes.t_ns[::step].copy(), probes.value[::step].copy(), probes.loss[::step].copy())


def _time(axes: Axes, trace: Trace) -> None:
    probes = trace.probes
    if probes is None:
        return
    shown = _thinned(probes)
    kept = ~shown.lost
    axes.plot(
        shown.t_ns[kept] / _S,
        shown.value[kept] / _MS,
        ".",
        ms=2,
        color=BLUE,
        label="answered",
        rasterized=True,
    )
    _limit(axes, probes)
    if probes.lost.any():
        bottom = axes.get_ylim()[0]
        lost = probes.t_ns[probes.lost] / _S
        axes.plot(lost, np.full(len(lost), bottom), "|", ms=9, color=RED, label="lost", clip_on=False)
    outages = [event for event in trace.events if event.kind is EventKind.OUTAGE]
    for number, event in enumerate(outages):
        label = "outage" if number == 0 else None
        end = (event.t_ns + event.duration_ns) / _S
        axes.axvspan(event.t_ns / _S, end, color=ORANGE, alpha=0.4, lw=0, label=label)
    axes.set(xlabel="time (s)", ylabel=_delay_label(trace), xlim=(0, trace.duration_ns / _S))
    _headed(axes, "Delay, losses and outages")
    _shares(axes, trace)


def _shares(axes: Axes, trace: Trace) -> None:
    """Draw shares of losses that are no probes (a dish's drop rate) on an axis of their own."""
    for name in _SHARES:
        series = trace.series.get(name)
        if series is not None and series.value.any():
            beside = axes.twinx()
            ends = np.append(series.t_ns, trace.duration_ns) / _S
            beside.stairs(series.value / 1e4, ends, color=RED, alpha=0.5, fill=True)
            beside.set_ylabel(f"{name.replace('_', ' ')} (%)", color=RED)
            beside.set_ylim(0, 300)  # a third of the height
            beside.set_yticks([0, 50, 100])
            return


def _limit(axes: Axes, probes: Series) -> None:
    """Let rare peaks not flatten the rest: a logarithmic axis where they are ten times the median."""
    if _peaked(probes):
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)


def _peaked(probes: Series) -> bool:
    kept = probes.value[~probes.lost]
    return len(kept) > 0 and bool(kept.max() > 10 * np.median(kept) > 0)


def _plain_numbers(axis: Axis) -> None:
    """Write 20, 50, 100 ... on a logarithmic axis, not powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _fold(axes: Axes, trace: Trace) -> None:
    probes = trace.probes
    if probes is None:
        return
    origin, name = _origin(trace)
    shown = _thinned(probes)
    phase = (shown.t_ns - origin) % SLOT_NS / _S
    kept = ~shown.lost
    size, alpha = (3.0, 0.8) if len(shown) < _FEW_DOTS else (1.5, 0.4)
    axes.plot(phase[kept], shown.value[kept] / _MS, ".", ms=size, color=BLUE, alpha=alpha, rasterized=True)
    _limit(axes, probes)
    axes.set(xlabel=name, ylabel=_delay_label(trace), xlim=(0, 15))
    if probes.lost.any():
        losses = axes.twinx()
        lost = (probes.t_ns[probes.lost] - origin) % SLOT_NS / _S
        counts, _, _ = losses.hist(lost, bins=np.arange(0, 15.01, 0.25).tolist(), color=RED, alpha=0.5)
        losses.set_ylim(0, max(5, 1.05 * float(np.max(counts))))
        losses.set_ylabel("lost probes per 0.25 s", color=RED)
        losses.yaxis.set_major_locator(MaxNLocator(integer=True))
    if "boundary" in name:
        axes.axvline(12, color=BLACK, lw=0.8, ls="--", alpha=0.6)
    _headed(axes, "Folded on the 15 s cycle")


def _origin(trace: Trace) -> tuple[int, str]:
    """Return the instant that the fold begins at, and how the axis is called."""
    if trace.provenance.start_ns is not None:
        return (
            -trace.provenance.start_ns % SLOT_NS,
            "time in the 15 s cycle (s, UTC modulo 15; boundary at 12)",
        )
    boundary = first_boundary(trace.provenance)
    if boundary is not None:
        return (boundary - 12 * 10**9) % SLOT_NS, "time in the 15 s cycle (s; boundary at 12)"
    found = handovers(trace)
    if found is not None and found.clear:
        return (
            found.phase_ns - 12 * 10**9
        ) % SLOT_NS, "time in the 15 s cycle (s; boundary, found in the data, at 12)"
    return 0, "time modulo 15 s (s; the data show no cycle)"


def _cdf(axes: Axes, trace: Trace) -> None:
    probes = trace.probes
    if probes is None:
        return
    values = np.sort(probes.value[~probes.lost]) / _MS
    shares = np.arange(1, len(values) + 1) / max(1, len(values)) * 100
    axes.plot(values, shares, color=BLUE, lw=1.5)
    quantiles = (50, 95, 99) if len(values) else ()
    at = np.percentile(values, quantiles).tolist() if len(values) else []
    axes.plot(at, quantiles, "o", ms=4, color=BLACK)
    told = "\n".join(f"p{quantile} {value:.3g} ms" for quantile, value in zip(quantiles, at, strict=True))
    axes.text(0.97, 0.05, told, ha="right", va="bottom", fontsize=9, transform=axes.transAxes)
    if _peaked(probes):
        axes.set_xscale("log")
        _plain_numbers(axes.xaxis)
    axes.set(xlabel=_delay_label(trace), ylabel="probes below (%)", ylim=(0, 102))
    _headed(axes, "Distribution of the delay")


def _runs(axes: Axes, trace: Trace) -> None:
    if trace.probes is None:
        return
    lengths, counts = np.unique(loss_runs(trace.probes).length, return_counts=True)
    if len(lengths):
        axes.vlines(lengths, 0, counts, color=RED, lw=2)
        axes.plot(lengths, counts, "o", ms=4, color=RED)
        axes.set_xscale("log")
        ticks = [
            tick
            for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000)
            if tick <= max(10, 1.5 * lengths.max())
        ]
        axes.set_xlim(0.8, max(12, 1.5 * lengths.max()))
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        axes.text(0.5, 0.5, "nothing lost", ha="center", transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
    axes.set(xlabel="length of a run of losses (probes)", ylabel="runs", ylim=(0, None))
    _headed(axes, "Runs of losses")


def _rate(axes: Axes, trace: Trace) -> None:
    """Draw rates by the second, so that a delivery trace reads like any other."""
    for name, colour, label in ((SeriesName.DOWN_RATE, BLUE, "down"), (SeriesName.UP_RATE, ORANGE, "up")):
        series = trace.series.get(name)
        if series is None or not len(series):
            continue
        times = np.append(series.t_ns, trace.duration_ns)
        bits = np.concatenate(([0], np.cumsum(series.value * np.diff(times) / _S)))
        edges = np.linspace(0, trace.duration_ns, max(2, int(trace.duration_ns / _S) + 1))
        each = np.diff(np.interp(edges, times, bits)) / np.diff(edges) * _S / 1e6
        layer = COUNTED[trace.framing.get(name, FRAMES).layer]
        axes.stairs(each, edges / _S, color=colour, lw=1.5, baseline=None, label=f"{label}, {layer}")
    axes.set(
        xlabel="time (s)",
        ylabel="rate (Mbit/s, mean of 1 s)",
        xlim=(0, trace.duration_ns / _S),
        ylim=(0, None),
    )
    _headed(axes, "Rate")


def _headed(axes: Axes, title: str) -> None:
    """Name the panel at its left; a legend stands at its right, beside the data and not on them."""
    axes.set_title(title, loc="left", fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=4, fontsize=8, frameon=False)


DRAWERS: dict[str, Callable[[Axes, Trace], None]] = {
    "t": _time,
    "f": _fold,
    "c": _cdf,
    "l": _runs,
    "r": _rate,
}
