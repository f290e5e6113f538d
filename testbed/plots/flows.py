"""The panels of long-lived flows: sessions, calls, uploads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from matplotlib.axes import Axes

from testbed.metrics.calls import WINDOW_NS, directions, heard
from testbed.metrics.flows import Session, flows, rhythm
from testbed.metrics.ledger import lifetime, returns, stranded
from testbed.metrics.measurement import Ask
from testbed.metrics.uploads import uploads
from testbed.metrics.window import Window
from testbed.model.traffic import TENANT_ENDED
from testbed.plots import style
from testbed.plots.style import seconds
from testbed.result.store import Result

BAR = 0.62  # of a row's height
STALL_NS = 500_000_000  # shorter pauses than this, or three usual intervals, are not drawn
_LOOKS = {"up": (style.BLUE, "-"), "down": (style.ORANGE, (0, (4, 2)))}

LEAST_S = 0.03
"""The axis of times to an acknowledgement begins there, and what took less stands on it."""


def sessions(axes: Axes, result: Result) -> None:
    """Draw a row for each flow: its sessions as bars, stalls as gaps in them, ends as crosses."""
    found = flows(result.evidence)
    style.prepare(axes, "sessions")
    axes.grid(False, axis="y")
    whole = Window(0, result.record.duration_ns)
    for row, each in enumerate(found.values()):
        for session in each:
            _session(axes, result, session, row, whole)
        name = axes.text(0.004, row, each[0].flow if each else "", transform=axes.get_yaxis_transform())
        name.set(va="center", fontsize=7.5, weight="bold")
        name.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.2})
    axes.set_yticks([])
    axes.set_ylim(len(found) - 0.5, -0.5)
    _legend(axes)


def _session(axes: Axes, result: Result, session: Session, row: int, whole: Window) -> None:
    alive = lifetime(session, whole)
    left = stranded(result.evidence, session, whole)
    _bar(axes, row, alive, style.GREEN)
    for after in returns(result.evidence, whole) if left.ns else ():
        _bar(axes, row, lifetime(session, after), style.PURPLE)
    for pause in _pauses(session, alive):
        begin, length = pause.start_ns / 1e9, pause.duration_ns / 1e9
        axes.barh(row, length, BAR, left=begin, color="white", linewidth=0)
        axes.barh(
            row, length, BAR, left=begin, facecolor="none", edgecolor=style.GREY, hatch="//////", linewidth=0
        )
    if session.ended_ns is not None and session.ended_ns < whole.end_ns:
        axes.plot(
            alive.end_ns / 1e9,
            row,
            "X",
            color=style.GREY if session.end == TENANT_ENDED else style.VERMILLION,
            markersize=6,
            markeredgecolor="white",
            zorder=4,
        )


def _bar(axes: Axes, row: int, time: Window, colour: str) -> None:
    axes.barh(row, time.duration_ns / 1e9, BAR, left=time.start_ns / 1e9, color=colour, linewidth=0)


def _pauses(session: Session, alive: Window) -> Iterator[Window]:
    """Yield the times in which nothing arrived, in whichever direction."""
    least_ns = max(STALL_NS, 3 * rhythm(session.tracks))
    for track in session.tracks:
        edges = np.concatenate(([alive.start_ns], track.t_ns[alive.holds(track.t_ns)], [alive.end_ns]))
        for first in np.flatnonzero(np.diff(edges) > least_ns):
            yield Window(int(edges[first]), int(edges[first + 1]))


def _legend(axes: Axes) -> None:
    axes.plot([], [], "s", color=style.GREEN, markersize=4, label="moves")
    axes.bar(0, 0, facecolor="white", edgecolor=style.GREY, hatch="//////", linewidth=0, label="stands still")
    axes.plot([], [], "X", color=style.VERMILLION, markersize=4, label="lost")
    axes.plot([], [], "X", color=style.GREY, markersize=4, label="ended by the tenant")
    axes.plot([], [], "s", color=style.PURPLE, markersize=4, label="left on another uplink")
    style.legend(axes)


def call(axes: Axes, result: Result, name: str, table: pa.Table) -> None:
    """Draw the score of every ten seconds and direction as a step, losses as a rug."""
    style.prepare(axes, f"{name}\nMOS")
    whole = Window(0, result.record.duration_ns)
    for packets in directions(table, whole):
        scores = list(heard(packets, whole))
        colour, dashes = _LOOKS[packets.direction]
        lost = packets.t_ns[~packets.arrived]
        label = f"{packets.direction}, of 10 s ({len(lost)} of {len(packets.t_ns)} packets lost)"
        edges = [score.start_ns for score in scores] + [score.start_ns + WINDOW_NS for score in scores[-1:]]
        if scores:
            axes.stairs(
                [score.mos for score in scores],
                seconds(np.array(edges)),
                baseline=None,
                color=colour,
                linestyle=dashes,
                linewidth=1.6,
                label=label,
            )
        height = (0.0, 0.05) if packets.direction == "up" else (0.05, 0.1)
        axes.vlines(
            seconds(lost), *height, style.VERMILLION, transform=axes.get_xaxis_transform(), linewidth=0.5
        )
    axes.set_ylim(0.9, 4.6)
    axes.set_yticks([1, 2, 3, 4])
    style.legend(axes)


def stored(axes: Axes, result: Result, name: str) -> None:
    """Draw the time to the acknowledgement of each upload (log axis); crosses: none came, or it is lost."""
    style.prepare(axes, f"{name}: time to\nacknowledgement (s)")
    axes.set_yscale("log")
    asked = uploads(result.evidence, Ask(name, Window(0, result.record.duration_ns)))
    took_s = np.maximum(asked.took_ns / 1e9, LEAST_S)
    lost = asked.acknowledged & (asked.durable == 0)
    kept, never = asked.acknowledged & ~lost, ~asked.acknowledged
    top = max([10.0, *took_s])
    at_s = seconds(asked.begun_ns)
    for chosen, height, marker, colour, label in (
        (kept, took_s, "o", style.GREEN, "acknowledged"),
        (never, np.full(len(took_s), top), "^", style.GREY, "never acknowledged"),
        (lost, took_s, "X", style.VERMILLION, "acknowledged and lost"),
    ):
        if chosen.any() or label == "acknowledged":
            axes.plot(
                at_s[chosen],
                height[chosen],
                marker,
                color=colour,
                markersize=3.5,
                markeredgewidth=0,
                label=f"{label} ({int(chosen.sum())})",
            )
    axes.set_ylim(LEAST_S / 1.5, top * 4)
    axes.yaxis.set_major_formatter("{x:g}")
    style.legend(axes)
