"""One file of what was captured at each port."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pytest

from testbed.capture.causes import Causes
from testbed.capture.pcap import Frame, frames
from testbed.capture.pcapng import PcapngWriter
from testbed.capture.points import Point, points, problems
from testbed.capture.weave import Raw, Story, weave
from testbed.errors import InputError
from testbed.model.capture import CaptureWish, Seen
from testbed.model.facts import Happening
from testbed.model.topology import Topology, WireEnd
from testbed.paths import TOPOLOGIES
from testbed.yaml import load

START, MS = 1_800_000_000_123_456_789, 1_000_000
DISH, POP = bytes.fromhex("02000000aa01"), bytes.fromhex("02000000bb01")


def udp(sender: bytes, receiver: bytes, number: int) -> bytes:
    """An Ethernet frame with a UDP datagram that bears a number."""
    payload = struct.pack("!HHHHI", 5000, 6000, 12, 0, number)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 32, number, 0, 64, 17, 0, bytes(4), bytes(4))
    return receiver + sender + b"\x08\x00" + header + payload


def pcap(path: Path, *packets: tuple[int, bytes]) -> Path:
    """A file as tcpdump writes it with nanoseconds."""
    with path.open("wb") as stream:
        stream.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 128, 1))
        for t_ns, data in packets:
            stream.write(struct.pack("<IIII", t_ns // 10**9, t_ns % 10**9, len(data), len(data)) + data)
    return path


@pytest.fixture()
def captured(tmp_path: Path) -> list[Raw]:
    """Three datagrams up, of which the second is lost; one down."""
    up = [(START + n * 10 * MS, udp(DISH, POP, n)) for n in range(3)]
    down = (START + 5 * MS, udp(POP, DISH, 9))
    came = [(t_ns + 20 * MS, data) for n, (t_ns, data) in enumerate(up) if n != 1]
    dish = pcap(tmp_path / "0.pcap", *sorted([*up, (down[0] + 20 * MS, down[1])]))
    pop = pcap(tmp_path / "1.pcap", *sorted([*came, down]))
    near, far = points(CaptureWish(("starlink",)), topology())
    return [Raw(near, dish, DISH, 0), Raw(far, pop, POP, 0)]


def topology() -> Topology:
    return load.read(TOPOLOGIES / "hub-two-uplinks.yaml", Topology)


def links(**counts: int) -> pa.Table:
    """The links' records of one bin, 10 to 20 ms after the start."""
    row = {"t_ns": 10 * MS, "link": "starlink", "direction": "up", "cut": 0, "lost": 0, "queue_drops": 0} | counts
    return pa.table({name: [value] for name, value in row.items()})


def told(raws: list[Raw], story: Story) -> tuple[dict[str, Seen], bytes]:
    stream = BytesIO()
    return weave(raws, story, 128, stream, "testbed"), stream.getvalue()


def test_each_side_of_a_link_is_an_interface(captured: list[Raw]):
    """What came in and what came out are counted for each direction, and the one that never left with its cause."""
    seen, _ = told(captured, Story("smoke", START, START + 10**9, (), Causes.of(links(lost=1))))

    assert {
        "starlink up entrance": Seen(3, 138, {"lost": 1}),
        "starlink down exit": Seen(1, 46),
        "starlink down entrance": Seen(1, 46),
        "starlink up exit": Seen(2, 92),
    } == seen


@pytest.mark.parametrize(
    ("counts", "cause"),
    [
        ({"cut": 1}, "cut"),
        ({"queue_drops": 2}, "queue full"),
        ({"lost": 1, "queue_drops": 1}, "lost or queue full"),
        ({}, "unknown"),
    ],
)
def test_the_cause_is_the_one_of_the_links_records(captured: list[Raw], counts: dict[str, int], cause: str):
    """Where the records cannot tell, several causes or none are named."""
    seen, _ = told(captured, Story("smoke", START, START + 10**9, (), Causes.of(links(**counts))))

    assert {cause: 1} == seen["starlink up entrance"].never_left


def test_what_came_before_all_ports_were_captured_is_left_out(captured: list[Raw]):
    """A packet whose exit could not be seen yet is not called lost."""
    seen, _ = told([replace(raw, began_ns=START + 15 * MS) for raw in captured], Story("x", START, START + 900 * MS))

    assert (1, {}) == (seen["starlink up entrance"].packets, seen["starlink up entrance"].never_left)
    assert 2 == seen["starlink up exit"].packets


def test_no_records_no_causes(captured: list[Raw]):
    """A run whose links left no records still tells what never left."""
    seen, _ = told(captured, Story("smoke", START, START + 10**9))

    assert {"unknown": 1} == seen["starlink up entrance"].never_left


