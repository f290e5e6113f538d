"""What the page's timeline draws, as JSON values: times in s since the start, from a result alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.carrier import Carrier
from testbed.metrics.columns import integers
from testbed.metrics.kinds import kind_of
from testbed.metrics.requests import Requests
from testbed.metrics.schedule import expected_rtt, links_of
from testbed.metrics.window import Window
from testbed.plots import style
from testbed.plots.timeline import ANSWERS
from testbed.report import thin
from testbed.result.store import Result
from testbed.result.verdict import Verdict
from testbed.units import format_duration

BUCKETS = 6_000  # of a series of points: up to 12,000 of them
BINS = 900  # of a series of means
SHAPES = ("dot", "ring", "square", "triangle", "diamond")
DASHES: Sequence[Sequence[int]] = ((), (6, 3), (2, 2), (8, 3, 2, 3), (1, 3))
_SHAPES_OF_ANSWERS = {"o": "dot", "D": "diamond", "^": "triangle"}

Json = dict[str, Any]


def timeline(result: Result) -> Json:
    """Return all panels of a run's timeline, the carrier, the events, and what objectives mark on it."""
    record, evidence = result.record, result.evidence
    looks = _looks(record.facts.uplinks)
    panels = [_round_trips(result), _losses(result)]
    panels += [_throughput(result, direction) for direction in ("down", "up")]
    for name, table in evidence.samples.items():
        kind = kind_of(table)
        if kind == "http-get":
            panels.append(_requests(result, name, table))
        elif kind in ("http-put", "sdk-upload"):
            panels.append(_uploads(name, table))
        elif kind == "udp-call":
            panels.append(_call(result, name, table))
    return {
        "duration": record.duration_ns / 1e9,
        "uplinks": looks,
        "events": [
            {
                "start": e.start_ns / 1e9,
                "end": e.end_ns / 1e9,
                "title": e.title or f"{e.uplink} {e.kind}".strip(),
            }
            for e in record.facts.events
        ],
        "carriers": [
            {"label": label, "stretches": list(_stretches(seen, evidence.whole))}
            for label, seen in (
                ("heartbeat", evidence.carrier),
                ("new flows", evidence.new_flows_carrier if record.facts.new_flows else Carrier((), {})),
            )
            if seen.takeovers
        ],
        "marks": list(_marks(record.verdicts, record.facts.heartbeat)),
        "panels": [panel for panel in panels if panel],
    }


def _looks(uplinks: Sequence[str]) -> Json:
    colours = style.colours(uplinks)
    return {
        name: {
            "colour": colours[name],
            "shape": SHAPES[i % len(SHAPES)],
            "dash": list(DASHES[i % len(DASHES)]),
        }
        for i, name in enumerate(uplinks)
    }


def _stretches(seen: Carrier, whole: Window) -> Iterator[Json]:
    for stretch in seen.stretches(whole):
        yield {"start": stretch.start_ns / 1e9, "end": stretch.end_ns / 1e9, "uplink": stretch.uplink}


def _marks(verdicts: Sequence[Verdict], heartbeat: str) -> Iterator[Json]:
    """Yield the stretches that objectives on times are about: what was measured, what was permitted."""
    for verdict in verdicts:
        if verdict.value is None:
            continue
        if verdict.metric == "interruption" and verdict.of == heartbeat:
            start = verdict.details.get("last_good_ns", verdict.window_ns[0])
        elif verdict.metric in ("return_to_preferred", "new_flows_return"):
            start = verdict.details.get("outage_end_ns")
        else:
            continue
        if start is not None:
            yield {
                "start": int(str(start)) / 1e9,
                "value": verdict.value / 1e9,
                "bound": verdict.bound / 1e9,
                "outcome": str(verdict.outcome),
                "text": f"{verdict.metric.replace('_', ' ')} {verdict.measured} ({verdict.bound_text})",
            }


def _panel(name: str, title: str, unit: str, summary: str, series: Sequence[Json], **more: Any) -> Json:
    """Join series on one axis of times, as uPlot wants them: null where a series has no point."""
    if not series:
        return {}
    # Times are told apart to 10 us; a page with more digits is larger and no more exact to the eye.
    times = [np.round(np.asarray(each.pop("t_ns")) / 1e9, 5) for each in series]
    axis = np.unique(np.concatenate(times))
    for each, t in zip(series, times, strict=True):
        column: list[float | None] = [None] * len(axis)
        for at, value in zip(np.searchsorted(axis, t).tolist(), each.pop("values").tolist(), strict=True):
            column[at] = None if np.isnan(value) else round(value, 3)
        each["data"] = column
    return {
        "name": name,
        "title": title,
        "unit": unit,
        "summary": summary,
        "x": axis.tolist(),
        "series": series,
        **more,
    }


