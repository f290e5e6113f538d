"""A topology as a figure: its nodes, its wires, and its emulated links with what they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from testbed.errors import InputError
from testbed.model import layout
from testbed.model.topology import NodeKind, Topology
from testbed.plots import figures, style

_COLUMN_IN, _ROW_IN = 1.15, 0.75


def write(topology: Topology, title: str, links: Mapping[str, str], out: Path) -> Path:
    """Draw a topology into a file; ``links`` is what to say of each link. Raises InputError for its ending."""
    if out.suffix not in figures.FORMATS:
        raise InputError(str(out), f"ending {out.suffix!r}", f"one of {', '.join(figures.FORMATS)}")
    with matplotlib.rc_context(dict(style.RC)):
        figure = draw(topology, title, links)
        figure.savefig(out, dpi=figures.DPI, metadata=dict(figures.FORMATS[out.suffix]))
    return out


def draw(topology: Topology, title: str, links: Mapping[str, str]) -> Figure:
    """Return the figure."""
    neighbours = layout.neighbours(topology)
    columns = layout.columns(topology, neighbours)
    rows = layout.rows(columns, neighbours)
    height = max(rows.values()) + 1
    places = dict(_places(columns, rows, height))
    figure = Figure((_COLUMN_IN * len(columns) + 0.3, _ROW_IN * height + 0.6))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-0.6, len(columns) - 0.4)
    axes.set_ylim(-0.6, height - 0.1)
    axes.axis("off")
    axes.text(-0.5, height - 0.3, title, weight="bold", va="center")
    colours = style.colours(sorted(topology.uplinks, key=lambda name: topology.uplinks[name].metric))
    for name, others in neighbours.items():
        for other in others:
            if name < other and name in places and other in places:
                _wire(axes, places[name], places[other])
    for name, place in places.items():
        link = name.removeprefix(layout.LINK)
        if name.startswith(layout.LINK):
            _box(axes, place, f"{link}\n{links.get(link, '')}".strip(), colours[link], "white")
        else:
            kind = topology.nodes[name].kind
            _box(axes, place, name, style.BLACK if kind is NodeKind.HUB else style.FAINT, "black")
    return figure


def _places(
    columns: list[list[str]], rows: Mapping[str, int], height: int
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield each node's place; what stands alone in its column stands in the middle."""
    for x, column in enumerate(columns):
        for name in column:
            yield name, (float(x), (height - 1) / 2 if 1 == len(column) else float(height - 1 - rows[name]))


def _wire(axes: Axes, a: tuple[float, float], b: tuple[float, float]) -> None:
    axes.plot((a[0], b[0]), (a[1], b[1]), color=style.GREY, linewidth=1.0, zorder=1)


def _box(axes: Axes, place: tuple[float, float], text: str, edge: str, letters: str) -> None:
    filled = edge if letters == "white" else "white"
    if letters == "white" and edge not in style.DARK:
        letters = "black"
    looks = {"boxstyle": "round,pad=0.35", "facecolor": filled, "edgecolor": edge, "linewidth": 1.2}
    axes.text(*place, text, ha="center", va="center", fontsize=7, color=letters, bbox=looks, zorder=2)