def test_wireshark_reads_it_with_names_and_comments(captured: list[Raw], tmp_path: Path):
    """tshark opens it without a complaint: order, nanoseconds, interface names, what was lost, what happened."""
    if (tshark := shutil.which("tshark")) is None:
        pytest.skip("tshark is not installed: apt install tshark")
    events = (Happening("outage", "starlink", 8 * MS, 15 * MS, "starlink outage 7 ms"),)
    story = Story("smoke", START, START + 10**9, events, Causes.of(links(cut=1)))
    file = tmp_path / "capture.pcapng"
    file.write_bytes(told(captured, story)[1])
    fields = ["frame.time_epoch", "frame.interface_name", "udp.length", "frame.comment"]
    command = [tshark, "-n", "-r", str(file), "-T", "fields", "-E", "separator=|", "-t", "ud"]
    done = subprocess.run(
        [*command, *(part for name in fields for part in ("-e", name))],
        capture_output=True, text=True, check=True, env={"LANG": "C", "HOME": str(tmp_path), "TZ": "UTC"},
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    rows = [line.split("|") for line in done.stdout.splitlines()]

    assert [] == complaints
    assert 7 == len(rows)
    assert "456789" in rows[0][0]
    assert ["starlink up entrance", "starlink down entrance", "starlink up entrance"] == [row[1] for row in rows[:3]]
    assert {"12"} == {row[2] for row in rows}
    assert [
        "event: starlink outage 7 ms begins, 0.008 s after the start,never left starlink up: the link was cut",
        "event: starlink outage 7 ms is over, 0.015 s after the start",
    ] == [row[3] for row in rows if row[3]]


def test_a_doubt_is_told(captured: list[Raw]):
    """Where the capture itself dropped packets, what never left may only not have been seen."""
    near, far = captured
    missed = Raw(far.point, far.path, far.address, 5)
    _, data = told([near, missed], Story("smoke", START, START + 10**9))

    assert b"the capture itself may have missed it" in data
    assert b"the capture missed 5 packets" in data


def test_the_last_packet_of_a_killed_capture_is_left_out(tmp_path: Path):
    """A file that ends within a packet gives the whole ones."""
    path = pcap(tmp_path / "0.pcap", (START, b"x" * 60), (START + 1, b"y" * 60))
    path.write_bytes(path.read_bytes()[:-1])

    assert [Frame(START, 60, b"x" * 60)] == list(frames(path))


def test_another_format_is_refused(tmp_path: Path):
    """A file of microseconds is not taken for one of nanoseconds."""
    path = tmp_path / "0.pcap"
    path.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1))

    with pytest.raises(InputError, match="not a pcap file with nanoseconds"):
        list(frames(path))


def test_blocks_say_their_length_twice():
    """Every block of pcapng ends with its own length, a multiple of four."""
    stream = BytesIO()
    writer = PcapngWriter(stream, "testbed", ["ä comment"])
    writer.interface("starlink up entrance", "what dish:sky0 sends", 128)
    writer.packet(0, START, b"12345", 60, ["one", "two"])
    writer.statistics(0, START, 3)
    data, kinds = stream.getvalue(), []
    while data:
        kind, size = struct.unpack_from("<II", data)
        assert (0, size) == (size % 4, struct.unpack_from("<I", data, size - 4)[0])
        kinds.append(kind)
        data = data[size:]

    assert [0x0A0D0D0A, 1, 6, 5] == kinds


def test_every_link_is_captured_where_none_is_named():
    """Both ends of each link, and a named port once."""
    ends = [str(point.end) for point in points(CaptureWish(), topology())]

    assert ["dish:sky0", "pop-starlink:sky0", "modem:cell0", "pop-lte:cell0"] == ends
    named = points(CaptureWish(("starlink", "dish:sky0", "hub:lan0", "lan:p1")), topology())
    assert Point(WireEnd("hub", "lan0"), "hub:lan0 out", "hub:lan0 in") == named[2]
    assert Point(WireEnd("lan", "p1"), "lan:p1", "lan:p1") == named[3]
    assert 4 == len(named)


@pytest.mark.parametrize(
    ("wish", "bench", "message"),
    [
        (CaptureWish(("starlnk",)), "virtual", "--capture: no link 'starlnk' in this topology; did you mean 'star"),
        (CaptureWish(("dsh:sky0",)), "virtual", "--capture: no node 'dsh' in 'dsh:sky0'; did you mean 'dish'?"),
        (CaptureWish(("dish:sky",)), "virtual", "--capture: no port 'sky' in 'dish:sky'; did you mean 'sky0'?"),
        (CaptureWish(("hub:wan0",)), "shelf", "--capture: the hub of shelf is no node of the lab; "
         "name the other end of its cable, dish:lan0"),
        (CaptureWish(snap=10), "virtual", "--snap: 10 bytes; keep 64 to 262144 bytes of a packet"),
        (CaptureWish(limit=0), "virtual", "--capture-limit: no room at all; write a size, such as '1 GB'"),
    ],
)  # fmt: skip
def test_what_cannot_be_captured_is_refused(wish: CaptureWish, bench: str, message: str):
    """A wish is checked whole before anything starts."""
    (problem,) = problems(wish, topology(), bench)

    assert str(problem).startswith(message)
