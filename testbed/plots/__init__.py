"""Figures, drawn from results alone: they can be drawn again years later."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from testbed.metrics.flows import flows as sessions_of
from testbed.metrics.kinds import kind_of
from testbed.plots import bounds, flows, style, timeline, words
from testbed.result.store import Result

SIZE_INCHES = (11.7, 8.9)
ROOM = 7.0  # so much height of panels, in their own measure, has room; with more the figure grows
BASE_HEIGHTS = {"carrier": 0.28, "rtt": 2.6, "down": 1.15, "up": 0.75}
DPI = 160
STEM = "timeline"
SESSIONS = "(sessions)"  # the panel of all flows; no traffic can have this name


def write(result: Result) -> Path:
    """Draw the timeline of a run into its folder, as PNG; return its path."""
    with matplotlib.rc_context(dict(style.RC)):
        figure = draw(result)
        path = result.folder / f"{STEM}.png"
        figure.savefig(path, dpi=DPI, metadata={"Software": None, "Title": result.record.title})
    return path


def draw(result: Result) -> Figure:
    """Return the timeline figure of a run, finished or not."""
    drawings = dict(_drawings(result))
    base = BASE_HEIGHTS | ({"carrier": 2 * BASE_HEIGHTS["carrier"]} if result.record.facts.new_flows else {})
    height = sum(base.values()) + sum(drawing.height for drawing in drawings.values())
    figure = Figure(figsize=(SIZE_INCHES[0], SIZE_INCHES[1] * max(1.0, height / ROOM)))
    FigureCanvasAgg(figure)
    panels = _panels(figure, base | {name: drawing.height for name, drawing in drawings.items()})
    timeline.carrier_band(panels["carrier"], result)
    timeline.round_trips(panels["rtt"], result)
    for direction in ("down", "up"):
        timeline.throughput(panels[direction], result, direction)
    for name, drawing in drawings.items():
        drawing.draw(panels[name])
    for name, axes in panels.items():
        if name != "carrier":
            timeline.shade_events(axes, result)
    timeline.name_events(panels["carrier"], result)
    _time_axis(panels, result.record.duration_ns)
    bounds.mark(panels, result)
    _words(figure, result)
    return figure


@dataclass(frozen=True)
class _Drawing:
    """What a panel below the throughput shows, and how high it is against the others."""

    height: float
    draw: Callable[[Axes], None]


def _drawings(result: Result) -> Iterator[tuple[str, _Drawing]]:
    """Yield the panel of each stream of samples, by its kind; sessions share one."""
    rows = len(sessions_of(result.evidence))
    for name, table in result.evidence.samples.items():
        kind = kind_of(table)
        if kind == "http-get":
            yield name, _Drawing(1.9, partial(timeline.requests, result=result, name=name, table=table))
        elif kind in ("http-put", "sdk-upload"):
            yield name, _Drawing(1.5, partial(flows.stored, result=result, name=name))
        elif kind == "udp-call":
            yield name, _Drawing(1.1, partial(flows.call, result=result, name=name, table=table))
    if rows:
        yield SESSIONS, _Drawing(0.25 + 0.3 * rows, partial(flows.sessions, result=result))


def _panels(figure: Figure, heights: Mapping[str, float]) -> dict[str, Axes]:
    names, ratios = list(heights), list(heights.values())
    grid = figure.add_gridspec(
        len(names), 1, height_ratios=ratios, left=0.075, right=0.985, top=0.905, bottom=0.285, hspace=0.32
    )
    first = figure.add_subplot(grid[0])
    rest = [figure.add_subplot(grid[row], sharex=first) for row in range(1, len(names))]
    return dict(zip(names, [first, *rest], strict=True))


def _time_axis(panels: dict[str, Axes], duration_ns: int) -> None:
    for axes in panels.values():
        axes.tick_params(labelbottom=False)
    last = list(panels.values())[-1]
    last.tick_params(labelbottom=True)
    last.set_xlim(0, duration_ns / 1e9)
    last.set_xlabel("time since the start (s)", labelpad=2)
    last.figure.align_ylabels(list(panels.values())[1:])


def _words(figure: Figure, result: Result) -> None:
    words.title(figure, result.record)
    grid = figure.add_gridspec(
        1, 2, width_ratios=(2.2, 1), left=0.02, right=0.98, top=0.222, bottom=0.055, wspace=0.09
    )
    words.verdict_table(figure.add_subplot(grid[0]), result.record)
    words.sequence(figure.add_subplot(grid[1]), result)
    words.footer(figure, result.record)
