"""The links' schedules as evidence, and the round trip that they promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.columns import integers
from testbed.metrics.window import Window
from testbed.model.link import Direction, LinkSchedule, LinkState

Array = NDArray[np.int64]


def schedule_table(links: Mapping[str, tuple[LinkSchedule, LinkSchedule]], duration_ns: int) -> pa.Table:
    """Return the (up, down) schedules of all links as played in a run, repetitions written out.

    Columns: link, direction, t_ns (segment start since the run's start), delay_ns, rate_bps (0 unlimited),
    loss (probability), state (0 pass, 1 cut, 2 hold), interpolate.
    """
    parts = [
        _rows(link, direction, schedule, duration_ns)
        for link, both in links.items()
        for direction, schedule in zip(Direction, both, strict=True)
    ]
    return pa.concat_tables(parts)


def _rows(link: str, direction: Direction, schedule: LinkSchedule, duration_ns: int) -> pa.Table:
    cycles = -(-duration_ns // schedule.end_ns) if schedule.repeat else 1
    t_ns = (np.arange(cycles)[:, None] * schedule.end_ns + schedule.t_ns).ravel()
    kept = t_ns < duration_ns
    columns = {
        name: np.tile(getattr(schedule, name), cycles)[kept]
        for name in ("delay_ns", "rate_bps", "loss", "state")
    }
    rows = int(kept.sum())
    names = {"link": [link] * rows, "direction": [direction.value] * rows}
    return pa.table({**names, "t_ns": t_ns[kept], **columns, "interpolate": [schedule.interpolate] * rows})


def _of(table: pa.Table, link: str, direction: Direction) -> pa.Table:
    return table.filter(
        pc.and_(pc.equal(table["link"], link), pc.equal(table["direction"], direction.value))
    ).sort_by("t_ns")


def delay_at(table: pa.Table, link: str, direction: Direction, t_ns: Array) -> Array:
    """Return the scheduled one-way delay (ns) of one direction at each of the times."""
    rows = _of(table, link, direction)
    starts, delays = integers(rows, "t_ns"), integers(rows, "delay_ns")
    if rows.column("interpolate")[0].as_py():
        return np.asarray(np.interp(t_ns, starts, delays), np.int64)
    return delays[_segment(starts, t_ns)]


def passes_at(table: pa.Table, link: str, t_ns: Array) -> NDArray[np.bool_]:
    """Return at which of the times both directions of a link pass packets."""
    passes = np.ones(len(t_ns), np.bool_)
    for direction in Direction:
        rows = _of(table, link, direction)
        passes &= integers(rows, "state")[_segment(integers(rows, "t_ns"), t_ns)] == LinkState.PASS
    return passes


def dark(table: pa.Table, link: str, at_least_ns: int, end_ns: int) -> Iterator[Window]:
    """Yield when a direction of a link let nothing through (cut, held, or losing all) for that long at least."""
    for direction in Direction:
        rows = _of(table, link, direction)
        if not len(rows):
            continue
        t_ns, loss = integers(rows, "t_ns"), rows.column("loss").to_numpy()
        nothing = (integers(rows, "state") != LinkState.PASS) | (loss >= 1)
        starts = np.flatnonzero(nothing & ~np.concatenate(([False], nothing[:-1])))
        ends = np.flatnonzero(nothing & ~np.concatenate((nothing[1:], [False])))
        for begin, end in zip(t_ns[starts], np.append(t_ns, end_ns)[ends + 1], strict=True):
            if end - begin >= at_least_ns:
                yield Window(int(begin), int(end))


def _segment(starts: Array, t_ns: Array) -> NDArray[np.intp]:
    return np.clip(np.searchsorted(starts, t_ns, side="right") - 1, 0, None)


def expected_rtt(table: pa.Table, link: str, sent_ns: Array) -> Array:
    """Return the round trip (ns) that the schedules promise to packets sent at increasing times.

    The order is kept: a packet never arrives before the one in front of it (design: semantics 5).
    Queueing behind other traffic is not part of the promise.
    """
    up = np.maximum.accumulate(sent_ns + delay_at(table, link, Direction.UP, sent_ns))
    down = np.maximum.accumulate(up + delay_at(table, link, Direction.DOWN, up))
    return np.asarray(down - sent_ns, np.int64)


def links_of(table: pa.Table) -> Iterator[str]:
    """Yield the names of the links in the order of the table."""
    yield from dict.fromkeys(table.column("link").to_pylist())
