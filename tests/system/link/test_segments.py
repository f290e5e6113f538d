"""A host's large frames through the engine: as frames of a wire inside it, whole again behind it."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from testbed.link import pair
from testbed.link.native import NativeBackend, Spawn
from testbed.model.link import LinkSchedule

SIZE = 4 << 20
MTU_FRAME = 1514
SERVER = """
import hashlib, socket
s = socket.create_server(("{to}", 9), family=socket.{family})
e = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); e.bind(("e0", 3)); e.setblocking(False)
print(flush=True)
c, _ = s.accept()
h, longest = hashlib.sha256(), 0
while d := c.recv(1 << 16):
    h.update(d)
    try:
        longest = max(longest, len(e.recv(1 << 17)))
    except BlockingIOError:
        pass
print(h.hexdigest(), longest)
"""
CLIENT = "import socket;s=socket.create_connection(('{to}',9));s.sendall(bytes(range(256))*({size}//256))"


def kernel() -> tuple[int, ...]:
    """Return the kernel's version: AF_PACKET knows joined datagrams from 6.2 on, AF_XDP checksums from 6.11 on."""
    return tuple(int(number) for number in os.uname().release.split(".")[:2])


def opened(folder: Path, spawn: Spawn, xdp: bool, offloads: Sequence[str]) -> NativeBackend:
    for end in ("l0", "r0"):
        assert 0 == spawn(["ethtool", "-K", end, *offloads]).wait()
    return NativeBackend(folder, spawn, xdp=xdp)


@pytest.mark.parametrize("xdp", [True, False])
@pytest.mark.parametrize("tso", ["on", "off"])
@pytest.mark.parametrize("to", ["10.0.0.2", "fd00::2"])
def test_a_stream_arrives_whole(to: str, tso: str, xdp: bool) -> None:
    """Byte for byte, on IPv4 and IPv6; as MTU frames inside, and outside where the interface has no TSO."""
    schedule = LinkSchedule.constant(delay_ns=10**6)
    specs = [pair.spec(up=schedule, down=schedule)]
    with pair.emulated(specs, lambda folder, spawn: opened(folder, spawn, xdp, ["tso", tso])) as lab:
        for n, end in enumerate((lab.left, lab.right), 1):
            end.run("sysctl", "-qw", "net.ipv6.conf.e0.disable_ipv6=0")
            end.run("ip", "-6", "address", "add", f"fd00::{n}/64", "dev", "e0", "nodad")
        lab.backend.start(time.time_ns())
        family = "AF_INET6" if ":" in to else "AF_INET"
        receiver = lab.right.spawn([sys.executable, "-c", SERVER.format(to=to, family=family)])
        assert receiver.stdout is not None
        receiver.stdout.readline()
        lab.left.run(sys.executable, "-c", CLIENT.format(to=to, size=SIZE))
        digest, longest = receiver.communicate(timeout=60)[0].split()
        certificate = lab.backend.close()

    assert hashlib.sha256(bytes(range(256)) * (SIZE // 256)).hexdigest() == digest.decode()
    assert ("AF_XDP" if xdp and kernel() >= (6, 11) else "AF_PACKET") == certificate.sending
    up = certificate.directions[0]
    assert {} == up.causes
    assert up.packets >= SIZE / 1448
    assert (int(longest) > MTU_FRAME) == (tso == "on")


@pytest.mark.parametrize("uso", ["on", "off"])
def test_a_train_of_datagrams_arrives_as_datagrams(uso: str) -> None:
    """50 sent in one call arrive as 50, in order; between, the device carries them joined where it may."""
    receive = (
        "import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.bind(('10.0.0.2',9));s.settimeout(60)\n"
        "e=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(3));e.bind(('e0',3));e.setblocking(False)\n"
        "print(flush=True)\nprint([(len(d), d[0]) for d in (s.recv(2000) for _ in range(50))])\n"
        "frames=[]\ntry:\n  while True: frames.append(len(e.recv(1<<17)))\nexcept BlockingIOError: print(max(frames))"
    )
    send = (
        "import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);s.setsockopt(17,103,1000)\n"
        "s.sendto(b''.join(bytes([i])*1000 for i in range(50))[:-1],('10.0.0.2',9))"
    )
    schedule = LinkSchedule.constant(delay_ns=10**6)
    features = ["tx-udp-segmentation", uso]
    with pair.emulated(
        [pair.spec(up=schedule, down=schedule)], lambda folder, spawn: opened(folder, spawn, True, features)
    ) as lab:
        lab.backend.start(time.time_ns())
        receiver = lab.right.spawn([sys.executable, "-c", receive])
        assert receiver.stdout is not None
        receiver.stdout.readline()
        lab.left.run(sys.executable, "-c", send)
        got, longest = receiver.communicate(timeout=60)[0].decode().splitlines()
        up = lab.backend.close().directions[0]

    assert str([(1000 - (i == 49), i) for i in range(50)]) == got
    assert (50, 0) == (up.packets, up.unasked_losses)
    assert (int(longest) > MTU_FRAME) == (uso == "on" and kernel() >= (6, 2))


def test_loss_hits_frames_of_the_wire() -> None:
    """With 2 % asked, that share of the MTU frames is lost, as it would be on a wire."""
    schedule, clean = LinkSchedule.constant(loss=0.02), LinkSchedule.constant()
    with pair.emulated([pair.spec(up=schedule, down=clean, seed=1)]) as lab:
        lab.backend.start(time.time_ns())
        receiver = lab.right.spawn([sys.executable, "-c", SERVER.format(to="10.0.0.2", family="AF_INET")])
        assert receiver.stdout is not None
        receiver.stdout.readline()
        lab.left.run(sys.executable, "-c", CLIENT.format(to="10.0.0.2", size=SIZE))
        receiver.communicate(timeout=60)
        up = lab.backend.close().directions[0]

    assert up.packets >= SIZE / 1448
    assert up.loss_achieved == pytest.approx(0.02, abs=0.01)
