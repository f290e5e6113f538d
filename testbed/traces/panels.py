"""The panels of a trace's figure: delay and losses over time, folded on the 15 s cycle, their distributions, rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from testbed.model.trace import FRAMES, EventKind, Series, SeriesName, Trace
from testbed.traces.handover import handovers
from testbed.traces.losses import loss_runs
from testbed.traces.render import COUNTED
from testbed.traces.round_trips import round_trips
from testbed.traces.slots import SLOT_NS, first_boundary
from testbed.traces.waits import heard
from testbed.units import format_duration

# Okabe and Ito's colours: told apart by the colour-blind, and in grey by their lightness.
BLUE, ORANGE, GREEN, RED, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#000000"
_MOST_DOTS = 60_000
_FEW_DOTS = 2000
_BARS = 200
_PROBES_A_BAR = 20
_LEAST_PERCENT = 10.0
_PHASES = 60
_SHARES = (SeriesName.LOSS, SeriesName.UP_LOSS, SeriesName.DOWN_LOSS)
_S, _MS = 1e9, 1e6


def delays(trace: Trace) -> list[tuple[str, Series, str]]:
    """Return what is drawn of a trace's delays: label, series, colour. RTTs, or each direction."""
    if SeriesName.RTT in trace.series:
        return [("RTT", trace.series[SeriesName.RTT], BLUE)]
    ways = (("up", SeriesName.UP_DELAY, GREEN), ("down", SeriesName.DOWN_DELAY, BLUE))
    return [
        (label, trace.series[name], colour) for label, name, colour in ways if len(trace.series.get(name, ()))
    ]


def _delay_label(trace: Trace) -> str:
    return "RTT (ms)" if SeriesName.RTT in trace.series else "one-way delay (ms)"


def _none_answered(axes: Axes, trace: Trace) -> bool:
    """Say in the panel that there is nothing to draw, where no probe was answered."""
    if any((~series.lost).any() for _, series, _ in delays(trace)):
        return False
    axes.text(0.5, 0.5, "no probe was answered", ha="center", va="center", transform=axes.transAxes)
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    return True


