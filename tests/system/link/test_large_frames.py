"""Every kind of large frame that a host hands over: cut by the engine, or by the host before it comes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from testbed.link import pair
from testbed.link.fidelity import DirectionFidelity
from testbed.model.link import LinkSchedule

SIZE = 16 << 20
DIGEST = hashlib.sha256(bytes(range(256)) * (SIZE >> 8)).hexdigest()
PAYLOAD, SMALLEST = 1448, 88 - 12
PATIENCE_S = 60.0
SERVER = """
import hashlib, socket
s = socket.socket(socket.{family}, socket.SOCK_STREAM)
{prepare}
s.setsockopt(socket.SOL_SOCKET, 33, {size})  # SO_RCVBUFFORCE: no window holds the sender back
s.bind(("{to}", 9)); s.listen()
print(flush=True)
c, _ = s.accept()
h = hashlib.sha256()
while d := c.recv(1 << 20):
    h.update(d)
print(h.hexdigest())
"""
# what its own interface is handed is the largest frame that the link is, too
CLIENT = """
import socket
s = socket.socket(socket.{family}, socket.SOCK_STREAM)
{prepare}
e = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); e.bind(("e0", 3)); e.setblocking(False)
e.setsockopt(socket.SOL_SOCKET, 33, 4 * {size})  # SO_RCVBUFFORCE: each frame is seen, however late
s.connect(("{to}", 9))
largest = 0
for _ in range({size} >> 20):
    s.sendall(bytes(range(256)) * 4096)
    try:
        while True:
            largest = max(largest, e.recv_into(bytearray(1), 1, socket.MSG_TRUNC))
    except BlockingIOError:
        pass
s.shutdown(socket.SHUT_WR)
print(largest)
"""
# two options of a type for experiments (RFC 4727) that receivers pass over
# iproute2 of Debian 12 knows IPv6's sizes alone; IFLA_GSO_MAX_SIZE, GRO, and both of IPv4 (linux/if_link.h)
WIDE = """
import socket, struct
attributes = b"".join(struct.pack("=HHI", 8, name, {size}) for name in (41, 58, 63, 64))
link = struct.pack("=BBHiII", 0, 0, 0, socket.if_nametoindex("e0"), 0, 0) + attributes
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
s.send(struct.pack("=IHHII", 16 + len(link), 19, 5, 1, 0) + link)
_, _, _, _, _, error = struct.unpack_from("=IHHIIi", s.recv(4096))
assert error == 0, error
"""
DESTINATION_64 = "0007" + "1e3c" + 60 * "00"


@pytest.fixture
def lab() -> Iterator[pair.Pair]:
    """A link without delay between two hosts that talk IPv6 as well."""
    schedule = LinkSchedule.constant()
    with pair.emulated([pair.spec(up=schedule, down=schedule)]) as lab:
        for n, end in enumerate((lab.left, lab.right), 1):
            end.run("sysctl", "-qw", "net.ipv6.conf.e0.disable_ipv6=0")
            end.run("ip", "-6", "address", "add", f"fd00::{n}/64", "dev", "e0", "nodad")
        yield lab


def carried(
    lab: pair.Pair, to: str, client: str = "", server: str = ""
) -> tuple[str, int, DirectionFidelity]:
    """Return the digest of what arrived, the largest frame that was handed over, and the certificate."""
    assert lab.backend is not None
    family = "AF_INET6" if ":" in to else "AF_INET"
    lab.backend.start(time.time_ns())
    receiver = lab.right.spawn([sys.executable, "-c", SERVER.format(to=to, family=family, prepare=server, size=SIZE)])
    argv = [sys.executable, "-c", CLIENT.format(to=to, family=family, prepare=client, size=SIZE)]
    sender = None
    try:
        assert receiver.stdout is not None
        receiver.stdout.readline()
        sender = lab.left.spawn(argv)
        largest = int(sender.communicate(timeout=PATIENCE_S)[0])
        digest = receiver.communicate(timeout=PATIENCE_S)[0].decode().strip()
    except subprocess.TimeoutExpired:
        pytest.fail(f"the stream stalled: {lab.backend.close().directions[0].causes}")
    finally:
        for process in (receiver, *([sender] if sender else [])):
            process.kill()
            process.communicate()
    return digest, largest, lab.backend.close().directions[0]


def wide(lab: pair.Pair, size: int) -> None:
    """Let hosts make frames of this many bytes (BIG TCP), however long a slow machine's round trip is."""
    for end in (lab.left, lab.right):
        end.run(sys.executable, "-c", WIDE.format(size=size))
        end.run("sysctl", "-qw", "net.ipv4.tcp_tso_rtt_log=30")


@pytest.mark.parametrize(
    ("to", "option", "value"),
    [
        pytest.param("10.0.0.2", "0, 4", "01010100", id="IPv4 no operation"),
        pytest.param("10.0.0.2", "0, 4", "072704" + 36 * "00" + "00", id="IPv4 record route"),
        pytest.param("fd00::2", "41, 59", "0000010400000000", id="IPv6 destination options"),
        pytest.param("fd00::2", "41, 54", "0000010400000000", id="IPv6 hop-by-hop options"),
        pytest.param("fd00::2", "41, 59", DESTINATION_64, id="IPv6 64 bytes of options"),
    ],
)
def test_a_stream_with_options_arrives_whole(lab: pair.Pair, to: str, option: str, value: str) -> None:
    """IPv4 options and IPv6 extension headers, of any length, are in each segment."""
    digest, largest, up = carried(lab, to, f"s.setsockopt({option}, bytes.fromhex('{value}'))")

    assert (DIGEST, 0) == (digest, up.causes.get("oversize", 0))
    assert largest > 1514
    assert up.packets >= SIZE / PAYLOAD


@pytest.mark.parametrize("to", ["10.0.0.2", "fd00::2"])
def test_frames_above_64_kib_arrive_whole(lab: pair.Pair, to: str) -> None:
    """Of BIG TCP's frames each segment is one of a wire, without the header that only hosts know."""
    wide(lab, 200_000)
    digest, largest, up = carried(lab, to)

    assert (DIGEST, 0) == (digest, up.causes.get("oversize", 0))
    assert largest > 65_536 + 14
    assert up.packets >= SIZE / PAYLOAD


def test_a_stream_of_the_smallest_segments_arrives_whole(lab: pair.Pair) -> None:
    """A frame may have more segments than a system call takes parts: none is given up for that."""
    wide(lab, 200_000)
    digest, largest, up = carried(
        lab, "10.0.0.2", server="s.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)"
    )

    assert (DIGEST, 0) == (digest, up.causes.get("oversize", 0))
    assert largest / SMALLEST > 1024
