"""The figure of a campaign: each objective's measured value in every run, against what was varied."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from testbed.model.objective import Unit
from testbed.plots import style
from testbed.result.campaign import Campaign
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict
from testbed.units import parse_duration

WIDTH_INCHES, PANEL_INCHES, BOTTOM_INCHES, TOP_INCHES = 9.5, 1.75, 0.8, 0.62
DPI = 160
STEM = "campaign"
_SCALES = {
    Unit.DURATION: (1e9, "s"),
    Unit.SHARE: (0.01, "%"),
    Unit.SIZE: (1e6, "MB"),
    Unit.MONEY: (1.0, "USD"),
    Unit.MOS: (1.0, "MOS"),
    Unit.COUNT: (1.0, "count"),
}


def write(campaign: Campaign) -> Path:
    """Draw a campaign into its folder as PNG; return the figure's path."""
    with matplotlib.rc_context(dict(style.RC)):
        path = campaign.folder / f"{STEM}.png"
        draw(campaign).savefig(path, dpi=DPI, metadata={"Software": None, "Title": campaign.scenario})
    return path


def draw(campaign: Campaign) -> Figure:
    """Return a panel for each objective; runs stand along the axis by the key that varies in time, or by name."""
    titles = campaign.titles
    height = BOTTOM_INCHES + TOP_INCHES + PANEL_INCHES * max(1, len(titles))
    figure = Figure(figsize=(WIDTH_INCHES, height))
    FigureCanvasAgg(figure)
    key, groups = _groups(campaign)
    edges = {"left": 0.1, "right": 0.8 if len(groups) > 1 else 0.975}
    edges |= {"bottom": BOTTOM_INCHES / height, "top": 1 - TOP_INCHES / height}
    grid = figure.add_gridspec(max(1, len(titles)), 1, hspace=0.45, **edges)
    first = figure.add_subplot(grid[0])
    panels = [first, *(figure.add_subplot(grid[row], sharex=first) for row in range(1, len(titles)))]
    for axes, (objective, title) in zip(panels, titles.items(), strict=False):
        axes.set_title(title, loc="left", fontsize=8.5)
        judged = {
            name: [
                (at, verdict) for at, result in runs if (verdict := campaign.verdicts(result).get(objective))
            ]
            for name, runs in groups.items()
        }
        _panel(axes, judged)
    if not titles:
        style.empty(panels[0], "no run was judged")
    for axes in panels[:-1]:
        axes.tick_params(labelbottom=False)
    panels[-1].set_xlabel(key)
    figure.align_ylabels(panels)
    _words(figure, campaign, height)
    return figure


_Groups = dict[str, list[tuple[float | str, Result]]]
"""Runs that differ in the horizontal key alone, with their place on it, by what else was set in them."""


def _groups(campaign: Campaign) -> tuple[str, _Groups]:
    """Return the horizontal axis's label, and the runs as lines of (place on it, run)."""
    timed = next((key for key in campaign.keys if _is_timed(campaign, key)), None)
    groups: _Groups = {}
    for result in campaign.results:
        values = campaign.values(result)
        at: float | str = ", ".join(values.values()) or "unchanged"
        name = ""
        if timed is not None:
            at = parse_duration(values.pop(timed)) / 1e9
            name = ", ".join(values.values())
        groups.setdefault(name, []).append((at, result))
    if timed is None:
        return ", ".join(campaign.keys) or "run", groups
    return "shift of the events against the 15 s slot (s)" if timed == "shift" else f"{timed} (s)", groups


def _is_timed(campaign: Campaign, key: str) -> bool:
    try:
        return bool({parse_duration(campaign.values(result)[key]) for result in campaign.results})
    except (KeyError, ValueError):
        return False


def _panel(axes: Axes, groups: Mapping[str, Sequence[tuple[float | str, Verdict]]]) -> None:
    """Draw an objective's verdicts: of each group, with their places on the axis."""
    unit = Unit.COUNT
    looks = zip(itertools.cycle(style.UPLINK_COLOURS), itertools.cycle("osD^v"), groups.items(), strict=False)
    for colour, shape, (name, runs) in looks:
        found = [(at, verdict) for at, verdict in runs if verdict.value is not None]
        if not found:
            continue
        unit = found[0][1].unit
        places, values = [at for at, _ in found], [_scaled(verdict, verdict.value) for _, verdict in found]
        in_order = all(isinstance(at, float) for at in places) and len(set(places)) == len(places)
        axes.plot(
            places, values, linestyle="-" if in_order else "", color=colour, linewidth=0.9, marker=shape,
            markersize=3.5, label=name,
        )  # fmt: skip
        bad = [(at, verdict) for at, verdict in found if verdict.outcome is not Outcome.PASS]
        for at, verdict in bad:
            mark = style.OUTCOME_COLOURS[verdict.outcome]
            axes.plot(
                [at], [_scaled(verdict, verdict.value)], linestyle="", marker="x", markersize=8, color=mark
            )
        axes.axhline(
            _scaled(found[0][1], found[0][1].bound), color=style.VERMILLION, linewidth=0.8, linestyle="--"
        )
    style.prepare(axes, _SCALES[unit][1])
    axes.margins(y=0.25)
    axes.set_ylim(bottom=0)  # after the margins: a difference of a tenth must not look like a cliff
    if unit is Unit.COUNT:
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if len(groups) > 1:
        axes.legend(frameon=False, fontsize=7.5, loc="center left", bbox_to_anchor=(1.01, 0.5))


def _scaled(verdict: Verdict, value: float | None) -> float:
    return (value or 0.0) / _SCALES[verdict.unit][0]


def _words(figure: Figure, campaign: Campaign, height: float) -> None:
    figure.text(
        0.015,
        1 - 0.16 / height,
        f"{campaign.scenario}: {len(campaign.runs)} runs",
        fontsize=12,
        weight="bold",
        va="top",
    )
    if not campaign.results:
        return
    record = campaign.results[0].record
    traces = [f"{i.role} {i.name} {i.sha256[:12]}" for i in record.inputs if i.role.startswith("trace of")]
    commit = record.versions.commit[:12] + ("+dirty" if record.versions.dirty else "")
    foot = ", ".join([f"commit {commit}", f"seed {record.seed}", *traces])
    figure.text(
        0.015,
        0.1 / height,
        f"dashed: the bound; cross: not a pass\n{foot}",
        fontsize=6.5,
        color=style.GREY,
        va="bottom",
    )
