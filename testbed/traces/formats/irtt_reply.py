"""The line that irtt 0.9 prints for each packet."""

from __future__ import annotations

import re

_REPLY = re.compile(r"seq=(\d+) rtt=(\S+) ")
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_GO_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}


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
