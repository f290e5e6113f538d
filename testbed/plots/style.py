"""How figures look: colours for the colour-blind (Okabe and Ito 2008), type, axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from testbed.result.verdict import Outcome

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY, FAINT, SHADE, RULE = "#555555", "#999999", "#ECECEC", "#D5D5D5"

UPLINK_COLOURS = (BLUE, ORANGE, PURPLE, GREEN, SKY)  # in the order of preference
DARK = frozenset({BLUE, GREEN, GREY, BLACK})  # white letters are readable on these
OUTCOME_COLOURS: Mapping[Outcome, str] = {
    Outcome.PASS: GREEN,
    Outcome.FAIL: VERMILLION,
    Outcome.INCONCLUSIVE: GREY,
    Outcome.INVALID: BLACK,
}
RC: Mapping[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 8.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": GREY,
    "axes.labelsize": 8.5,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": BLACK,
    "ytick.labelcolor": BLACK,
    "svg.hashsalt": "testbed",
    "svg.fonttype": "none",
}


def colours(uplinks: Sequence[str]) -> dict[str, str]:
    """Return each uplink's colour; the same uplinks have the same colours in every figure of a scenario."""
    return {name: UPLINK_COLOURS[i % len(UPLINK_COLOURS)] for i, name in enumerate(uplinks)}


def fit(text: Text, figure: Figure) -> None:
    """Let a line be no wider than its figure, by smaller letters."""
    box, end = text.get_window_extent(), 0.92 * figure.bbox.width  # at other resolutions letters are a little wider
    if box.x1 > end:
        text.set_fontsize(text.get_fontsize() * (end - box.x0) / box.width)


def seconds(t_ns: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """Return times in s, the unit of every time axis."""
    return np.asarray(t_ns, np.float64) / 1e9


def prepare(axes: Axes, label: str) -> None:
    """Give a panel its label, a light grid and open corners."""
    axes.set_ylabel(label)
    axes.grid(True, color=RULE, linewidth=0.4)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=2.5, width=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(4))


def empty(axes: Axes, text: str) -> None:
    """Say in the middle of a panel why it shows nothing."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY, style="italic")
    axes.set_yticks([])


def note(axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], **more: Any) -> None:
    """Write a small note at a place (shares of the panel), moved by an offset in points."""
    looks: dict[str, Any] = {
        "fontsize": 7.5,
        "weight": "bold",
        "va": "bottom",
        "annotation_clip": False,
        **more,
    }
    axes.annotate(text, at, xycoords="axes fraction", xytext=offset, textcoords="offset points", **looks)


def legend(axes: Axes, columns: int = 6) -> None:
    """Put the legend above the panel's right end, where it hides no data."""
    if axes.get_legend_handles_labels()[0]:
        box = axes.legend(
            loc="lower right",
            bbox_to_anchor=(1.0, 0.98),
            ncols=columns,
            frameon=False,
            fontsize=7.5,
            borderpad=0,
            handlelength=1.4,
            handletextpad=0.5,
            columnspacing=1.3,
            markerscale=1.6,
        )
        box.set_zorder(5)
