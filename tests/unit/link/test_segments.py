"""Cutting a host's large frames and joining frames of a wire: against packets built in the plainest way."""

from __future__ import annotations

import ctypes
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.link.simulated import LIBRARY

CORE = Path(__file__).parents[3] / "testbed" / "link" / "core"
TCP, UDP = 6, 17
HOP_BY_HOP, ROUTING, DESTINATION = 0, 43, 60
VLAN, SERVICE_VLAN, MPLS = 0x8100, 0x88A8, 0x8847
FIN, SYN, PSH, ACK, CWR = 1, 2, 8, 16, 128
NEEDS_CSUM, DATA_VALID = 1, 2
GSO_TYPE = {(TCP, 4): 1, (TCP, 6): 4, (UDP, 4): 5, (UDP, 6): 5}


class Vnet(ctypes.LittleEndianStructure):
    """struct virtio_net_hdr."""

    _fields_ = [("flags", ctypes.c_uint8), ("gso_type", ctypes.c_uint8)] + [
        (name, ctypes.c_uint16) for name in ("hdr_len", "gso_size", "csum_start", "csum_offset")
    ]


class Segments(ctypes.Structure):
    """struct segments (segments.h)."""

    _fields_ = [
        ("ip", ctypes.c_uint16),
        ("transport", ctypes.c_uint16),
        ("headers", ctypes.c_uint16),
        ("v6", ctypes.c_bool),
        ("tcp", ctypes.c_bool),
        ("payload", ctypes.c_uint16),
        ("bytes", ctypes.c_uint32),
        ("jumbo", ctypes.c_uint16),
        ("plain", ctypes.c_bool),
    ]


class Train(ctypes.Structure):
    """struct train."""

    _fields_ = [("segments", Segments), ("first", ctypes.c_uint8 * 128), ("complete", ctypes.c_bool)]


LIB = ctypes.CDLL(str(LIBRARY))
for function in (LIB.segments_read, LIB.train_begin, LIB.train_couple):
    function.restype = ctypes.c_bool


def total(data: bytes) -> int:
    """Return the one's complement sum of RFC 1071, folded."""
    words = sum(struct.unpack(f">{len(data) // 2}H", data))
    while words > 0xFFFF:
        words = (words & 0xFFFF) + (words >> 16)
    return words


