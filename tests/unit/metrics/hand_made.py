"""Samples made by hand, whose metrics can be told by looking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask
from testbed.metrics.window import Window
from testbed.model.facts import Facts, Happening

MS = 1_000_000
S = 1_000_000_000
STEP = 10 * MS


def heartbeat(
    until_ns: int,
    lost: Sequence[tuple[int, int]] = (),
    unsent: Sequence[tuple[int, int]] = (),
    rtt_ns: int = 40 * MS,
    start_ns: int = 0,
) -> pa.Table:
    """Probes every 10 ms; those in ``lost`` [from, to) have no answer, those in ``unsent`` do not exist."""
    times = [t for t in range(start_ns, until_ns, STEP) if not any(a <= t < b for a, b in unsent)]
    rtts = [None if any(a <= t < b for a, b in lost) else rtt_ns for t in times]
    return pa.table(
        {
            "seq": pa.array(range(len(times)), pa.int64()),
            "t_ns": pa.array(times, pa.int64()),
            "rtt_ns": pa.array(rtts, pa.int64()),
            "lost": ["none" if rtt else "unknown" for rtt in rtts],
        }
    )


def links(
    *marked: tuple[str, int, int], direction: str = "up", per_bin: int = 1, size: int = 100
) -> pa.Table:
    """10 ms bins with marked packets and ``size`` bytes on each (uplink, from, to)."""
    rows = [(t, uplink) for uplink, start, end in marked for t in range(start, end, STEP)]
    return pa.table(
        {
            "t_ns": pa.array([t for t, _ in rows], pa.int64()),
            "link": pa.array([uplink for _, uplink in rows], pa.string()),
            "direction": pa.array([direction] * len(rows), pa.string()),
            "marked_out": pa.array([per_bin] * len(rows), pa.uint32()),
            "queue_bytes_max": pa.array([0] * len(rows), pa.uint32()),
            "bytes_out": pa.array([size] * len(rows), pa.uint64()),
        }
    )


def request(t_ns: int, cache: str | None = "HIT", **more: object) -> dict[str, object]:
    """A request for 1,000 bytes, answered whole 5 ms after its start, unless ``more`` says otherwise."""
    usual: dict[str, object] = {
        "t_ns": t_ns,
        "started_ns_late": 0,
        "client": "client",
        "object": "a.jpg",
        "size": 1000,
        "status": 200,
        "ttfb_ns": 2 * MS,
        "total_ns": 5 * MS,
        "bytes": 1000,
        "cache": cache,
        "error": None,
        "sha256_ok": True,
        "age_ns": 0,
        "first": None,
        "version": 0,
        "throttled": None,
    }
    return usual | more


UNANSWERED: dict[str, object] = {
    "status": None,
    "ttfb_ns": None,
    "total_ns": None,
    "bytes": 0,
    "cache": None,
    "error": "timeout",
    "sha256_ok": None,
}

_COLUMNS = pa.schema(
    [
        *(
            ("t_ns", pa.int64()),
            ("started_ns_late", pa.int64()),
            ("client", pa.string()),
            ("object", pa.string()),
        ),
        *(("size", pa.int64()), ("status", pa.int32()), ("ttfb_ns", pa.int64()), ("total_ns", pa.int64())),
        *(("bytes", pa.int64()), ("cache", pa.string()), ("error", pa.string()), ("sha256_ok", pa.bool_())),
        *(("age_ns", pa.int64()), ("first", pa.int64()), ("version", pa.int32()), ("throttled", pa.int32())),
    ]
)


def lessons(*rows: dict[str, object]) -> pa.Table:
    """An http-get stream of requests."""
    return pa.Table.from_pylist(list(rows), schema=_COLUMNS)


def evidence(
    duration_ns: int = 90 * S,
    outages: Sequence[tuple[int, int]] = (),
    links: pa.Table | None = None,
    schedule: pa.Table | None = None,
    events: Sequence[Happening] = (),
    new_flows: str = "",
    **samples: pa.Table,
) -> Evidence:
    """Evidence of a run with starlink before lte, 4.50 USD/GB, and the given outages of starlink and events."""
    all_events = (*(Happening("outage", "starlink", start, end) for start, end in outages), *events)
    facts = Facts(
        duration_ns,
        ("starlink", "lte"),
        "heartbeat",
        all_events,
        metered=("lte",),
        tariffs={"lte": 4.5e-9},
        new_flows=new_flows,
    )
    return Evidence(facts, samples, links, schedule)


def ask(of: str = "heartbeat", start_ns: int = 0, end_ns: int = 90 * S, **more: Any) -> Ask:
    """A question about a window, the whole 90 s where none is given."""
    return Ask(of, Window(start_ns, end_ns), **more)
