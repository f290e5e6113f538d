"""Long-lived flows and their sessions, read from the samples of transfers, keep-alive connections and calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.columns import integers, texts
from testbed.metrics.evidence import Evidence
from testbed.metrics.kinds import kind_of
from testbed.metrics.window import Window
from testbed.model.event import Kind
from testbed.model.facts import Happening
from testbed.model.traffic import SESSION_ENDS, TENANT_ENDED

UDP_OVERHEAD_BYTES = 8 + 20 + 14
"""UDP, IP and Ethernet headers of a packet."""
QUIC_OVERHEAD_BYTES = UDP_OVERHEAD_BYTES + 1 + 8 + 2 + 16
"""Of a small echo: its packet's headers, QUIC's short header with an identifier of 8 bytes, the seal; at least."""
REQUEST_OVERHEAD_BYTES = 22 + 2 * (20 + 20 + 14)
"""Of a small request: its TLS record, its frame's headers, and the frame that acknowledges the answer; at least."""


@dataclass(frozen=True, eq=False)
class Track:
    """A session's progress in one direction: when something arrived (ns), and how many bytes it was at least."""

    direction: str
    t_ns: NDArray[np.int64]
    bytes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Session:
    """One session of a flow: a connection, or a call. ``ended_ns`` is None where the run's end found it open.

    ``end`` is one of SESSION_ENDS, ``""`` where it did not end.
    """

    flow: str
    number: int
    began_ns: int
    tracks: tuple[Track, ...]
    ended_ns: int | None = None
    end: str = ""
    reason: str = ""

    def open_at(self, t_ns: int) -> bool:
        """Return whether it had begun and not ended by then."""
        return self.began_ns <= t_ns and (self.ended_ns is None or self.ended_ns > t_ns)


Reader = Callable[[str, pa.Table, Evidence], Iterator[Session]]


@dataclass(frozen=True)
class Stall:
    """The longest time without progress; ``open``: it had not ended when the window did."""

    start_ns: int = 0
    end_ns: int = 0
    open: bool = False
    moments: int = field(default=0, compare=False)

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def flows(evidence: Evidence, of: str = "") -> dict[str, tuple[Session, ...]]:
    """Return the sessions of each flow in the order of their numbers; of one flow where ``of`` names it."""
    found = {}
    for name, table in evidence.samples.items():
        if of in ("", name) and (read := _READERS.get(kind_of(table))):
            found[name] = tuple(read(name, table, evidence))
    return found


def stall(tracks: tuple[Track, ...], window: Window) -> Stall:
    """Return the longest time in the window in which nothing arrived, in the direction that is worse off.

    At the window's edges a stall counts from, or up to, the edge.
    """
    worst = Stall()
    for direction in sorted({track.direction for track in tracks}):
        arrived = np.sort(np.concatenate([t.t_ns for t in tracks if t.direction == direction]))
        arrived = arrived[window.holds(arrived)]
        edges = np.concatenate(([window.start_ns], arrived, [window.end_ns]))
        gaps = np.diff(edges)
        longest = int(gaps.argmax())
        found = Stall(int(edges[longest]), int(edges[longest + 1]), longest == len(gaps) - 1, len(arrived))
        worst = max(worst, found, key=lambda s: s.duration_ns)
    return worst


def silence(tracks: tuple[Track, ...], window: Window) -> int:
    """Return for how long, when the window ends, nothing has arrived in the direction that is worse off, in ns."""
    return max(
        (window.end_ns - max([window.start_ns, *t.t_ns[window.holds(t.t_ns)]]) for t in tracks), default=0
    )


def rhythm(tracks: tuple[Track, ...]) -> int:
    """Return the usual time between two arrivals of the slowest direction, in ns; 0 where that cannot be told."""
    return max((int(np.median(np.diff(t.t_ns))) for t in tracks if len(t.t_ns) > 1), default=0)


