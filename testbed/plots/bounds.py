"""Objectives on the panels: the measured stretch, and how long it might have been."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from matplotlib.axes import Axes

from testbed.plots import style
from testbed.result.store import Result
from testbed.result.verdict import Verdict


def mark(axes: Mapping[str, Axes], result: Result) -> None:
    """Mark every verdict that has a place in a panel (``rtt``, ``carrier``, or an http-get stream's name)."""
    for verdict in result.record.verdicts:
        percentile = verdict.metric.startswith(("ttfb_p", "upload_p"))
        marker = _MARKERS.get(verdict.metric.partition("_p")[0] if percentile else verdict.metric)
        if verdict.metric == "interruption" and verdict.of != result.record.facts.heartbeat:
            continue  # the panel is the heartbeat's
        if marker is not None and verdict.value is not None:
            marker(axes, verdict)


def _interruption(axes: Mapping[str, Axes], verdict: Verdict) -> None:
    last_good_ns = verdict.details.get("last_good_ns")
    start = verdict.window_ns[0] if last_good_ns is None else last_good_ns
    _stretch(axes["rtt"], int(str(start)), verdict, 0.93)


def _return(height: float, axes: Mapping[str, Axes], verdict: Verdict) -> None:
    start = verdict.details.get("outage_end_ns")
    if start is not None:
        _stretch(axes["rtt"], int(str(start)), verdict, height)


def _stretch(axes: Axes, start_ns: int, verdict: Verdict, height: float) -> None:
    """Draw the measured time as a bar and the permitted time as a bracket from the same start."""
    colour = style.OUTCOME_COLOURS[verdict.outcome]
    start, value, bound = start_ns / 1e9, (verdict.value or 0) / 1e9, verdict.bound / 1e9
    place = axes.get_xaxis_transform()
    axes.plot([start, start + bound], [height, height], color=style.GREY, linewidth=0.8, transform=place)
    axes.plot(
        [start + bound], [height], "|", color=style.GREY, markersize=9, markeredgewidth=1.2, transform=place
    )
    bar = axes.plot([start, start + value], [height, height], color=colour, transform=place)
    bar[0].set(linewidth=4, solid_capstyle="butt")
    late = start > 0.7 * axes.get_xlim()[1]
    label = axes.text(
        max(start, 0) + (value if late else 0),
        height - 0.03,
        f"{verdict.metric} {verdict.measured} ({verdict.bound_text})",
        transform=place,
        va="top",
        ha="right" if late else "left",
    )
    label.set(fontsize=7.5, color=colour, weight="bold")
    label.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.8})


def _line(per: float, axes: Mapping[str, Axes], verdict: Verdict) -> None:
    """Draw the bound across the panel of its stream; ``per`` is the axis' unit in the metric's."""
    panel = axes.get(verdict.of)
    if panel is None:
        return
    colour = style.OUTCOME_COLOURS[verdict.outcome]
    panel.axhline(verdict.bound / per, color=colour, linewidth=0.9, linestyle="--")
    below = verdict.relation == "at least"
    panel.annotate(
        f"{verdict.title}: {verdict.measured}",
        (0, verdict.bound / per),  # on the left: legends stand on the right
        xycoords=("axes fraction", "data"),
        xytext=(3, -3 if below else 2),
        textcoords="offset points",
        ha="left",
        va="top" if below else "bottom",
        fontsize=7.5,
        color=colour,
        weight="bold",
    )


_MARKERS: Mapping[str, Callable[[Mapping[str, Axes], Verdict], None]] = {
    "interruption": _interruption,
    "return_to_preferred": partial(_return, 0.79),
    "new_flows_return": partial(_return, 0.65),
    "boot_to_service": partial(_return, 0.79),
    "ttfb": partial(_line, 1e6),
    "upload": partial(_line, 1e9),
    "mos": partial(_line, 1.0),
}
