"""What leaves the hub by the uplinks, told by its packets: where each flow went, and whether it was sealed.

A name is what TLS asks for (server name indication) or DNS; what a flow carries is told by its first data.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import dpkt

Key = tuple[str, str, str, int, int]
"""Protocol, source, destination and the two ports."""
_HELLO_BYTES = 16_384
_TLS = frozenset({0x14, 0x15, 0x16, 0x17})
_SERVER_NAME = 0
_QUIC_FIXED = 0x40
_PORTS = {53: "dns", 67: "dhcp", 68: "dhcp", 546: "dhcp", 547: "dhcp"}


@dataclass
class Departure:
    """A flow that left by one uplink; ``began`` is the start of its data."""

    link: str
    key: Key
    t_ns: int
    end_ns: int
    packets: int = 0
    bytes: int = 0
    began: bytearray = field(default_factory=bytearray)
    names: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return it as a sample."""
        protocol, source, destination, _, port = self.key
        content = self._content()
        name = server_name(bytes(self.began)) if content == "tls" else next(iter(self.names), "")
        return {
            "t_ns": self.t_ns,
            "end_ns": self.end_ns,
            "link": self.link,
            "protocol": protocol,
            "source": source,
            "destination": destination,
            "port": port,
            "name": name,
            "content": content,
            "packets": self.packets,
            "bytes": self.bytes,
        }

    def _content(self) -> str:
        protocol, _, _, source_port, port = self.key
        if protocol not in ("tcp", "udp"):
            return protocol
        if not self.began:
            return "nothing"
        if protocol == "udp":
            service = _PORTS.get(port) or _PORTS.get(source_port, "")
            if service:
                return service if service == "dhcp" or self.names else "clear"
            return "quic" if port == 443 and self.began[0] & _QUIC_FIXED else "clear"
        if port == 53:
            return "dns" if self.names else "clear"
        sealed = len(self.began) > 2 and self.began[0] in _TLS and self.began[1] == 3
        return "tls" if sealed else "clear"


def departures(packets: Iterable[tuple[int, bytes]], link: str) -> Iterator[Departure]:
    """Yield the flows of a link's packets, Ethernet frames with their times in ns; what is no IP packet is none."""
    flows: dict[Key, Departure] = {}
    for t_ns, frame in packets:
        try:
            ip = dpkt.ethernet.Ethernet(frame).data
        except dpkt.UnpackError:
            continue
        if not isinstance(ip, dpkt.ip.IP | dpkt.ip6.IP6):
            continue
        key, data = _flow(ip)
        flow = flows.setdefault(key, Departure(link, key, t_ns, t_ns))
        flow.end_ns, flow.packets, flow.bytes = t_ns, flow.packets + 1, flow.bytes + len(frame)
        if data and 53 in key[3:]:
            flow.names += _asked(data[2:] if key[0] == "tcp" else data)
        if len(flow.began) < _HELLO_BYTES:
            flow.began += data
    yield from flows.values()


def _flow(ip: dpkt.ip.IP | dpkt.ip6.IP6) -> tuple[Key, bytes]:
    """Return a packet's flow and its data; of a protocol without ports they are 0."""
    family = socket.AF_INET if isinstance(ip, dpkt.ip.IP) else socket.AF_INET6
    ends = socket.inet_ntop(family, ip.src), socket.inet_ntop(family, ip.dst)
    segment = ip.data
    if isinstance(segment, dpkt.tcp.TCP):
        return ("tcp", *ends, segment.sport, segment.dport), bytes(segment.data)
    if isinstance(segment, dpkt.udp.UDP):
        return ("udp", *ends, segment.sport, segment.dport), bytes(segment.data)
    if isinstance(segment, dpkt.icmp.ICMP | dpkt.icmp6.ICMP6):
        return ("icmp", *ends, 0, 0), b""
    return (f"ip {ip.p}", *ends, 0, 0), b""


def _asked(data: bytes) -> list[str]:
    """Return the names that a DNS query asks for."""
    try:
        message = dpkt.dns.DNS(data)
    except (dpkt.UnpackError, IndexError, UnicodeDecodeError):
        return []
    return [question.name.lower() for question in message.qd]


def server_name(began: bytes) -> str:
    """Return the name that a TLS connection asks for; "" where it says none, or not yet."""
    handshake = b""
    while len(began) >= 5 and began[0] == 0x16:  # records may part a handshake message
        length = int.from_bytes(began[3:5])
        handshake, began = handshake + began[5 : 5 + length], began[5 + length :]
    try:
        hello = dpkt.ssl.TLSHandshake(handshake).data
    except (dpkt.UnpackError, dpkt.ssl.SSL3Exception, struct.error, IndexError):
        return ""
    if not isinstance(hello, dpkt.ssl.TLSClientHello):
        return ""
    for number, data in getattr(hello, "extensions", ()):
        if number == _SERVER_NAME and len(data) > 5:
            return bytes(data[5 : 5 + int.from_bytes(data[3:5])]).decode("ascii", "replace").lower()
    return ""