@dataclass(frozen=True)
class Packet:
    """A TCP or UDP packet with its checksum left to hardware."""

    payload: bytes
    protocol: int = TCP
    version: int = 4
    tags: tuple[int, ...] = ()
    """Ethernet types of tags: VLANs, and MPLS labels behind them."""
    number: int = 7
    """Of the first byte, and the IPv4 identification."""
    id: int = 40000
    flags: int = ACK
    options: bytes = b""
    ip_options: bytes = b""
    """IPv4's, or IPv6's extension headers, a multiple of 4 or 8 bytes."""
    jumbo: bool = False
    """With the header that Linux puts before frames above 64 KiB on IPv6, and no length on IPv4."""

    @property
    def headers(self) -> int:
        return len(self.frame()) - len(self.payload)

    @property
    def transport(self) -> int:
        jumbo = 8 * (self.jumbo and self.version == 6)
        return 14 + 4 * len(self.tags) + (20 if self.version == 4 else 40) + jumbo + len(self.ip_options)

    @property
    def sum_at(self) -> int:
        """Where the transport's checksum lies."""
        return self.transport + (16 if self.protocol == TCP else 6)

    def frame(self) -> bytes:
        """Return the Ethernet frame."""
        size = (20 + len(self.options) if self.protocol == TCP else 8) + len(self.payload)
        addresses = bytes(range(8 if self.version == 4 else 32))
        pseudo = struct.pack(">H", total(addresses + struct.pack(">II", size, self.protocol)))
        inner = len(self.ip_options) + size
        if self.version == 4:
            words, length = 5 + len(self.ip_options) // 4, 0 if self.jumbo else 20 + inner
            first = struct.pack(">BBHHHBB", 64 + words, 0, length, self.id, 0x4000, 64, self.protocol)
            ip = [first, b"", addresses, self.ip_options]
            ip[1] = struct.pack(">H", 0xFFFF - total(b"".join(ip)))
        else:
            following = HOP_BY_HOP if self.ip_options else self.protocol
            length, kind = (0, HOP_BY_HOP) if self.jumbo else (inner, following)
            jumbo = struct.pack(">BBBBI", following, 0, 0xC2, 4, inner + 8) if self.jumbo else b""
            ip = [struct.pack(">IHBB", 6 << 28 | 99, length, kind, 64), addresses, jumbo, self.ip_options]
        if self.protocol == TCP:
            words = 5 + len(self.options) // 4
            transport = struct.pack(">HHIIBBH", 1, 2, self.number, 5, words << 4, self.flags, 500)
            transport += pseudo + bytes(2) + self.options
        else:
            transport = struct.pack(">HHH", 1, 2, size) + pseudo
        return bytes(range(12)) + self._tagging() + b"".join(ip) + transport + self.payload

    def _tagging(self) -> bytes:
        vlans, labels = [t for t in self.tags if t != MPLS], self.tags.count(MPLS)
        kind = MPLS if labels else 0x0800 if self.version == 4 else 0x86DD
        stack = [struct.pack(">HBB", 9, i == labels - 1, 64) for i in range(labels)]
        return b"".join([*(struct.pack(">HH", tag, 42) for tag in vlans), struct.pack(">H", kind), *stack])

    def vnet(self, gso_size: int = 0) -> Vnet:
        kind = GSO_TYPE[self.protocol, self.version] if gso_size else 0
        return Vnet(NEEDS_CSUM, kind, 0, gso_size, self.transport, self.sum_at - self.transport)

    def segments(self, size: int) -> list[Packet]:
        """Return the packets that a network card makes of this one."""
        parts = [self.payload[at : at + size] for at in range(0, len(self.payload), size)]
        return [
            replace(
                self,
                payload=part,
                number=(self.number + i * size) % 2**32,
                id=(self.id + i) % 2**16,
                flags=self.flags & ~(CWR if i else 0) & ~(0 if i == len(parts) - 1 else PSH | FIN),
                jumbo=False,
            )
            for i, part in enumerate(parts)
        ]


def packets(protocol: st.SearchStrategy[int], flags: int) -> st.SearchStrategy[Packet]:
    return st.builds(
        Packet,
        payload=st.binary(min_size=1, max_size=3000),
        protocol=protocol,
        version=st.sampled_from([4, 6]),
        tags=st.sampled_from([(), (VLAN,)]),
        number=st.integers(0, 2**32 - 1),
        id=st.integers(0, 2**16 - 1),
        flags=st.integers(0, 255).map(lambda f: (f & flags) | ACK),
        options=st.integers(0, 10).map(lambda n: bytes(range(4 * n))),
    )


def read(vnet: Vnet, frame: bytes, held: int | None = None) -> Segments | None:
    """Return what the engine reads of a large frame's first bytes; None: it cannot be cut."""
    segments, block = Segments(), ctypes.create_string_buffer(frame[:held], len(frame[:held]))
    known = LIB.segments_read(ctypes.byref(segments), ctypes.byref(vnet), block, len(block), len(frame))
    return segments if known else None