def _series(label: str, t_ns: Any, values: Any, colour: str, **looks: Any) -> Json:
    return {"label": label, "t_ns": t_ns, "values": np.asarray(values, np.float64), "colour": colour, **looks}


def _round_trips(result: Result) -> Json:
    facts, evidence = result.record.facts, result.evidence
    probes = evidence.probes(facts.heartbeat)
    if not len(probes.t_ns):
        return {}
    looks = _looks(facts.uplinks)
    owner = _owner(evidence.carrier, probes.t_ns, evidence.whole)
    series = []
    for name in (*facts.uplinks, ""):
        mine = probes.good & (owner == name)
        if mine.any():
            t_ns, rtt_ms = thin.extremes(probes.t_ns[mine], probes.rtt_ns[mine] / 1e6, BUCKETS)
            look = looks.get(name, {"colour": style.GREY, "shape": "square"})
            label = f"over {name}" if name else "carrier unknown"
            series.append(_series(label, t_ns, rtt_ms, look["colour"], shape=look["shape"]))
    if evidence.schedule is not None:
        t_ns = np.linspace(0, result.record.duration_ns, BINS, dtype=np.int64)
        for name in links_of(evidence.schedule):
            look = looks.get(name, {"colour": style.GREY, "dash": []})
            promised = expected_rtt(evidence.schedule, name, t_ns) / 1e6
            series.append(
                _series(f"{name} as scheduled", t_ns, promised, look["colour"], dash=look["dash"], faint=True)
            )
    gaps = thin.runs(~probes.good)
    rug = np.round(np.stack((probes.t_ns[gaps[:, 0]], probes.t_ns[gaps[:, 1]]), axis=1) / 1e9, 5)
    lost = int((~probes.good).sum())
    median = f", median {np.median(probes.rtt_ns[probes.good]) / 1e6:.1f} ms" if probes.good.any() else ""
    summary = f"Round trips of {facts.heartbeat}: {len(probes.good):,} probes, {lost:,} lost{median}"
    title = f"{facts.heartbeat}: round trip"
    return _panel("rtt", title, "ms", summary, series, rug=rug.tolist(), height=210)


def _owner(seen: Carrier, t_ns: NDArray[np.int64], whole: Window) -> NDArray[np.str_]:
    """Return which uplink carried at each time; ``""`` where nobody is known to have."""
    owner = np.full(len(t_ns), "", dtype="U64")
    for stretch in seen.stretches(whole):
        if stretch.uplink is not None:
            owner[(t_ns >= stretch.start_ns) & (t_ns < stretch.end_ns)] = stretch.uplink
    return owner


def _losses(result: Result) -> Json:
    facts = result.record.facts
    probes = result.evidence.probes(facts.heartbeat)
    if not len(probes.t_ns):
        return {}
    edges, width_ns = _edges(result.record.duration_ns)
    sent, _ = np.histogram(probes.t_ns, edges)
    lost, _ = np.histogram(probes.t_ns[~probes.good], edges)
    gaps = thin.runs(~probes.good)
    lengths = gaps[:, 1] - gaps[:, 0] + 1
    share = np.where(sent > 0, 100 * lost / np.maximum(sent, 1), np.nan)
    longest = f", the longest {int(lengths.max()):,} probes" if len(lengths) else ""
    summary = f"{int(lost.sum()):,} of {len(probes.t_ns):,} probes lost, runs of them: {len(gaps):,}{longest}"
    label = f"lost in {format_duration(width_ns)}"
    series = [_series(label, edges[:-1], share, style.VERMILLION, step=True, fill=True)]
    return _panel("losses", f"{facts.heartbeat}: lost", "%", summary, series, height=90, top=100)


