"""linkd with real packets: what arrives, when, and what is left behind."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.link import light_plan, pair
from testbed.link.backend import Change, Restore, outage
from testbed.link.fidelity import Budget
from testbed.link.light import LightFleet
from testbed.link.light_plan import HubMove, LightHub, LightLane, LightStream, LoadKind
from testbed.link.native import LINKD, NativeBackend
from testbed.link.records import read_bins
from testbed.model.cell import Cell
from testbed.model.impairments import Impairments
from testbed.model.link import Direction, LinkSchedule, QueueLimit

MS = 10**6
UP, DOWN = Direction
SANITISED = LINKD.with_name("linkd-san")
CORE = Path(__file__).parents[3] / "testbed" / "link" / "core"


def ping(lab: pair.Pair, *options: str, to: str = "10.0.0.2") -> tuple[int, list[float]]:
    """Return how many of 20 pings were answered, and their RTTs in ms."""
    out = subprocess.run(
        ["nsenter", "-t", str(lab.left.pid), "-n", "ping", "-c", "20", "-i", "0.02", "-W", "1", *options, to],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    return out.count("bytes from"), [float(x) for x in re.findall(r"time=([\d.]+)", out)]


def started(up: LinkSchedule, down: LinkSchedule | None = None, **fields: object):  # type: ignore[no-untyped-def]
    return pair.emulated([pair.spec(up=up, down=down or up, **fields)])


def test_delay_is_added_in_each_direction() -> None:
    """10 ms up and 30 ms down make 40 ms there and back, from before the start on."""
    up, down = LinkSchedule.constant(delay_ns=10 * MS), LinkSchedule.constant(delay_ns=30 * MS)
    with started(up, down) as lab:
        answered, rtts = ping(lab)
        assert 20 == answered
        assert 40 <= min(rtts) < 45
        lab.backend.start(time.time_ns())
        assert 40 <= min(ping(lab)[1]) < 45


def test_loss_and_outage_begin_with_the_start() -> None:
    """A schedule that loses everything lets everything pass until the links start."""
    with started(LinkSchedule.constant(loss=1.0)) as lab:
        assert 20 == ping(lab)[0]
        lab.backend.start(time.time_ns())
        assert 0 == ping(lab)[0]
        counters = lab.backend.read()["link0", UP]
        assert counters.packets_in == counters.lost


def test_live_changes_take_effect_and_end() -> None:
    """A change lasts until another one, or until its time is over; Restore goes back to the schedule."""
    with started(LinkSchedule.constant(delay_ns=MS)) as lab:
        lab.backend.start(time.time_ns())
        lab.backend.inject("link0", UP, Change(delay_ns=20 * MS))
        assert 21 <= min(ping(lab)[1]) < 26
        lab.backend.inject("link0", None, outage(60 * 10**9))
        assert 0 == ping(lab, "-W", "0.2")[0]
        lab.backend.inject("link0", None, Restore())
        answered, rtts = ping(lab)
        assert 20 == answered
        assert 2 <= min(rtts) < 20
        with pytest.raises(RunError, match="no link 'nowhere'"):
            lab.backend.inject("nowhere", None, Restore())


def test_frames_are_cut_to_the_mtu_and_whole() -> None:
    """A TCP stream's large segments arrive as MTU frames, all of them, though nobody turned offloads off."""
    with started(LinkSchedule.constant(delay_ns=MS)) as lab:
        lab.backend.start(time.time_ns())
        server = "import socket;s=socket.create_server(('10.0.0.2',9));print(flush=True);c,_=s.accept();n=0\n"
        server += "while d:=c.recv(1<<16): n+=len(d)\nprint(n)"
        client = "import socket;s=socket.create_connection(('10.0.0.2',9));s.sendall(bytes(4<<20))"
        receiver = lab.right.spawn([sys.executable, "-c", server])
        assert receiver.stdout is not None
        receiver.stdout.readline()
        lab.left.run(sys.executable, "-c", client)
        assert str(4 << 20).encode() == receiver.communicate(timeout=60)[0].strip()
        up = lab.backend.close().directions[0]
        records = read_bins(lab.folder / "links.bins")

    assert up.packets >= (4 << 20) / 1448
    assert {} == up.causes
    assert 0 == up.unasked_reorderings
    assert up.packets == sum(n for n, d in zip(records["packets_out"].to_pylist(), records["direction"].to_pylist(),
                                               strict=True) if d == "up")  # fmt: skip


