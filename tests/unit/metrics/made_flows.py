"""Flows, calls and uploads made by hand, whose metrics can be told by looking."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from testbed.probes import samples
from tests.unit.metrics.hand_made import MS, S

TICK, BEAT = 100 * MS, 20 * MS
Times = Sequence[tuple[int, int]]


def _outside(t_ns: int, gaps: Times) -> bool:
    return not any(a <= t_ns < b for a, b in gaps)


def session(
    number: int = 0,
    start_ns: int = 0,
    end_ns: int = 90 * S,
    silent: Times = (),
    over: tuple[str, str] | None = None,
    direction: str = "up",
    per_tick: int = 10_000,
) -> list[dict[str, object]]:
    """Rows of a transfer's session that moves ``per_tick`` bytes every 100 ms, but not in ``silent``.

    ``over`` is the event that ends it and the end (client or tenant) that sees it.
    """
    receiver = "tenant" if direction == "up" else "client"

    def row(t_ns: int, end: str, event: str, count: int, reason: str | None = None) -> dict[str, object]:
        return {
            "t_ns": t_ns,
            "session": number,
            "end": end,
            "direction": direction,
            "event": event,
            "bytes": count,
            "reason": reason,
        }

    rows = [row(start_ns, end, "connected", 0) for end in ("client", "tenant")]
    ticks = [t for t in range(start_ns + TICK, end_ns, TICK) if _outside(t, silent)]
    rows += [row(t, receiver, "progress", per_tick * (i + 1)) for i, t in enumerate(ticks)]
    if over:
        rows.append(row(end_ns, over[1], over[0], per_tick * len(ticks), "ECONNRESET"))
    return rows


def transfer(*sessions: list[dict[str, object]]) -> pa.Table:
    """A tcp-transfer stream."""
    return pa.Table.from_pylist([row for rows in sessions for row in rows], schema=samples.TRANSFER)


def keepalive(*requests: tuple[int, int, str], schema: pa.Schema = samples.KEEPALIVE) -> pa.Table:
    """An https-keepalive or quic stream of (sent, session, event); each takes 50 ms and 100 bytes."""
    rows = [
        {"t_ns": t, "session": n, "event": e, "latency_ns": 50 * MS, "bytes": 100, "reason": e}
        for t, n, e in requests
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def call(
    until_ns: int = 90 * S,
    up: Sequence[int | None] | int = 40 * MS,
    down: Sequence[int | None] | int = 40 * MS,
) -> pa.Table:
    """A udp-call: packets every 20 ms with the delay given, or the delays one after another (None: lost)."""
    rows = []
    for direction, delays in (("up", up), ("down", down)):
        for seq, t_ns in enumerate(range(0, until_ns, BEAT)):
            delay = delays if isinstance(delays, int) else delays[seq]
            rows.append({"direction": direction, "seq": seq, "t_ns": t_ns, "delay_ns": delay, "bytes": 172})
    return pa.Table.from_pylist(rows, schema=samples.CALL)


def uploads(*rows: tuple[int, int | None, bool | None]) -> pa.Table:
    """An http-put stream of (scheduled, time to the acknowledgement, whether the tenant has it)."""
    made = [
        {
            "t_ns": t,
            "started_ns_late": 0,
            "client": "client",
            "object": f"clinic/{i:05}",
            "size": 1000,
            "sha256": "ab" * 32,
            "attempts": 1,
            "status": 504 if took is None else 201,
            "acknowledged_ns": took,
            "error": None,
            "durable": durable,
        }
        for i, (t, took, durable) in enumerate(rows)
    ]
    return pa.Table.from_pylist(made, schema=samples.UPLOADS)


def with_new_flows(links: pa.Table, *carried: tuple[str, int, int]) -> pa.Table:
    """The links' bins and those of new flows beside them: (uplink, from, to), one of 134 bytes in each 10 ms."""
    added = bins(*((uplink, "up", start, end, 134, 0) for uplink, start, end in carried))
    added = added.append_column("marked_new_out", pa.array([1] * len(added), pa.int64()))
    return pa.concat_tables([links, added], promote_options="default")


def bins(*busy: tuple[str, str, int, int, int, int], step_ns: int = 10 * MS) -> pa.Table:
    """The links' bins: (uplink, direction, from, to, bytes out, marked out) of each 10 ms."""
    rows = [
        {
            "t_ns": t,
            "link": uplink,
            "direction": direction,
            "bytes_out": count,
            "marked_out": marked,
            "queue_bytes_max": 0,
        }
        for uplink, direction, start, end, count, marked in busy
        for t in range(start, end, step_ns)
    ]
    return pa.Table.from_pylist(rows)
