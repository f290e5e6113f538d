"""The numbers in a block of irtt's round trips, found by line and column instead of by parsing JSON.

Equal round trips have equal lines. The commonest shape of a block is parsed once, line by line, and tells
where the wanted numbers stand; every round trip of that shape whose keys stand where they should is then
read by array operations, and every other one by the JSON parser. Both give the same numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Flags = NDArray[np.bool_]
_PATHS: Mapping[str, str] = {
    "seqno": "seqno",
    "sent_ns": "timestamps.client.send.wall",
    "rtt_ns": "delay.rtt",
    "up_ns": "delay.send",
    "down_ns": "delay.receive",
}
_KEY = re.compile(rb'\s*"(\w+)":\s*')
_CHECKED = 8  # how many characters of a key in front of a number are compared


@dataclass(frozen=True, eq=False)
class Columns:
    """Round trips in order, arrays of shape (n,); 0 where a number is missing. ``loss`` is a Loss."""

    seqno: Int
    sent_ns: Int
    rtt_ns: Int
    up_ns: Int
    down_ns: Int
    loss: NDArray[np.uint8]

    @classmethod
    def joined(cls, parts: Iterable[Columns]) -> Columns:
        """Return all parts as one."""
        found = list(parts)
        names = (*_PATHS, "loss")
        return cls(**{name: np.concatenate([getattr(part, name) for part in found]) for name in names})


class _Lines:
    """A block's bytes and where its lines begin and end."""

    def __init__(self, block: bytes | memoryview) -> None:
        self.block = block
        self.data = np.frombuffer(block, np.uint8)
        newlines = np.flatnonzero(self.data == ord("\n"))
        self.begin = np.concatenate(([0], newlines + 1))
        self.end = np.append(newlines, len(block))

    def opening(self, length: int) -> Int:
        """Return the lines that open a round trip: a brace after the list's indentation."""
        # `end[1:] - end[:-1]` counts the newline too.
        fits = np.diff(self.end) == length + 1
        fits &= self.data[self.end[1:] - 1] == ord("{")
        return np.concatenate(([0], np.flatnonzero(fits) + 1))

    def text(self, first: int, last: int) -> bytes:
        """Return lines first to last, without the comma behind them."""
        return bytes(self.block[self.begin[first] : self.end[last]]).rstrip(b" \t\r\n,")


def scan(block: bytes | memoryview, opening: int, losses: Mapping[str, int]) -> Columns:
    """Return the round trips of a block that holds whole ones and nothing around them.

    ``opening`` is the length of the line that opens a round trip, 0 where they do not stand on lines of
    their own. Raises KeyError, TypeError or ValueError for anything but irtt's round trips.
    """
    if not opening:
        return _parsed(json.loads(b"[" + bytes(block) + b"]"), losses)
    lines = _Lines(block)
    first = lines.opening(opening)
    last = np.append(first[1:], len(lines.end)) - 1
    counts = last - first
    usual = counts == np.bincount(counts).argmax()
    example = int(np.flatnonzero(usual)[0])
    places = _places(lines.text(int(first[example]), int(last[example])))
    values = {name: np.zeros(len(first), np.int64) for name in _PATHS}
    loss = np.zeros(len(first), np.uint8)
    if places.keys() >= {"seqno", "sent_ns", "rtt_ns", "lost"}:
        usual = _read(lines, first, usual, places, values)
    else:
        usual[:] = False
    for at in np.flatnonzero(~usual):
        parsed = _parsed([json.loads(lines.text(int(first[at]), int(last[at])))], losses)
        for name, column in values.items():
            column[at] = getattr(parsed, name)[0]
        loss[at] = parsed.loss[0]
    return Columns(**values, loss=loss)


def _places(example: bytes) -> dict[str, tuple[int, bytes]]:
    """Return, for each wanted number, its line in the round trip and the text in front of it."""
    wanted = {path: name for name, path in _PATHS.items()} | {"lost": "lost"}
    found, path = {}, list[str]()
    for number, line in enumerate(example.splitlines()):
        stripped = line.strip()
        if stripped.startswith(b"}"):
            path = path[:-1]
        elif key := _KEY.match(line):
            here = [*path, key[1].decode()]
            if stripped.endswith(b"{"):
                path = here
            elif (dotted := ".".join(here)) in wanted:
                found[wanted[dotted]] = (number, key[0])
    return found


def _read(
    lines: _Lines, first: Int, usual: Flags, places: Mapping[str, tuple[int, bytes]], values: dict[str, Int]
) -> Flags:
    """Read the usual round trips into ``values``; return which of them were read."""
    rows = np.flatnonzero(usual)
    fits = np.ones(len(rows), np.bool_)
    for name, (line, key) in places.items():
        at = first[rows] + line
        begin = np.minimum(lines.begin[at] + len(key), len(lines.data) - 1)
        for back, char in enumerate(key[-1 : -_CHECKED - 1 : -1], 1):
            fits &= lines.data[begin - back] == char
        if name == "lost":
            for forward, char in enumerate(b'"false"'):
                fits &= lines.data[np.minimum(begin + forward, len(lines.data) - 1)] == char
        else:
            values[name][rows], good = _integers(lines.data, begin, lines.end[at])
            fits &= good
    read = np.zeros(len(usual), np.bool_)
    read[rows[fits]] = True
    return read


def _integers(data: NDArray[np.uint8], begin: Int, end: Int) -> tuple[Int, Flags]:
    """Return the whole numbers that stand from begin to end, and which of them are ones."""
    end = end - (data[end - 1] == ord(","))
    negative = data[begin] == ord("-")
    width = end - begin - negative
    good = (width > 0) & (width < 19 + 1)
    value = np.zeros(len(begin), np.int64)
    for place in range(int(width[good].max(initial=0))):
        active = good & (place < width)
        digit = data[np.where(active, end - 1 - place, 0)].astype(np.int64) - ord("0")
        good &= ~active | ((digit >= 0) & (digit <= 9))
        value += np.where(active, digit, 0) * 10**place
    return np.where(negative, -value, value), good


def _parsed(trips: list[Any], losses: Mapping[str, int]) -> Columns:
    """Return round trips from JSON."""
    rows = [_row(trip, losses) for trip in trips]
    seqno, sent, rtt, up, down, loss = np.array(rows, np.int64).reshape(-1, 6).T
    return Columns(seqno, sent, rtt, up, down, loss.astype(np.uint8))


def _row(trip: Any, losses: Mapping[str, int]) -> tuple[int, ...]:
    lost = str(trip["lost"]).lower()
    if lost not in losses:
        raise ValueError(f"lost is {lost!r}")
    delay = trip["delay"]
    rtt = int(delay["rtt"]) if lost == "false" else 0
    sent = int(trip["timestamps"]["client"]["send"]["wall"])
    return (
        int(trip["seqno"]),
        sent,
        rtt,
        int(delay.get("send", 0)),
        int(delay.get("receive", 0)),
        losses[lost],
    )