def cut(packet: Packet, size: int) -> list[bytes]:
    """Cut by the engine: its headers of each segment, in front of the payload."""
    frame, vnet = packet.frame(), packet.vnet(size)
    segments = read(vnet, frame, packet.headers)
    assert segments is not None
    whole = ctypes.create_string_buffer(frame[: packet.headers], packet.headers)
    LIB.segments_strip(ctypes.byref(segments), whole)
    out = []
    for i in range(-(-segments.bytes // segments.payload)):
        headers = ctypes.create_string_buffer(whole.raw[: segments.headers], segments.headers)
        LIB.segments_head(ctypes.byref(segments), headers, i, ctypes.byref(vnet))
        assert (NEEDS_CSUM, 0, segments.transport) == (vnet.flags, vnet.gso_type, vnet.csum_start)
        out.append(headers.raw + packet.payload[i * size : (i + 1) * size])
    return out


def join(frames: list[tuple[Vnet, bytes]]) -> tuple[Train, int]:
    """Return the train that begins with the first frame, and how many frames are in it."""
    train = Train()
    vnet, frame = frames[0]
    if not LIB.train_begin(ctypes.byref(train), ctypes.byref(vnet), frame, len(frame)):
        return train, 1
    for n, (vnet, frame) in enumerate(frames[1:], 1):
        if not LIB.train_couple(ctypes.byref(train), ctypes.byref(vnet), frame, len(frame)):
            return train, n
    return train, len(frames)


@given(packets(st.sampled_from([TCP, UDP]), 255), st.integers(50, 1500))
def test_a_large_frame_is_cut_as_a_network_card_would(packet: Packet, size: int) -> None:
    """Lengths, numbers, flags and checksums of each segment are those of a packet of its own."""
    assert [p.frame() for p in packet.segments(size)] == cut(packet, size)


def extension(kind: int, following: int, words: int) -> bytes:
    """Return an IPv6 extension header of 8 and so many times 8 bytes."""
    return struct.pack(">BBBB", following, words, 1, 4) + bytes(range(4)) + bytes(8 * words)


def chain(kinds: Sequence[int], words: int, last: int) -> bytes:
    """Return extension headers, one behind the other; the first is one of hop-by-hop options."""
    return b"".join(
        extension(kind, following, words)
        for kind, following in zip(kinds, [*kinds[1:], last], strict=len(kinds) > 0)
    )


@pytest.mark.parametrize("protocol", [TCP, UDP])
@pytest.mark.parametrize("tags", [(), (SERVICE_VLAN, VLAN), (VLAN, VLAN, VLAN), (MPLS,), (VLAN, MPLS, MPLS)])
@pytest.mark.parametrize("size", [100, 1400])
def test_options_extension_headers_and_tags_are_in_every_segment(
    protocol: int, tags: tuple[int, ...], size: int
) -> None:
    """Of any length that IP and the host allow, with lengths and checksums that count them."""
    whole = Packet(bytes(range(250)) * 20, protocol, tags=tags)
    chains = ([], [HOP_BY_HOP], [HOP_BY_HOP, DESTINATION, ROUTING, DESTINATION])
    cases = [replace(whole, ip_options=bytes(range(4 * n))) for n in (0, 1, 10)]
    cases += [
        replace(whole, version=6, ip_options=chain(kinds, n, protocol))
        for kinds in chains
        for n in (0, 3, 255)
    ]
    for packet in cases:
        assert [p.frame() for p in packet.segments(size)] == cut(packet, size)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("options", [False, True])
def test_a_frame_above_64_kib_is_cut_into_frames_of_a_wire(version: int, options: bool) -> None:
    """BIG TCP: no length in the IP header, or one in a header of its own, of which no segment has anything."""
    more = b"" if not options else bytes(4) if version == 4 else extension(HOP_BY_HOP, TCP, 0)
    packet = Packet(bytes(range(250)) * 1000, version=version, ip_options=more, jumbo=True, flags=ACK | PSH)

    assert [p.frame() for p in packet.segments(1448)] == cut(packet, 1448)


@pytest.mark.parametrize("version", [4, 6])
def test_the_checksum_of_a_routed_packet_stays_that_of_its_last_address(version: int) -> None:
    """The pseudo header has the address behind the last hop, which the engine does not know: it keeps that part."""
    route = bytes([131, 7, 4, 1, 2, 3, 4, 0]) if version == 4 else chain([HOP_BY_HOP, ROUTING], 2, TCP)
    packet = Packet(bytes(3000), version=version, ip_options=route)

    def elsewhere(frame: bytes) -> bytes:
        """Return the frame with its pseudo header's sum 1000 higher."""
        changed, at = bytearray(frame), packet.sum_at
        changed[at : at + 2] = struct.pack(">H", total(frame[at : at + 2] + struct.pack(">H", 1000)))
        return bytes(changed)

    frame, vnet = elsewhere(packet.frame()), packet.vnet(1000)
    segments = read(vnet, frame)
    assert segments is not None
    for i, part in enumerate(packet.segments(1000)):
        headers = ctypes.create_string_buffer(frame[: packet.headers], packet.headers)
        LIB.segments_head(ctypes.byref(segments), headers, i, ctypes.byref(vnet))
        assert elsewhere(part.frame())[: packet.headers] == headers.raw


@given(packets(st.sampled_from([TCP, UDP]), PSH), st.integers(50, 1500))
def test_what_was_cut_can_be_joined_again(packet: Packet, size: int) -> None:
    """All segments become one frame with the headers of the uncut one, and its segment size."""
    whole = packet.segments(size)
    train, n = join([(p.vnet(), p.frame()) for p in whole])
    assert len(whole) == n
    if n > 1:
        vnet = Vnet()
        LIB.train_head(ctypes.byref(train), ctypes.byref(vnet))
        assert packet.frame()[: packet.headers] == bytes(train.first[: packet.headers])
        assert packet.vnet(size).gso_type == vnet.gso_type
        assert (size, packet.headers, packet.transport) == (vnet.gso_size, vnet.hdr_len, vnet.csum_start)


@given(packets(st.sampled_from([TCP, UDP]), 0).filter(lambda p: len(p.payload) > 1), st.data())
def test_frames_that_differ_in_any_header_are_not_joined(packet: Packet, data: st.DataObject) -> None:
    """One byte changed anywhere in the second's headers, but its checksum: it goes alone."""
    first, second, *_ = packet.segments(len(packet.payload) - 1)
    checksum = range(packet.sum_at, packet.sum_at + 2)
    at = data.draw(st.integers(0, packet.headers - 1).filter(lambda i: i not in checksum))
    bits = data.draw(st.integers(1, 255))
    if packet.protocol == TCP and at == packet.transport + 13 and bits == PSH:
        bits = FIN
    frame = bytearray(second.frame())
    frame[at] ^= bits
    assert 1 == join([(first.vnet(), first.frame()), (second.vnet(), bytes(frame))])[1]


def test_nothing_follows_a_short_segment_or_a_push() -> None:
    """The frames behind the end of a write begin a train of their own."""
    packet = Packet(bytes(3000))
    a, b, c = packet.segments(1000)
    short = Packet(bytes(999), number=b.number, id=b.id)
    after = Packet(bytes(999), number=b.number + 999, id=c.id)
    pushed = Packet(b.payload, number=b.number, id=b.id, flags=ACK | PSH)
    for second, third in ((short, after), (pushed, c)):
        assert 2 == join([(p.vnet(), p.frame()) for p in (a, second, third)])[1]


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_checksum_that_nobody_verified_is_not_replaced(protocol: int) -> None:
    """Joining makes checksums anew, so it must not touch a frame whose checksum may be wrong."""
    a, b = Packet(bytes(2000), protocol).segments(1000)
    unverified, verified = Vnet(), Vnet(DATA_VALID)
    assert 2 == join([(verified, a.frame()), (verified, b.frame())])[1]
    assert 1 == join([(verified, a.frame()), (unverified, b.frame())])[1]
    assert 1 == join([(unverified, a.frame()), (verified, b.frame())])[1]


def test_a_datagram_without_a_checksum_gets_none() -> None:
    """RFC 768: zero says that the sender made none; in a train each datagram would get one."""
    a, b = Packet(bytes(2000), UDP).segments(1000)
    frames = [bytearray(p.frame()) for p in (a, b)]
    for frame in frames:
        frame[a.sum_at : a.sum_at + 2] = bytes(2)
    assert 1 == join([(Vnet(DATA_VALID), bytes(frame)) for frame in frames])[1]


@pytest.mark.parametrize(
    "more",
    [
        {"ip_options": b"\1\1\1\0"},
        {"version": 6, "ip_options": b"\x06\0\1\4\0\0\0\0"},
        {"tags": (SERVICE_VLAN, VLAN)},
        {"tags": (MPLS,)},
    ],
)
def test_frames_with_more_than_the_plain_headers_go_alone(more: dict[str, Any]) -> None:
    """What the kernel cuts differently, or does not take joined, leaves as it came."""
    a, b = Packet(bytes(2000), **more).segments(1000)
    assert 1 == join([(p.vnet(), p.frame()) for p in (a, b)])[1]


@pytest.mark.parametrize("protocol", [TCP, UDP])
def test_a_padded_frame_goes_alone(protocol: int) -> None:
    """What lies behind the IP packet is no payload, and would become some."""
    a, b = Packet(bytes(20), protocol).segments(10)
    assert 1 == join([(a.vnet(), a.frame() + bytes(6)), (b.vnet(), b.frame() + bytes(6))])[1]


def test_frames_of_unknown_kinds_are_not_cut() -> None:
    """A tunnel's inner segments, fragments, other protocols and plain frames are refused."""
    packet, segment_routed = (
        Packet(bytes(3000)),
        Packet(bytes(3000), version=6, ip_options=extension(0, 44, 0)),
    )
    frame = packet.frame()
    inner, plain, finished = packet.vnet(1000), packet.vnet(), packet.vnet(1000)
    inner.csum_start += 50
    finished.flags = 0
    fragment = bytearray(frame)
    fragment[14 + 6] = 0x20
    assert read(packet.vnet(1000), frame) is not None
    for vnet, data in (
        (inner, frame),
        (plain, frame),
        (finished, frame),
        (packet.vnet(1000), bytes(fragment)),
        (segment_routed.vnet(1000), segment_routed.frame()),
    ):
        assert read(vnet, data) is None


@pytest.mark.parametrize(
    "more", [{}, {"tags": (VLAN, MPLS)}, {"version": 6, "ip_options": extension(0, TCP, 3)}]
)
def test_headers_of_which_a_part_is_not_there_are_not_read(more: dict[str, Any]) -> None:
    """However many of a frame's first bytes are held, those behind them are not looked at."""
    packet = Packet(bytes(3000), **more)
    for held in range(packet.headers):
        assert read(packet.vnet(1000), packet.frame(), held) is None
    assert read(packet.vnet(1000), packet.frame(), packet.headers) is not None


def test_frames_that_no_host_would_send_pass_the_sanitisers(tmp_path: Path) -> None:
    """500 frames with bytes changed at random, and cut short, run without a report of the sanitisers."""
    subprocess.run(["make", "-s", "-C", str(CORE), "fuzz-replay"], check=True, timeout=120)
    rng = np.random.default_rng(4)
    files = []
    for i in range(500):
        packet = Packet(
            bytes(300),
            int(rng.choice([TCP, UDP])),
            int(version := rng.choice([4, 6])),
            ((), (VLAN,), (VLAN, MPLS))[rng.integers(3)],
            ip_options=bytes(4 * int(rng.integers(3)))
            if version == 4
            else extension(0, TCP, int(rng.integers(9))),
            jumbo=bool(rng.integers(2)),
        )
        data = np.frombuffer(bytes(packet.vnet(100)) + packet.frame(), np.uint8).copy()
        data[rng.integers(0, 150, int(rng.integers(0, 4)))] = rng.integers(0, 256)
        files.append(tmp_path / str(i))
        files[-1].write_bytes(data[: int(rng.integers(10, len(data)))].tobytes())
    replay = LIBRARY.with_name("segments-fuzz-replay")
    done = subprocess.run([replay, *files], capture_output=True, text=True, timeout=120)

    assert (0, "") == (done.returncode, done.stderr)
