"""What the kernel counted: interfaces, queueing disciplines, packets with a mark."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyroute2 import IPRoute

QueueStatistics = Mapping[tuple[int, int], Mapping[str, int]]

_SO_ATTACH_FILTER = 26
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_ETH_P_ALL = 3


@dataclass(frozen=True)
class DeviceCounters:
    """What an interface received and sent so far; `dropped` are packets that it lost itself."""

    packets_in: int
    bytes_in: int
    dropped: int


def devices() -> dict[str, DeviceCounters]:
    """Return the counters of every interface of this namespace: one read, whatever their number."""
    found = {}
    for line in Path("/proc/self/net/dev").read_text().splitlines()[2:]:
        name, _, rest = line.partition(":")
        n = [int(word) for word in rest.split()]  # bytes, packets, errors, dropped ... received; then sent
        found[name.strip()] = DeviceCounters(n[1], n[0], n[3] + n[11])
    return found


def queues(ip: IPRoute) -> QueueStatistics:
    """Return qlen, backlog and drops of every queueing discipline, by interface and handle."""
    return {
        (message["index"], message["handle"]): message.get_attr("TCA_STATS2").get_attr("TCA_STATS_QUEUE")
        for message in ip.get_qdiscs()
    }


class MarkCounter:
    """Counts the packets with a DSCP, or frames of a length (0: none), that come in through an interface.

    The filter of a packet socket lets only these pass, and the socket's statistics count them; nobody
    ever reads one.
    """

    def __init__(self, interface: str, dscp: int, length: int = 0) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
        _attach(self._socket, incoming_with(dscp, length))
        self._socket.bind((interface, _ETH_P_ALL))
        self._total = 0

    def read(self) -> int:
        """Return how many there were so far; the kernel forgets them when it is asked."""
        seen, _ = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._total += seen
        return self._total


def incoming_with(dscp: int, length: int = 0) -> Sequence[tuple[int, int, int, int]]:
    """Return the socket filter (classic BPF: code, jump if true, if false, value) for a mark.

    It looks for the DSCP in the headers of IPv4 and IPv6, and for frames of a length in bytes.
    """
    load_length, load_byte, load_half, load_word, mask, equal, end = 0x80, 0x30, 0x28, 0x20, 0x54, 0x15, 0x06
    packet_type = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE; 4 is outgoing
    return (
        (load_word, 0, 0, packet_type),
        (equal, 11, 0, 4),
        (load_length, 0, 0, 0),
        (equal, 10, 0, length),
        (load_half, 0, 0, 12),
        (equal, 0, 3, 0x0800),
        (load_byte, 0, 0, 15),
        (mask, 0, 0, 0xFC),
        (equal, 5, 4, dscp << 2),
        (equal, 0, 3, 0x86DD),
        (load_half, 0, 0, 14),
        (mask, 0, 0, 0x0FC0),
        (equal, 1, 0, dscp << 6),
        (end, 0, 0, 0),
        (end, 0, 0, 1),
    )


def _attach(to: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    """Attach a filter (struct sock_fprog)."""
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    to.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(code))
    )