def _thinned(probes: Series) -> Series:
    """Return at most so many probes that a figure can show them: every n-th."""
    step = -(-len(probes) // _MOST_DOTS)
    return Series(probes.t_ns[::step].copy(), probes.value[::step].copy(), probes.loss[::step].copy())


def _time(axes: Axes, trace: Trace) -> None:
    for label, series, colour in delays(trace):
        shown = _thinned(series)
        t, value = shown.t_ns[~shown.lost] / _S, shown.value[~shown.lost] / _MS
        if len(t):
            axes.plot(t, value, ".", ms=2, color=colour, label=label, rasterized=True)
    if not _none_answered(axes, trace):
        _limit(axes, trace)
    for number, event in enumerate(event for event in trace.events if event.kind is EventKind.OUTAGE):
        end = (event.t_ns + event.duration_ns) / _S
        axes.axvspan(event.t_ns / _S, end, color=ORANGE, alpha=0.4, lw=0, label=None if number else "outage")
    axes.set(xlabel="time (s)", ylabel=_delay_label(trace), xlim=(0, trace.duration_ns / _S))
    headed(axes, "Delay and outages")


def _losses(axes: Axes, trace: Trace) -> None:
    """Draw which part of the time is lost, in bars that hold many probes: one lost probe is no outage."""
    most = max([_LEAST_PERCENT, *_lost_bars(axes, trace), *_recorded_shares(axes, trace)])
    axes.set(xlabel="time (s)", ylabel="lost (% of time)", xlim=(0, trace.duration_ns / _S))
    axes.set_ylim(0, min(105.0, 1.1 * most))
    headed(axes, "Losses")


def _lost_bars(axes: Axes, trace: Trace) -> Iterator[float]:
    """Draw each direction's losses; yield the highest percentage of each."""
    found = delays(trace)
    for number, (label, series, _) in enumerate(found):
        probes = (heard(trace) or series) if label == "RTT" else series
        count = int(np.clip(trace.duration_ns / max(1, _PROBES_A_BAR * series.cadence_ns), 1, _BARS))
        edges = np.linspace(0, trace.duration_ns, count + 1)
        percent = 100 * _lost_time(probes, trace.duration_ns, edges)
        name = "lost" if len(found) == 1 else f"lost {label}"
        told = f"{name}, in bars of {format_duration(round(float(edges[1]), -6) or 1)}"
        axes.stairs(percent, edges / _S, color=(RED, BLACK)[number], fill=number == 0, label=told)
        yield float(percent.max())


def _recorded_shares(axes: Axes, trace: Trace) -> Iterator[float]:
    """Draw shares of losses that are no probes (a dish's drop rate); yield the highest percentage of each."""
    for name in _SHARES:
        share = trace.series.get(name)
        if share is not None and share.value.any():
            ends = np.append(share.t_ns, trace.duration_ns) / _S
            label = f"{name.replace('_', ' ')} rate, as recorded"
            axes.stairs(share.value / 1e4, ends, color=BLACK, lw=0.8, baseline=None, label=label)
            yield float(share.value.max()) / 1e4


def _lost_time(probes: Series, duration_ns: int, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of each bar's time whose latest probe was lost."""
    times = np.append(probes.t_ns, duration_ns).astype(np.float64)
    lost = np.concatenate(([0.0], np.cumsum(np.diff(times) * probes.lost)))
    return np.asarray(np.diff(np.interp(edges, times, lost)) / np.diff(edges), np.float64)


def _limit(axes: Axes, trace: Trace) -> None:
    """Let rare peaks not flatten the rest: a logarithmic axis where they are ten times the median."""
    if _peaked(trace):
        axes.set_yscale("log")
        _plain_numbers(axes.yaxis)


def _peaked(trace: Trace) -> bool:
    kept = np.concatenate([series.value[~series.lost] for _, series, _ in delays(trace)])
    return len(kept) > 0 and bool(kept.max() > 10 * np.median(kept) > 0)


def _plain_numbers(axis: Axis) -> None:
    """Write 20, 50, 100 ... on a logarithmic axis, not powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.set_minor_formatter(NullFormatter())


def _fold(axes: Axes, trace: Trace) -> None:
    origin, name = _origin(trace)
    for label, series, colour in delays(trace):
        shown = _thinned(series)
        phase = (shown.t_ns - origin) % SLOT_NS / _S
        kept = ~shown.lost
        size, alpha = (3.0, 0.8) if len(shown) < _FEW_DOTS else (1.5, 0.4)
        if kept.any():
            axes.plot(
                phase[kept], shown.value[kept] / _MS, ".", ms=size, alpha=alpha, color=colour, label=label
            )
    if not _none_answered(axes, trace):
        _limit(axes, trace)
    axes.set(xlabel=name, ylabel=_delay_label(trace), xlim=(0, 15))
    if "boundary" in name:
        axes.axvline(12, color=BLACK, lw=0.8, ls="--", alpha=0.6, label="boundary")
    probes = round_trips(trace)
    if probes is not None and probes.lost.any():
        _folded_losses(axes, probes, origin)
    headed(axes, "Folded on the 15 s cycle")


def _folded_losses(axes: Axes, probes: Series, origin: int) -> None:
    """Draw the share of probes lost at each phase, behind the delays, on an axis of its own."""
    fine = min(len(probes) / _PROBES_A_BAR, SLOT_NS / max(1, probes.cadence_ns))
    count = int(np.clip(fine, 1, _PHASES))
    phase = ((probes.t_ns - origin) % SLOT_NS * count // SLOT_NS).astype(np.int64)
    lost = np.bincount(phase, probes.lost, minlength=count)
    percent = 100 * lost / np.maximum(np.bincount(phase, minlength=count), 1)
    beside = axes.twinx()
    beside.stairs(percent, np.arange(count + 1) * 15 / count, color=RED, fill=True, alpha=0.55)
    beside.set_ylim(0, max(1.5 * _LEAST_PERCENT, 1.05 * float(percent.max())))
    beside.set_ylabel("lost (% of probes)", color=RED)
    axes.plot([], [], "s", color=RED, alpha=0.55, label="lost (right)")
    axes.set_zorder(beside.get_zorder() + 1)  # delays in front of the bars
    axes.patch.set_visible(False)


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
    if not _none_answered(axes, trace):
        told = [_one_cdf(axes, *one) for one in delays(trace) if (~one[1].lost).any()]
        axes.text(0.97, 0.05, "\n".join(told), ha="right", va="bottom", fontsize=9, transform=axes.transAxes)
        if _peaked(trace):
            axes.set_xscale("log")
            _plain_numbers(axes.xaxis)
        axes.set_ylim(0, 102)
    else:
        axes.set_xticks([])
    axes.set(xlabel=_delay_label(trace), ylabel="probes below (%)")
    headed(axes, "Distribution of the delay")


def _one_cdf(axes: Axes, label: str, series: Series, colour: str) -> str:
    """Draw one distribution, and return its quantiles in words."""
    values = np.sort(series.value[~series.lost]) / _MS
    axes.plot(values, np.arange(1, len(values) + 1) / len(values) * 100, color=colour, lw=1.5, label=label)
    quantiles = (50, 95, 99)
    at = np.percentile(values, quantiles).tolist()
    axes.plot(at, quantiles, "o", ms=4, color=colour)
    told = [f"p{quantile} {value:.3g} ms" for quantile, value in zip(quantiles, at, strict=True)]
    return f"{label}: {'  '.join(told)}"


def _runs(axes: Axes, trace: Trace) -> None:
    probes = round_trips(trace)
    if probes is None:
        return
    lengths, counts = np.unique(loss_runs(probes).length, return_counts=True)
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
    headed(axes, "Runs of losses")


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
    headed(axes, "Rate")


def headed(axes: Axes, title: str) -> None:
    """Name the panel at its left; a legend stands at its right, beside the data and not on them."""
    axes.set_title(title, loc="left", fontsize=10)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.99), ncols=4, fontsize=8, frameon=False)


DRAWERS: dict[str, Callable[[Axes, Trace], None]] = {
    "t": _time,
    "s": _losses,
    "f": _fold,
    "c": _cdf,
    "l": _runs,
    "r": _rate,
}
