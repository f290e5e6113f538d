"""The panels over time: round trip, carrier, throughput, requests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from numpy.typing import NDArray

from testbed.metrics.carrier import Carrier
from testbed.metrics.columns import integers
from testbed.metrics.requests import Requests
from testbed.metrics.schedule import expected_rtt, links_of, passes_at
from testbed.metrics.window import Window
from testbed.model.link import Direction
from testbed.plots import style
from testbed.plots.style import seconds
from testbed.result.store import Result

EXPECTED_STEP_NS = 50_000_000  # the promised round trip is drawn this finely
LETTER_WIDTH = 0.0055  # of a small bold letter, as a share of the panel
THROUGHPUT_BINS = 180  # over the whole run, at most
BIN_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 300, 600)


def name_events(axes: Axes, result: Result) -> None:
    """Write above the panel what each event is, as far as there is room; every one of them is shaded."""
    free_from = 0.0
    together: dict[tuple[int, int], list[str]] = {}
    for event in sorted(result.record.facts.events, key=lambda e: e.start_ns):
        name = event.title or f"{event.uplink} {event.kind}"
        together.setdefault((event.start_ns, event.end_ns), []).append(name)
    for (start_ns, end_ns), titles in together.items():
        middle = (start_ns + end_ns) / 2 / result.record.duration_ns
        text = ", ".join(titles)
        half = len(text) * LETTER_WIDTH / 2
        if middle - half >= free_from or free_from == 0.0:
            style.note(
                axes, text, (min(max(middle, half), 1 - half), 1), (0, 3), ha="center", color=style.GREY
            )
            free_from = middle + half


def shade_events(axes: Axes, result: Result) -> None:
    """Shade the time of every event."""
    for event in result.record.facts.events:
        start, end = float(seconds(event.start_ns)), float(seconds(event.end_ns))
        axes.axvspan(start, end, color=style.SHADE, linewidth=0, zorder=0)
        for edge in (start, end):
            axes.axvline(edge, color=style.FAINT, linewidth=0.5, zorder=0.5)


def carrier_band(axes: Axes, result: Result) -> None:
    """Draw which uplink carries the heartbeat as a band with its name, new flows in a band of their own above it.

    Hatched where nobody carries.
    """
    evidence, both = result.evidence, bool(result.record.facts.new_flows)
    label = "new flows\nheartbeat" if both else "carried\nby"
    axes.set_ylabel(label, rotation=0, ha="right", va="center", labelpad=6)
    axes.set_yticks([])
    axes.set_ylim(0, 1)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if not evidence.carrier.takeovers and not evidence.new_flows_carrier.takeovers:
        style.empty(axes, "no heartbeat seen on the links")
        return
    _band(axes, result, evidence.carrier, (0.0, 0.47 if both else 1.0))
    if both:
        _band(axes, result, evidence.new_flows_carrier, (0.53, 1.0))


def _band(axes: Axes, result: Result, seen: Carrier, height: tuple[float, float]) -> None:
    """Draw a carrier between two heights, shares of the panel."""
    record, (low, high) = result.record, height
    colours = style.colours(record.facts.uplinks)
    whole, middle = Window(0, record.duration_ns), low + 0.47 * (high - low)
    taken_over = {change.t_ns for change in seen.changes(whole)}
    for stretch in seen.stretches(whole):
        start, end = float(seconds(stretch.start_ns)), float(seconds(stretch.end_ns))
        if stretch.uplink is None and end - start < seen.silence_ns / 1e9:
            continue  # the moment before the first packet
        if stretch.uplink is None:
            hatched = axes.axvspan(start, end, low, high, facecolor="white", linewidth=0)
            hatched.set(edgecolor=style.VERMILLION, hatch="//////")
            continue
        axes.axvspan(start, end, low, high, color=colours.get(stretch.uplink, style.GREY), linewidth=0)
        share = (stretch.end_ns - stretch.start_ns) / record.duration_ns
        ink = "white" if colours.get(stretch.uplink) in style.DARK else style.BLACK
        if share > 0.05:
            at_s = (start + end) / 2
            axes.text(at_s, middle, stretch.uplink, ha="center", va="center", color=ink, weight="bold")
        if share > 0.2 and stretch.start_ns in taken_over:
            at = (stretch.start_ns / record.duration_ns, middle)
            style.note(axes, f"{start:.2f} s", at, (3, 0), ha="left", va="center", color=ink, weight="normal")


def round_trips(axes: Axes, result: Result) -> None:
    """Draw the round trips in the carrier's colour, the promised ones faintly, losses as a rug."""
    style.prepare(axes, f"{result.record.facts.heartbeat}\nRTT (ms)")
    probes = result.evidence.probes(result.record.facts.heartbeat)
    if len(probes.t_ns) == 0:
        style.empty(axes, "no heartbeat samples")
        return
    top = _promises(axes, result)
    rtt_ms, good = probes.rtt_ns / 1e6, probes.good
    if good.any():
        top = max(top, float(np.percentile(rtt_ms[good], 99.8))) * 1.35
    for name, colour in style.colours(result.record.facts.uplinks).items():
        mine = good & (rtt_ms <= top) & _carried(result, name, probes.t_ns)
        if not mine.any():
            continue
        points = axes.plot(
            seconds(probes.t_ns[mine]), rtt_ms[mine], ".", color=colour, label=f"RTT over {name}"
        )
        points[0].set(markersize=1.6, rasterized=True)
    _beyond(axes, probes.t_ns[good & (rtt_ms > top)], top)
    axes.set_ylim(0, top * 1.12)
    lost = seconds(probes.t_ns[~good])
    label = f"{len(lost)} lost of {len(good)} probes"
    axes.vlines(
        lost, 0, 0.05, style.VERMILLION, transform=axes.get_xaxis_transform(), linewidth=0.5, label=label
    )
    style.legend(axes)