def _transfers(name: str, table: pa.Table, evidence: Evidence) -> Iterator[Session]:
    """Yield the sessions of a tcp-transfer: progress is what the receiver has, an end what either end sees."""
    for number in np.unique(integers(table, "session")):
        mine = table.filter(pc.equal(table["session"], int(number))).sort_by("t_ns")
        event, end, t_ns = texts(mine, "event"), texts(mine, "end"), integers(mine, "t_ns")
        began = t_ns[(event == "connected") & (end == "client")]
        if len(began) == 0:
            continue  # it could not be reached
        direction = str(texts(mine, "direction")[0])
        arrived = (event == "progress") & (end == ("tenant" if direction == "up" else "client"))
        count = integers(mine, "bytes")[arrived]
        track = Track(direction, t_ns[arrived], np.diff(count, prepend=0))
        over = np.flatnonzero(np.isin(event, SESSION_ENDS) & (t_ns < evidence.facts.duration_ns))
        if len(over) == 0:
            yield Session(name, int(number), int(began[0]), (track,))
        else:
            first = int(over[0])
            reason = f"{end[first]}: {texts(mine, 'reason')[first]}"
            yield Session(
                name, int(number), int(began[0]), (track,), int(t_ns[first]), str(event[first]), reason
            )


def _connections(overhead_bytes: int, name: str, table: pa.Table, evidence: Evidence) -> Iterator[Session]:
    """Yield the sessions of an https-keepalive or a QUIC connection: progress is an answer."""
    table = table.sort_by("t_ns")
    for number in np.unique(integers(table, "session")):
        mine = table.filter(pc.equal(table["session"], int(number)))
        event, done_ns = texts(mine, "event"), integers(mine, "t_ns") + integers(mine, "latency_ns")
        answered = event == "answered"
        reached = answered | np.isin(event, SESSION_ENDS)
        if not reached.any():
            continue
        size = integers(mine, "bytes")[answered] + overhead_bytes
        track = Track("up", done_ns[answered], size)
        began = int(integers(mine, "t_ns")[reached][0])
        over = np.flatnonzero(np.isin(event, SESSION_ENDS) & (done_ns < evidence.facts.duration_ns))
        if len(over) == 0:
            yield Session(name, int(number), began, (track,))
        else:
            first = int(over[0])
            ended_ns, end, reason = (
                int(done_ns[first]),
                str(event[first]),
                str(texts(mine, "reason")[first]),
            )
            last_ns = int(max([began, *track.t_ns[track.t_ns <= ended_ns]]))
            if fault := _tenants_fault(evidence, Window(last_ns, ended_ns + 1)):
                end, reason = TENANT_ENDED, f"{fault.title or fault.kind}: {reason}"
            yield Session(name, int(number), began, (track,), ended_ns, end, reason)


def _tenants_fault(evidence: Evidence, silent: Window) -> Happening | None:
    """Return the fault of the tenant's service that lay in the time from a connection's last answer to its end.

    A tenant that fails resets, or lets wait, who is connected: what the path did meanwhile cannot be told.
    """
    for event in evidence.facts.events:
        met = event.start_ns < silent.end_ns and event.end_ns >= silent.start_ns
        if event.kind in (Kind.TENANT_ERRORS, Kind.TENANT_BLACK_HOLE) and met:
            return event
    return None


def _calls(name: str, table: pa.Table, _: Evidence) -> Iterator[Session]:
    """Yield the one session of a udp-call: progress is what arrives, in both directions."""
    tracks = []
    for direction in ("up", "down"):
        mine = table.filter(pc.and_(pc.equal(table["direction"], direction), pc.is_valid(table["delay_ns"])))
        arrived = integers(mine, "t_ns") + integers(mine, "delay_ns")
        order = np.argsort(arrived)
        tracks.append(Track(direction, arrived[order], integers(mine, "bytes")[order] + UDP_OVERHEAD_BYTES))
    if table.num_rows:
        yield Session(name, 0, int(integers(table, "t_ns").min()), tuple(tracks))


_READERS: Mapping[str, Reader] = {
    "tcp-transfer": _transfers,
    "https-keepalive": partial(_connections, REQUEST_OVERHEAD_BYTES),
    "quic": partial(_connections, QUIC_OVERHEAD_BYTES),
    "udp-call": _calls,
}
