"""Distributions by configuration: round trips of the heartbeat, times to first byte."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from testbed.errors import InputError
from testbed.metrics.kinds import kind_of
from testbed.metrics.requests import Requests
from testbed.plots import sheet, style
from testbed.result.store import Result

_PANEL = 2.1  # inches


def draw(results: Sequence[Result]) -> Figure:
    """Draw the cumulative share of probes (and requests) below each time; what was lost never arrives at 100 %.

    Raises InputError where no run has a sample.
    """
    found = sheet.groups(results)
    rtt = {name: _joined([_round_trips(each) for each in runs]) for name, runs in found.items()}
    ttfb = {name: _joined([_first_bytes(each) for each in runs]) for name, runs in found.items()}
    drawn = [
        (label, each)
        for label, each in (("round trip of the heartbeat (ms)", rtt), ("time to first byte (ms)", ttfb))
        if any(len(values) for values in each.values())
    ]
    if not drawn:
        raise InputError(str(results[0].folder), "no sample in it", "name runs that kept samples")
    below = 0.6 + 0.165 * len(found)  # of its legend
    figure = sheet.sheet(
        "Distributions by configuration",
        "cumulative share of all that was sent: a curve that ends below 100 % lost the rest",
        results,
        1.05 + (_PANEL + below) * len(drawn),
    )
    rows = sheet.panels(figure, len(drawn), gap=below / _PANEL, bottom=0.35 + below)
    for axes, (label, each) in zip(rows, drawn, strict=True):
        for place, (name, values) in enumerate(each.items()):
            if not len(values):
                continue
            arrived = np.sort(values[np.isfinite(values)])
            share = 100 * np.arange(1, len(arrived) + 1) / len(values)
            lost = f", {len(values) - len(arrived):,} lost" if len(arrived) < len(values) else ""
            axes.step(
                arrived, share, where="post", color=sheet.COLOURS[place % len(sheet.COLOURS)],
                linestyle=sheet.LINES[place % len(sheet.LINES)], linewidth=1.3,
                label=f"{name} ({len(values):,} sent{lost})",
            )  # fmt: skip
        style.prepare(axes, "share (%)")
        axes.set_xscale("log")
        sheet.plain_decades(axes.xaxis)
        axes.set(ylim=(0, 101), yticks=(0, 25, 50, 75, 100))
        axes.set_xlabel(label, labelpad=1)
        sheet.legend_below(axes)
    return figure


def _round_trips(result: Result) -> NDArray[np.float64]:
    """Return round trips in ms; infinite where lost."""
    probes = result.evidence.probes(result.record.facts.heartbeat)
    return np.where(probes.good, probes.rtt_ns / 1e6, np.inf)


def _first_bytes(result: Result) -> NDArray[np.float64]:
    """Return times to first byte of all http-get streams in ms; infinite where the answer was not whole."""
    streams = [Requests.of(t) for t in result.evidence.samples.values() if kind_of(t) == "http-get"]
    return _joined(
        [np.where(each.whole & (each.ttfb_ns > 0), each.ttfb_ns / 1e6, np.inf) for each in streams]
    )


def _joined(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(parts) if parts else np.zeros(0)