def _promises(axes: Axes, result: Result) -> float:
    """Draw each link's promised round trip; return the highest 99.8th percentile (ms)."""
    schedule = result.evidence.schedule
    if schedule is None:
        return 1.0
    t_ns = np.arange(0, result.record.duration_ns, EXPECTED_STEP_NS, dtype=np.int64)
    tops = [1.0]
    for name in links_of(schedule):
        promised = expected_rtt(schedule, name, t_ns) / 1e6
        tops.append(float(np.percentile(promised, 99.8)))
        promised[~passes_at(schedule, name, t_ns)] = np.nan
        colour = style.colours(result.record.facts.uplinks).get(name, style.GREY)
        axes.plot(
            seconds(t_ns), promised, color=colour, alpha=0.35, linewidth=0.7, label=f"{name}, as scheduled"
        )
    return max(tops)


def _carried(result: Result, uplink: str, t_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    inside = np.zeros(len(t_ns), np.bool_)
    for stretch in result.evidence.carrier.stretches(Window(0, result.record.duration_ns)):
        if stretch.uplink == uplink:
            inside |= (t_ns >= stretch.start_ns) & (t_ns < stretch.end_ns)
    return inside


def _beyond(axes: Axes, t_ns: NDArray[np.int64], top: float) -> None:
    if len(t_ns):
        label = f"{len(t_ns)} above {top:.0f} ms"
        axes.plot(
            seconds(t_ns), np.full(len(t_ns), top * 1.07), "^", color=style.BLACK, markersize=3, label=label
        )


def throughput(axes: Axes, result: Result, direction: str) -> None:
    """Draw what left the emulated links in one direction, in Mbit/s, an area for each uplink."""
    style.prepare(axes, f"{direction}\n(Mbit/s)")
    links = result.evidence.links
    if links is None:
        style.empty(axes, "no link counters")
        return
    duration_ns = result.record.duration_ns
    width_ns = _bin_width_ns(duration_ns)
    edges = np.arange(0, duration_ns + 1, width_ns)
    for name, colour in style.colours(result.record.facts.uplinks).items():
        mine = links.filter(pc.and_(pc.equal(links["link"], name), pc.equal(links["direction"], direction)))
        counted, _ = np.histogram(integers(mine, "t_ns"), edges, weights=integers(mine, "bytes_out"))
        mbps = counted * 8 / width_ns * 1e3
        axes.stairs(mbps, seconds(edges), color=colour, fill=True, alpha=0.35)
        axes.stairs(
            mbps, seconds(edges), color=colour, linewidth=0.9, label=f"{name}, mean of {width_ns / 1e9:g} s"
        )
    axes.set_ylim(bottom=0)
    if direction == Direction.DOWN:
        style.legend(axes)


def _bin_width_ns(duration_ns: int) -> int:
    fitting = [w for w in BIN_WIDTHS_S if duration_ns / 1e9 <= w * THROUGHPUT_BINS]
    return round(min(fitting, default=BIN_WIDTHS_S[-1]) * 1e9)


@dataclass(frozen=True)
class Answers:
    """A way in which requests were answered, and how its points are drawn."""

    label: str
    statuses: tuple[str, ...]
    colour: str
    marker: str


ANSWERS = (
    Answers("hit", ("HIT", "REVALIDATED"), style.GREEN, "o"),
    Answers("stale", ("STALE", "UPDATING"), style.SKY, "D"),
    Answers("miss", ("MISS", "EXPIRED", "BYPASS", ""), style.PURPLE, "^"),
)


LEAST_MS = 0.75
"""The axis of times to a first byte begins there, and what took less stands on it, as in virtual time."""


def requests(axes: Axes, result: Result, name: str, table: pa.Table) -> None:
    """Draw each request's time to first byte (log axis) by how it was answered; crosses: failed."""
    style.prepare(axes, f"{name}: time to\nfirst byte (ms)")
    axes.set_yscale("log")
    asked = Requests.of(table)
    t_s, ttfb_ms = seconds(asked.t_ns), np.where(asked.ttfb_ns > 0, np.maximum(asked.ttfb_ns / 1e6, LEAST_MS), 0)
    for kind in ANSWERS:
        mine = asked.whole & np.isin(asked.cache, kind.statuses) & (ttfb_ms > 0)
        if mine.any():
            label = f"{kind.label} ({int(mine.sum())})"
            points = axes.plot(t_s[mine], ttfb_ms[mine], kind.marker, color=kind.colour, label=label)
            points[0].set(markersize=2.8, alpha=0.8, markeredgewidth=0, rasterized=True)
    top = max([1000.0, *ttfb_ms])
    failed = ~asked.whole
    height = np.where(ttfb_ms > 0, ttfb_ms, top)[failed]
    label = f"failed ({int(failed.sum())})"
    axes.plot(t_s[failed], height, "x", color=style.VERMILLION, markersize=4, label=label)
    axes.set_ylim(LEAST_MS / 1.5, top * 2)
    axes.yaxis.set_major_formatter("{x:g}")
    style.legend(axes)
