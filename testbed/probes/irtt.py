"""Reads what irtt 0.9 writes: its JSON document and its line for each packet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

Lost = Literal["none", "up", "down", "unknown"]
_LOST: Mapping[str, Lost] = {"false": "none", "true_up": "up", "true_down": "down", "true": "unknown"}
_REPLY = re.compile(r"seq=(\d+) rtt=(\S+) ")
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_GO_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}


@dataclass(frozen=True)
class Echo:
    """One packet: when it was sent (ns since the run's start) and what became of it."""

    seq: int
    t_ns: int
    rtt_ns: int | None
    lost: Lost

    def row(self) -> dict[str, object]:
        """Return the columns of a heartbeat sample."""
        return asdict(self)


def parse_duration(text: str) -> int:
    """Read a duration as Go prints it, such as ``1m2.5s`` or ``85.9µs``, in ns. Raises ValueError."""
    parts = _GO_DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 1.45ms")
    return round(sum(float(number) * _GO_UNITS[unit] for number, unit in parts))


def parse_reply(line: str) -> tuple[int, int] | None:
    """Return sequence number and RTT in ns of a line ``seq=1 rtt=1.2ms ...``; None for any other line."""
    match = _REPLY.match(line)
    try:
        return (int(match[1]), parse_duration(match[2])) if match else None
    except ValueError:
        return None


def echoes(document: Mapping[str, Any], started_ns: int) -> list[Echo]:
    """Return all packets of an irtt JSON document, in the order they were sent. Raises ValueError."""
    try:
        return [_echo(trip, started_ns) for trip in document["round_trips"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not what irtt 0.9 writes: {error!r}") from error


def _echo(trip: Mapping[str, Any], started_ns: int) -> Echo:
    sent_ns = trip["timestamps"]["client"]["send"]["wall"] - started_ns
    return Echo(trip["seqno"], sent_ns, trip["delay"].get("rtt"), _LOST[trip["lost"]])


def answered_in_time(packets: list[Echo], wait_ns: int) -> list[Echo]:
    """Leave out the packets that were sent too late to be called lost.

    irtt does not wait for replies when it is interrupted: what it sent within ``wait_ns`` of its
    last packet may still have been on its way.
    """
    last = packets[-1].t_ns if packets else 0
    return [p for p in packets if p.lost == "none" or p.t_ns <= last - wait_ns]


def salvage(stamped_lines: Iterable[str], started_ns: int) -> list[Echo]:
    """Reconstruct the packets from the log of stamped lines, where irtt died before it wrote its JSON.

    RTTs have irtt's three digits. A packet's sending time is its reply's arrival less the RTT, late by
    the time that reading the line took; that of a packet without a reply lies between its neighbours'.
    Packets after the last reply left no trace; the direction of a loss is not known.
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
    sent = np.interp(range(known[-1] + 1), known, [replies[seq][0] for seq in known])
    return [
        Echo(seq, int(t_ns), replies[seq][1], "none")
        if seq in replies
        else Echo(seq, int(t_ns), None, "unknown")
        for seq, t_ns in enumerate(sent)
    ]
