"""Reads what irtt 0.9 writes: its JSON document and its line for each packet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from testbed.traces.formats.irtt_reply import parse_reply

Lost = Literal["none", "up", "down", "unknown"]
_PAGE = 4096
_LOST: Mapping[str, Lost] = {"false": "none", "true_up": "up", "true_down": "down", "true": "unknown"}


@dataclass(frozen=True, slots=True)
class Echo:
    """One packet: when it was sent (ns since the run's start) and what became of it."""

    seq: int
    t_ns: int
    rtt_ns: int | None
    lost: Lost

    def row(self) -> dict[str, object]:
        """Return the columns of a heartbeat sample."""
        return asdict(self)


class _Instant(msgspec.Struct):
    wall: int


class _Client(msgspec.Struct):
    send: _Instant


class _Stamps(msgspec.Struct):
    client: _Client


class _Delay(msgspec.Struct):
    rtt: int | None = None


class _Trip(msgspec.Struct):
    seqno: int
    lost: Literal["false", "true_up", "true_down", "true"]
    timestamps: _Stamps
    delay: _Delay


class _Document(msgspec.Struct):
    round_trips: list[_Trip]


def echoes(document: bytes, started_ns: int) -> list[Echo]:
    """Return all packets of an irtt JSON document, in the order they were sent. Raises ValueError.

    Of hours of packets it has hundreds of megabytes: only what is asked for becomes an object.
    """
    try:
        trips = msgspec.json.decode(document, type=_Document).round_trips
    except msgspec.DecodeError as error:
        raise ValueError(f"not what irtt 0.9 writes: {error}") from error
    return [
        Echo(trip.seqno, trip.timestamps.client.send.wall - started_ns, trip.delay.rtt, _LOST[trip.lost])
        for trip in trips
    ]


def answered_in_time(packets: list[Echo], wait_ns: int) -> list[Echo]:
    """Leave out the packets that were sent too late to be called lost.

    irtt does not wait for replies when it is interrupted: what it sent within ``wait_ns`` of its
    last packet may still have been on its way.
    """
    last = packets[-1].t_ns if packets else 0
    return [p for p in packets if p.lost == "none" or p.t_ns <= last - wait_ns]


def salvage_since(log: Path, started_ns: int, since_ns: int) -> list[Echo]:
    """Return what ``salvage`` would of the replies since ``since_ns``, and of few before; it reads no more."""
    with log.open("rb") as lines:
        before, after = 0, log.stat().st_size if since_ns > 0 else 0
        while after - before > _PAGE:
            lines.seek(middle := (before + after) // 2)
            lines.readline()  # the rest of a line
            stamp = lines.readline().partition(b" ")[0]
            if stamp.isdigit() and int(stamp) < started_ns + since_ns:
                before = middle
            else:
                after = middle
        lines.seek(before)
        if before:
            lines.readline()
        return salvage((line.decode() for line in lines), started_ns, whole=not before)


def salvage(stamped_lines: Iterable[str], started_ns: int, *, whole: bool = True) -> list[Echo]:
    """Reconstruct the packets from the log of stamped lines, where irtt died before it wrote its JSON.

    RTTs have irtt's three digits. A packet's sending time is its reply's arrival less the RTT, late by
    the time that reading the line took; that of a packet without a reply lies between its neighbours'.
    Packets after the last reply left no trace; the direction of a loss is not known. Where the lines are not the
    ``whole`` log, they begin with their first reply.
    """
    replies: dict[int, tuple[int, int]] = {}
    for line in stamped_lines:
        stamp, _, rest = line.partition(" ")
        reply = parse_reply(rest)
        if reply and stamp.isdecimal():
            seq, rtt_ns = reply
            replies[seq] = (int(stamp) - rtt_ns - started_ns, rtt_ns)
    known = sorted(replies)
    if not known:
        return []
    sequence = range(0 if whole else known[0], known[-1] + 1)
    sent = np.interp(sequence, known, [replies[seq][0] for seq in known])
    return [
        Echo(seq, int(t_ns), replies[seq][1], "none")
        if seq in replies
        else Echo(seq, int(t_ns), None, "unknown")
        for seq, t_ns in zip(sequence, sent, strict=True)
    ]
