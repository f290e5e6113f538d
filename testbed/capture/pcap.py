"""A pcap file of nanoseconds, as tcpdump writes it, read packet by packet."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from testbed.errors import InputError

_MAGIC_NS = 0xA1B23C4D
_HEADER, _RECORD = struct.Struct("<IHHiIII"), struct.Struct("<IIII")
_READ_BYTES = 1 << 20


class Frame(NamedTuple):
    """A packet: when (CLOCK_REALTIME ns), how long it was on the wire, and the bytes of it that were kept."""

    t_ns: int
    length: int
    kept: bytes


def frames(path: Path) -> Iterator[Frame]:
    """Yield the packets of a file in its order; one that was cut short by the file's end is left out.

    Raises InputError for another format.
    """
    with path.open("rb") as stream:
        head = stream.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return  # whoever wrote it was killed before the first packet
        if _HEADER.unpack(head)[0] != _MAGIC_NS:
            raise InputError(str(path), "not a pcap file with nanoseconds", "write it on this host")
        yield from _records(stream)


def _records(stream: BinaryIO) -> Iterator[Frame]:
    rest = b""
    while piece := stream.read(_READ_BYTES):
        data, at = rest + piece, 0
        while at + _RECORD.size <= len(data):
            seconds, ns, kept, length = _RECORD.unpack_from(data, at)
            end = at + _RECORD.size + kept
            if end > len(data):
                break
            yield Frame(seconds * 10**9 + ns, length, data[at + _RECORD.size : end])
            at = end
        rest = data[at:]