def _edges(duration_ns: int) -> tuple[NDArray[np.int64], int]:
    """Return the edges of bins that the links' own bins of 10 ms fill evenly."""
    width_ns = max(100_000_000, -(-duration_ns // BINS // 10_000_000) * 10_000_000)
    return np.arange(0, duration_ns + width_ns, width_ns, dtype=np.int64), width_ns


def _throughput(result: Result, direction: str) -> Json:
    links = result.evidence.links
    if links is None:
        return {}
    edges, width_ns = _edges(result.record.duration_ns)
    series, told = [], []
    for name, look in _looks(result.record.facts.uplinks).items():
        mine = links.filter(pc.and_(pc.equal(links["link"], name), pc.equal(links["direction"], direction)))
        counted, _ = np.histogram(integers(mine, "t_ns"), edges, weights=integers(mine, "bytes_out"))
        mbps = counted * 8e3 / width_ns
        series.append(
            _series(name, edges[:-1], mbps, look["colour"], dash=look["dash"], step=True, fill=True)
        )
        told.append(f"{name} at most {mbps.max():.2f} Mbit/s" if len(mbps) else name)
    summary = f"Throughput {direction}, means of {format_duration(width_ns)}: {', '.join(told)}"
    return _panel(direction, f"throughput {direction}", "Mbit/s", summary, series, height=110)


def _requests(result: Result, name: str, table: pa.Table) -> Json:
    asked = Requests.of(table)
    order = np.argsort(asked.t_ns, kind="stable")
    t_ns, ttfb_ms, whole = asked.t_ns[order], asked.ttfb_ns[order] / 1e6, asked.whole[order]
    cache = asked.cache[order]
    series, told = [], []
    for kind in ANSWERS:
        mine = whole & np.isin(cache, kind.statuses) & (ttfb_ms > 0)
        if mine.any():
            told.append(f"{int(mine.sum()):,} {kind.label}")
            at, value = thin.extremes(t_ns[mine], ttfb_ms[mine], BUCKETS)
            series.append(_series(kind.label, at, value, kind.colour, shape=_SHAPES_OF_ANSWERS[kind.marker]))
    failed = ~whole
    if failed.any():
        told.append(f"{int(failed.sum()):,} failed")
        height = np.where(ttfb_ms > 0, ttfb_ms, max(1000.0, float(ttfb_ms.max(initial=0.0))))[failed]
        series.append(_series("failed", t_ns[failed], height, style.VERMILLION, shape="cross"))
    summary = f"Requests of {name}, time to first byte: {', '.join(told) or 'none'}"
    return _panel(name, f"{name}: time to first byte", "ms", summary, series, log=True, height=150)


def _uploads(name: str, table: pa.Table) -> Json:
    table = table.sort_by("t_ns")
    t_ns, took_s = integers(table, "t_ns"), integers(table, "acknowledged_ns", -1) / 1e9
    done = took_s >= 0
    series = (
        [_series("acknowledged after", t_ns[done], took_s[done], style.BLUE, shape="dot")]
        if done.any()
        else []
    )
    if not done.all():
        worst = float(took_s.max(initial=1.0))
        never = np.full(int((~done).sum()), worst)
        series.append(_series("never acknowledged", t_ns[~done], never, style.VERMILLION, shape="cross"))
    summary = f"Uploads of {name}: {int(done.sum()):,} acknowledged, {int((~done).sum()):,} never"
    return _panel(name, f"{name}: until stored", "s", summary, series, height=110)


def _call(result: Result, name: str, table: pa.Table) -> Json:
    edges, width_ns = _edges(result.record.duration_ns)
    width_ns *= 10
    edges = edges[::10] if len(edges) > 20 else edges
    looks: Mapping[str, tuple[str, list[int]]] = {"up": (style.BLUE, []), "down": (style.ORANGE, [6, 3])}
    series, told = [], []
    for direction, (colour, dash) in looks.items():
        mine = table.filter(pc.equal(table["direction"], direction))
        t_ns, lost = integers(mine, "t_ns"), mine.column("delay_ns").is_null().to_numpy()
        sent, _ = np.histogram(t_ns, edges)
        missing, _ = np.histogram(t_ns[lost], edges)
        share = np.where(sent > 0, 100 * missing / np.maximum(sent, 1), np.nan)
        series.append(_series(direction, edges[:-1], share[: len(edges) - 1], colour, dash=dash, step=True))
        told.append(f"{direction} {int(missing.sum()):,} of {int(sent.sum()):,} lost")
    summary = f"Packets of the call {name}: {', '.join(told)}"
    return _panel(name, f"{name}: packets lost", "%", summary, series, height=90, top=100)