def test_corrupted_packets_do_not_pass_a_checksum() -> None:
    """With every packet corrupted behind its Ethernet header, no ping is answered, and all are counted."""
    with started(LinkSchedule.constant(), up_impairments=Impairments(corrupt=1.0)) as lab:
        assert 20 == ping(lab)[0]  # neighbours are known from here on
        lab.backend.start(time.time_ns())
        assert ping(lab, "-W", "0.2")[0] <= 2  # a bit of an address or a reserved field may go unnoticed
        assert lab.backend.close().directions[0].packets >= 20


def test_duplicates_arrive() -> None:
    """With every packet doubled, each ping is answered and the copies are seen."""
    with started(LinkSchedule.constant(delay_ns=MS), up_impairments=Impairments(duplicate=1.0)) as lab:
        ping(lab)
        lab.backend.start(time.time_ns())
        _, rtts = ping(lab)
        assert len(rtts) >= 38


def test_a_killed_linkd_is_a_fault_with_its_evidence_kept() -> None:
    """After SIGKILL the certificate names it, and the counters and records until then are there."""
    with started(LinkSchedule.constant()) as lab:
        lab.backend.start(time.time_ns())
        ping(lab, "-c", "60")
        os.kill(lab.backend.pid, signal.SIGKILL)
        certificate = lab.backend.close()

        assert "linkd ended with status -9" in certificate.faults_against()[0]
        assert certificate.directions[0].packets >= 60
        assert read_bins(lab.folder / "links.bins").num_rows > 0


def test_linkd_ends_with_its_parent(tmp_path: Path) -> None:
    """When the process that opened the links is killed, linkd ends by itself and writes its records."""
    with pair.host() as middle:
        middle.run("ip", "link", "add", "l0", "type", "veth", "peer", "name", "r0")
        program = (
            "import sys,time,pathlib; from testbed.link.native import NativeBackend; from testbed.link import pair;"
            "from testbed.model.link import LinkSchedule as L; b=NativeBackend(pathlib.Path(sys.argv[1]));"
            "b.open([pair.spec(up=L.constant(), down=L.constant())]); print(b.pid, flush=True); time.sleep(60)"
        )
        parent = middle.spawn([sys.executable, "-c", program, str(tmp_path)])
        assert parent.stdout is not None
        linkd = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert select.select([linkd], [], [], 5.0)[0], "linkd is still there"
        os.close(linkd)
        parent.communicate()


def test_a_missing_interface_is_named(tmp_path: Path) -> None:
    """Opening a link on an interface that is not there says which."""
    with pair.host() as middle:
        backend = NativeBackend(tmp_path, middle.spawn)
        schedule = LinkSchedule.constant()
        with pytest.raises(RunError, match="interface l0: No such device"):
            backend.open([pair.spec(up=schedule, down=schedule)])


def test_vlan_tags_and_marks_pass() -> None:
    """Frames with an 802.1Q tag go through unchanged, and their DSCP is counted."""
    with started(LinkSchedule.constant(delay_ns=MS)) as lab:
        lab.backend.start(time.time_ns())
        ip = bytes.fromhex("45b80014000000004011000001010101 02020202".replace(" ", ""))
        frame = bytes(12) + bytes.fromhex("8100002a0800") + ip + bytes(40)
        send = f"import socket;s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW);s.bind(('e0',0));s.send({frame!r})"
        receive = (
            "import socket;s=socket.socket(socket.AF_PACKET,socket.SOCK_RAW,socket.htons(3));s.bind(('e0',3));"
            "s.setsockopt(263,8,1);print(flush=True)\n"
            f"while {ip!r} not in (got:=s.recvmsg(2048,256))[0]: pass\n"
            "print(got[0].hex(),[x[2].hex() for x in got[1]])"
        )
        listener = lab.right.spawn([sys.executable, "-c", receive])
        assert listener.stdout is not None
        listener.stdout.readline()
        lab.left.run(sys.executable, "-c", send)
        seen = listener.communicate(timeout=60)[0].decode()
        assert "2a00" in seen or "8100002a" in seen  # the tag, in the frame or in its metadata
        assert 1 == lab.backend.read()["link0", UP].marked_out


def test_frames_of_one_length_count_as_marked() -> None:
    """Inside a tunnel no DSCP shows: frames of exactly the given lengths count as marked, each by its mark."""
    spec = pair.spec(up=LinkSchedule.constant(), down=LinkSchedule.constant())
    with pair.emulated(
        [spec], lambda folder, spawn: NativeBackend(folder, spawn, mark_lengths=(186, 202))
    ) as lab:
        lab.backend.start(time.time_ns())
        for payload in ("143", "144", "145", "160"):  # frames of 185, 186, 187 and 202 bytes
            ping(lab, "-s", payload, "-W", "1")
        counted = lab.backend.read()["link0", UP]
        assert (20, 20) == (counted.marked_out, counted.marked_new_out)


