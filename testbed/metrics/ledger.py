"""The session ledger: what became of each session of each flow, and on which uplink it stayed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.carrier import HEARTBEAT, NEW_FLOWS
from testbed.metrics.columns import integers
from testbed.metrics.evidence import Evidence
from testbed.metrics.flows import Session, Stall, Track, flows, rhythm, silence, stall
from testbed.metrics.window import Window
from testbed.model.facts import Facts
from testbed.model.traffic import HEARTBEAT_BYTES, NEW_FLOW_BYTES, TENANT_ENDED

SILENT_NS = 3_000_000_000
"""When nothing has arrived for so long (three beats, if they are slower) at the window's end, a session has stalled."""
SETTLE_NS = 1_000_000_000
"""After a return, packets of the old uplink are still on their way."""
SLOT_NS = 1_000_000_000
STRANDED_SLOTS = 2
"""In so many slots a session must have been carried elsewhere to be called stranded."""
HEARTBEAT_FRAME_BYTES = HEARTBEAT_BYTES + 8 + 20 + 14  # UDP, IP and Ethernet headers
NEW_FLOW_FRAME_BYTES = NEW_FLOW_BYTES + 8 + 20 + 14


class Fate(StrEnum):
    """What became of a session. What the tenant's service ended itself is no fault of the path."""

    SURVIVED = "survived"
    STALLED = "stalled"
    RESET = "reset"
    TENANT_ENDED = "ended by the tenant"


@dataclass(frozen=True)
class Entry:
    """One session in the ledger; times in ns since the run's start.

    ``stall_ns`` is its longest time without progress, from ``stall_start_ns``; ``stranded_ns`` how long, after
    the return to the preferred uplink, it was certainly carried by another, ``stranded_on``; 0: certainly not
    long enough to count, None: not known.
    """

    flow: str
    session: int
    fate: Fate
    began_ns: int
    ended_ns: int | None
    reason: str
    stall_ns: int
    stall_start_ns: int
    stranded_ns: int | None = None
    stranded_on: str | None = None


@dataclass(frozen=True)
class Stranding:
    """Where a session was after a return: ``slots`` of it were looked at; ``ns`` and ``on`` as in an Entry."""

    slots: int
    ns: int | None = None
    on: str | None = None


def ledger(evidence: Evidence) -> tuple[Entry, ...]:
    """Return an entry for each session of each flow of a run."""
    return tuple(_entry(evidence, session) for each in flows(evidence).values() for session in each)


def fate(session: Session, window: Window) -> Fate:
    """Return what had become of a session by the window's end."""
    if session.ended_ns is not None and session.ended_ns < window.end_ns:
        return {"gave up": Fate.STALLED, TENANT_ENDED: Fate.TENANT_ENDED}.get(session.end, Fate.RESET)
    patience_ns = max(SILENT_NS, 3 * rhythm(session.tracks))
    silent_ns = silence(session.tracks, lifetime(session, window))
    return Fate.STALLED if silent_ns > patience_ns else Fate.SURVIVED


def lifetime(session: Session, window: Window) -> Window:
    """Return the part of the window in which the session was open."""
    end_ns = window.end_ns if session.ended_ns is None else min(session.ended_ns, window.end_ns)
    start_ns = max(session.began_ns, window.start_ns)
    return Window(start_ns, max(start_ns, end_ns))


def returns(evidence: Evidence, window: Window) -> tuple[Window, ...]:
    """Return the times in the window when the preferred uplink carried again after another had.

    Carried new flows, where the run has some: a hub that keeps old flows has returned, though the heartbeat has not.
    """
    seen = evidence.new_flows_carrier if evidence.facts.new_flows else evidence.carrier
    ends = [t.t_ns for t in seen.takeovers[1:]] + [window.end_ns]
    found = []
    for takeover, end_ns in zip(seen.takeovers, ends, strict=False):
        after = Window(max(takeover.t_ns + SETTLE_NS, window.start_ns), min(end_ns, window.end_ns))
        if takeover.before and takeover.uplink == evidence.facts.preferred and after.duration_ns >= SLOT_NS:
            found.append(after)
    return tuple(found)


def stranded(evidence: Evidence, session: Session, window: Window) -> Stranding:
    """Return for how long after a return the session was certainly carried by another uplink, and by which.

    In slots of a second the bytes of it that arrived are compared with what each uplink let out in that
    direction, the heartbeats' own frames not counted. More than the preferred uplink let out, and no more
    than the others: it was elsewhere. More than all the others together: it was at home. Flows beside it make it
    less certain, never falsely so; with less than STRANDED_SLOTS of either it is not known.
    """
    slots, home, away, elsewhere = 0, 0, 0, dict.fromkeys(evidence.facts.uplinks[1:], 0.0)
    for after in returns(evidence, window):
        alive = lifetime(session, after)
        edges = np.arange(alive.start_ns, alive.end_ns + 1, SLOT_NS)
        if len(edges) < 2 or evidence.links is None:
            continue
        slots += len(edges) - 1
        seen = [_compared(evidence, evidence.links, track, edges) for track in session.tracks]
        home += max((int(at_home.sum()) for at_home, _, _ in seen), default=0)
        away += max((int(gone.sum()) for _, gone, _ in seen), default=0)
        for _, gone, out in seen:
            for name in elsewhere:
                elsewhere[name] += float(out[name][gone].sum())
    if away >= STRANDED_SLOTS:
        return Stranding(
            slots, away * SLOT_NS, max(elsewhere, key=lambda name: elsewhere[name], default=None)
        )
    return Stranding(slots, 0 if home >= STRANDED_SLOTS else None)


def _compared(
    evidence: Evidence, links: pa.Table, track: Track, edges: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], dict[str, NDArray[np.float64]]]:
    """Return in which slots a track was certainly at home, in which elsewhere, and what each uplink let out."""
    arrived, _ = np.histogram(track.t_ns, edges, weights=track.bytes)
    out = {name: _net(evidence.facts, links, name, track.direction, edges) for name in evidence.facts.uplinks}
    preferred = out[evidence.facts.preferred]
    others = np.asarray(sum(out.values()) - preferred, np.float64)
    return arrived > others, (arrived > preferred) & (arrived <= others), out


def _net(
    facts: Facts, links: pa.Table, uplink: str, direction: str, edges: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return what an uplink let out in each slot, in bytes, without the heartbeat."""
    heartbeat = HEARTBEAT_FRAME_BYTES + facts.longer_by(facts.heartbeat)
    newcomer = NEW_FLOW_FRAME_BYTES + facts.longer_by(facts.new_flows)
    mine = links.filter(pc.and_(pc.equal(links["link"], uplink), pc.equal(links["direction"], direction)))
    net = integers(mine, "bytes_out") - heartbeat * integers(mine, HEARTBEAT)
    if NEW_FLOWS in mine.column_names:
        net = net - newcomer * integers(mine, NEW_FLOWS)
    counted, _ = np.histogram(integers(mine, "t_ns"), edges, weights=net)
    return np.asarray(counted, np.float64)


def _entry(evidence: Evidence, session: Session) -> Entry:
    longest: Stall = stall(session.tracks, lifetime(session, evidence.whole))
    left = stranded(evidence, session, evidence.whole)
    return Entry(
        flow=session.flow,
        session=session.number,
        fate=fate(session, evidence.whole),
        began_ns=session.began_ns,
        ended_ns=session.ended_ns,
        reason=session.reason,
        stall_ns=longest.duration_ns,
        stall_start_ns=longest.start_ns,
        stranded_ns=left.ns,
        stranded_on=left.on,
    )
