"""Write pcapng: sections, interfaces, packets with comments (draft-ietf-opsawg-pcapng).

The packages that write it are slow or cannot comment a packet; these are the four blocks that a capture needs.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

SECTION, INTERFACE, PACKET, STATISTICS = 0x0A0D0D0A, 1, 6, 5
ETHERNET = 1
_NS = 9  # if_tsresol: 10^-9 s
_END, _COMMENT, _HARDWARE, _OS, _APPLICATION = 0, 1, 2, 3, 4
_NAME, _DESCRIPTION, _TSRESOL = 2, 3, 9
_DROPPED = 5
_HEAD = struct.Struct("<IIIIIII")

Option = tuple[int, bytes]


class PcapngWriter:
    """Writes one section to a stream; interfaces are numbered in the order of their coming."""

    def __init__(self, stream: BinaryIO, application: str, comments: Sequence[str] = ()) -> None:
        self._stream = stream
        options = [*map(_comment, comments), (_APPLICATION, application.encode())]
        self._block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1), options)

    def interface(self, name: str, description: str, snap: int) -> None:
        """Add an interface whose packets are Ethernet frames with times in nanoseconds."""
        options = [(_NAME, name.encode()), (_DESCRIPTION, description.encode()), (_TSRESOL, bytes([_NS]))]
        self._block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, snap), options)

    def packet(self, interface: int, t_ns: int, kept: bytes, length: int, comments: Sequence[str] = ()) -> None:
        """Add a packet: ``length`` bytes on the wire, of which ``kept`` are here."""
        options = _options([_comment(text) for text in comments]) if comments else b""
        body = kept + bytes(-len(kept) % 4) + options
        size = 32 + len(body)
        self._stream.write(
            _HEAD.pack(PACKET, size, interface, t_ns >> 32, t_ns & 0xFFFFFFFF, len(kept), length)
            + body
            + size.to_bytes(4, "little")
        )

    def statistics(self, interface: int, t_ns: int, dropped: int) -> None:
        """Say how many packets of an interface the kernel saw and did not keep."""
        body = struct.pack("<III", interface, t_ns >> 32, t_ns & 0xFFFFFFFF)
        self._block(STATISTICS, body, [(_DROPPED, struct.pack("<Q", dropped))])

    def _block(self, kind: int, body: bytes, options: Sequence[Option]) -> None:
        whole = body + _options(options)
        size = struct.pack("<I", 12 + len(whole))
        self._stream.write(struct.pack("<I", kind) + size + whole + size)


def _comment(text: str) -> Option:
    return _COMMENT, text.encode()[:65_532]


def _options(options: Sequence[Option]) -> bytes:
    parts = [struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in options]
    return b"".join([*parts, struct.pack("<HH", _END, 0)]) if parts else b""