def test_sanitised_linkd_forwards_and_ends_clean() -> None:
    """Built with address and undefined-behaviour sanitisers, linkd carries traffic and changes without a report."""
    subprocess.run(["make", "-s", "-C", str(CORE), "sanitised"], check=True, timeout=120)
    schedule = LinkSchedule.constant(delay_ns=MS, loss=0.2, rate_bps=10**6)
    every = Impairments(reorder=0.1, reorder_ns=MS, duplicate=0.1, corrupt=0.1)
    spec = pair.spec(up=schedule, down=schedule, up_impairments=every)
    with pair.emulated([spec], lambda folder, spawn: NativeBackend(folder, spawn, linkd=SANITISED)) as lab:
        lab.backend.start(time.time_ns())
        ping(lab, "-c", "100", "-i", "0.01", "-W", "0.3")
        lab.backend.inject("link0", None, outage(100 * MS, hold=True))
        ping(lab, "-W", "0.3")
        certificate = lab.backend.close()
        assert () == certificate.faults, certificate.faults


def test_links_of_a_cell_share_its_rate() -> None:
    """Two links through one cell of 1 Mbit/s: what fills it on one link delays the other's packets."""
    schedule = LinkSchedule.constant(delay_ns=MS)
    cell = Cell("beam", LinkSchedule.constant(rate_bps=10**6, queue=QueueLimit(bytes=12_500)))
    specs = [pair.spec(i, up=schedule, down=schedule, up_cell="beam") for i in range(2)]
    with pair.emulated(specs, lambda folder, spawn: NativeBackend(folder, spawn, cells=[cell])) as lab:
        lab.backend.start(time.time_ns())
        assert min(ping(lab, to="10.0.1.2")[1]) < 10
        flood = lab.left.spawn(
            ["ping", "-q", "-s", "1400", "-i", "0.002", "-c", "15000", "-w", "30", "10.0.0.2"]
        )
        slowest, drops, deadline = 0.0, 0, time.monotonic() + 30
        while (
            slowest <= 80 or not drops
        ) and time.monotonic() < deadline:  # a starved flood fills the queue later
            slowest = max(slowest, *ping(lab, to="10.0.1.2")[1], 0.0)
            drops = lab.backend.read()["link0", UP].queue_drops
        assert slowest > 80
        assert drops
        flood.kill()
        flood.communicate()


def test_light_hubs_play_to_the_bit_and_fill_the_cell_of_a_real_link() -> None:
    """Light hubs of a cell of their own do what they do in logical time; others crowd a real link."""
    lane, beam, alone = LinkSchedule.constant(delay_ns=5 * MS), *(
        Cell(name, LinkSchedule.constant(rate_bps=10**6, queue=QueueLimit(time_ns=200 * MS))) for name in "ba"
    )
    hubs = [
        LightHub([(LightLane(lane, cell="alone" if i < 10 else "beam"), LightLane(lane))], users=1, sizes=(9_000,))
        for i in range(50)
    ]
    streams = [LightStream(LoadKind.BEAT, 160 * MS, 1000, 46), LightStream(LoadKind.FETCH, 500 * MS)]
    plan = light_plan.plan(
        hubs, {"alone": alone, "beam": beam}, streams, [HubMove(0, i, 0) for i in range(50)], duration_ns=30 * 10**9
    )
    logical = LightFleet(plan)
    logical.run(2 * 10**9 - 1)
    expected = logical.tallies().bins[:, :2, :10]
    logical.close()
    spec = pair.spec(up=lane, down=lane, up_cell="beam")
    with pair.emulated([spec], lambda folder, spawn: NativeBackend(folder, spawn, fleet=plan)) as lab:
        backend = lab.backend
        assert isinstance(backend, NativeBackend)
        assert min(ping(lab)[1]) < 100
        backend.start(time.time_ns())
        slowest, same, deadline = 0.0, False, time.monotonic() + 30
        while not (same and slowest > 100) and time.monotonic() < deadline:
            slowest = max(slowest, *ping(lab)[1], 0.0)
            same = expected.tobytes() == backend.tallies().bins[:, :2, :10].tobytes()
        assert same
        assert slowest > 100
        assert () == backend.close().faults_against(Budget(late_share=1, late_ns_max=10**10, away_share=1))


def test_two_links_in_one_process() -> None:
    """Links of one process keep apart: a cut on one leaves the other alone."""
    schedule = LinkSchedule.constant(delay_ns=2 * MS)
    with pair.emulated([pair.spec(i, up=schedule, down=schedule) for i in range(2)]) as lab:
        lab.backend.start(time.time_ns())
        lab.backend.inject("link0", None, outage(20 * 10**9))
        assert 0 == ping(lab, "-W", "0.2")[0]
        assert 20 == ping(lab, to="10.0.1.2")[0]
