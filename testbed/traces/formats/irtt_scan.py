"""The numbers in irtt's round trips, scanned out of a stream by testbed/traces/core."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from gzip import GzipFile
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import HostError
from testbed.paths import BUILD

Int = NDArray[np.int64]
LIBRARY = BUILD / "libirttscan.so"
_NUMBERS = 5
_ROWS = 1 << 16
_MORE = 1
_SHOWN = 40
_BEHIND = re.compile(r"[\s,\]}]")
_FAULTS = (  # in the order of the scanner's faults
    "",
    "it has no end",
    "no JSON at {found!r}",
    "{key} is {found!r}, no whole number",
    "{key} is {found!r}, beyond 64 bits",
    "{key} is {found!r}, no object",
    "{key} is {found!r}",
    "'{key}' stands in it twice",
    "no '{key}'",
    "nested too deep",
)


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
    def joined(cls, parts: Iterable[tuple[Int, NDArray[np.uint8]]]) -> Columns:
        """Return all parts as one; a part has its numbers in an array of shape (5, n)."""
        found = [(np.empty((_NUMBERS, 0), np.int64), np.empty(0, np.uint8)), *parts]
        seqno, sent, rtt, up, down = (np.concatenate([part[0][i] for part in found]) for i in range(_NUMBERS))
        return cls(seqno, sent, rtt, up, down, np.concatenate([loss for _, loss in found]))


class ScanError(ValueError):
    """What is no round trip of irtt's: the byte of the stream, the round trip's number, and why."""

    def __init__(self, offset: int, number: int, why: str) -> None:
        self.offset, self.number, self.why = offset, number, why
        super().__init__(f"round trip {number}, byte {offset}: {why}")


class CutShortError(ValueError):
    """The stream ended before the list of round trips did."""


class _Scan(ctypes.Structure):
    """``struct scan`` of the scanner."""

    _fields_ = [
        ("block", ctypes.c_void_p),
        ("size", ctypes.c_uint64),
        ("capacity", ctypes.c_uint64),
        ("numbers", ctypes.c_void_p),
        ("loss", ctypes.c_void_p),
        ("started", ctypes.c_uint64),
        ("rows", ctypes.c_uint64),
        ("used", ctypes.c_uint64),
        ("ended", ctypes.c_uint64),
        ("fault", ctypes.c_uint64),
        ("at", ctypes.c_uint64),
        ("key", ctypes.c_char_p),
    ]


@cache
def load(path: Path = LIBRARY) -> ctypes.CDLL:
    """Load the scanner. Raises HostError when it is not built."""
    if not path.exists():
        raise HostError(f"{path} is not built; run 'make setup'")
    library = ctypes.CDLL(str(path))
    library.irttscan.restype, library.irttscan.argtypes = None, [ctypes.POINTER(_Scan)]
    return library


class Block:
    """The part of a stream that is in memory, at most ``size`` bytes of it."""

    def __init__(self, stream: GzipFile | FileIO | BytesIO, size: int) -> None:
        self._stream = stream
        self._buffer = np.empty(size, np.uint8)
        self.size = size
        self._filled = 0
        self.offset = 0
        """Where in the stream the window begins."""
        self.more()

    @property
    def data(self) -> memoryview:
        """The bytes in memory."""
        return self._buffer.data[: self._filled]

    @property
    def address(self) -> int:
        """Where the bytes are in memory."""
        return self._buffer.ctypes.data

    def leave(self, count: int) -> None:
        """Give up the first bytes."""
        rest = self._filled - count
        self._buffer[:rest] = self._buffer[count : self._filled]
        self._filled = rest
        self.offset += count

    def more(self) -> bool:
        """Fill the window; return whether anything came."""
        before = self._filled
        while got := self._stream.readinto(self._buffer.data[self._filled :]):
            self._filled += got
        return self._filled > before


def scan(window: Block) -> Columns:
    """Return the round trips of a stream from behind the list's bracket on; leave what is behind the list.

    Raises ScanError for what irtt does not write, CutShortError where the list has no end.
    """
    library = load()
    numbers, loss = np.empty((_NUMBERS, _ROWS), np.int64), np.empty(_ROWS, np.uint8)
    found = _Scan(capacity=_ROWS, numbers=numbers.ctypes.data, loss=loss.ctypes.data)
    parts = []
    while not found.ended:
        found.block, found.size = window.address, len(window.data)
        library.irttscan(found)
        if found.fault > _MORE:
            raise _error(window, found)
        if found.rows:
            parts.append((numbers[:, : found.rows].copy(), loss[: found.rows].copy()))
            found.started += found.rows
        window.leave(found.used)
        if found.fault and not window.more():
            if len(window.data) < window.size:
                raise CutShortError
            raise ScanError(window.offset, found.started, f"it is longer than {window.size} bytes")
    return Columns.joined(parts)


def _error(window: Block, found: _Scan) -> ScanError:
    text = bytes(window.data[found.at : found.at + _SHOWN]).decode("utf-8", "replace")
    words = {"key": (found.key or b"").decode(), "found": _BEHIND.split(text, 1)[0].strip('"')}
    return ScanError(
        window.offset + found.at, found.started + found.rows, _FAULTS[found.fault].format(**words)
    )
