"""What netem is told, message by message, and what its counters are taken to mean."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyroute2.netlink.rtnl import TC_H_ROOT
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from testbed.link.layout import CERTAIN, RUN_STATS
from testbed.link.netemd import qdiscs
from testbed.link.netemd.counters import DeviceCounters, incoming_with
from testbed.link.netemd.evidence import NetemEvidence, Queued, Reading, Tally
from testbed.link.netemd.steps import Setting
from testbed.model.link import QueueLimit

MS = 10**6


def decoded(message: bytes) -> tuple[str, Any, Any]:
    """Return the kind, the options and the whole of a message as the kernel reads it."""
    m = tcmsg(message)
    m.decode()
    return m.get_attr("TCA_KIND"), m.get_attr("TCA_OPTIONS"), m


def test_netem_is_told_everything_each_time():
    """Delay in ticks of 64 ns, loss in 2^-32, and the rate without which it would reorder."""
    setting = Setting(delay_ns=25 * MS, loss=0.25, rate_bps=10**6)

    kind, options, message = decoded(qdiscs.message("netem", 7, qdiscs.netem_options(setting), add=True))

    assert ("netem", 7, 0x10000, TC_H_ROOT) == (kind, message["index"], message["handle"], message["parent"])
    assert (390625, 2**30) == (options["delay"], options["loss"])
    assert (0, 0, 0) == (options["jitter"], options["gap"], options["duplicate"])
    assert 2**32 - 1 == options.get_attr("TCA_NETEM_RATE")["rate"]


@pytest.mark.parametrize("setting", [Setting(0, 1.0, 0), Setting(0, 0.0, 0, cut=True)])
def test_a_certain_loss_and_a_cut_let_nothing_through(setting: Setting):
    """Both are a loss of 100 %."""
    assert CERTAIN == qdiscs.netem_options(setting)["loss"]


@pytest.mark.parametrize(
    ("rate_bps", "queue", "rate", "limit"),
    [
        (0, QueueLimit(), 2**32 - 1, 256 << 20),
        (8_000_000, QueueLimit(), 1_000_000, 256 << 20),
        (8_000_000, QueueLimit(bytes=30_000), 1_000_000, 30_000),
        (8_000_000, QueueLimit(time_ns=50 * MS), 1_000_000, 50_000),
        (8_000_000, QueueLimit(bytes=30_000, time_ns=50 * MS), 1_000_000, 30_000),
        (8_000, QueueLimit(time_ns=50 * MS), 1_000, 1600),  # room for a frame, or nothing would ever pass
        (0, QueueLimit(time_ns=50 * MS), 2**32 - 1, 256 << 20),
        (8_000_000, QueueLimit(packets=50), 1_000_000, 50),
        (1, QueueLimit(), 8, 256 << 20),
    ],
)  # fmt: skip
def test_the_token_bucket_has_the_rate_and_the_queue(rate_bps: int, queue: QueueLimit, rate: int, limit: int):
    """Bytes a second, and the limit that the queue's own comes to at this rate."""
    options = qdiscs.rate_options(Setting(0, 0.0, rate_bps), queue)

    kind, found, message = decoded(qdiscs.message("tbf", 7, options, add=False))

    parameters = found.get_attr("TCA_TBF_PARMS")
    assert ("tbf", 0x20000, 0x10001) == (kind, message["handle"], message["parent"])
    assert (rate, limit) == (parameters["rate"], parameters["limit"])
    burst_bytes = parameters["buffer"] * 64 * rate / 10**9
    assert burst_bytes >= max(1600, rate * 0.002), "less than a frame would never pass"


def reading(entered: int, left: int, *, lost: int = 0, queue_drops: int = 0, inside: int = 0) -> Reading:
    """Return counters of packets of 100 bytes, half of which bear one mark, a third the other."""
    return Reading(
        DeviceCounters(entered, 100 * entered, 0),
        DeviceCounters(left, 100 * left, 0),
        Queued(lost, queue_drops, inside, 0),
        left // 2,
        left // 3,
    )


def test_what_was_counted_before_the_start_is_left_out():
    """A tally begins at its first reading."""
    tally = Tally(reading(1000, 900, lost=60, queue_drops=40))

    counters = tally.counters(reading(1010, 906, lost=61, queue_drops=42, inside=1))

    assert (10, 1000) == (counters["packets_in"], counters["bytes_in"])
    assert (6, 600) == (counters["packets_out"], counters["bytes_out"])
    assert (3, 2) == (counters["marked_out"], counters["marked_new_out"])
    assert (1, 0, 2, 1) == tuple(counters[name] for name in ("lost", "cut", "queue_drops", "inside"))


def test_drops_during_a_cut_are_cut_and_others_lost():
    """netem counts both as its drops; when a packet entered tells them apart."""
    tally = Tally(reading(0, 0))
    tally.settle(DeviceCounters(10, 1000, 0), Setting(0, 0.5, 0))
    tally.settle(DeviceCounters(30, 3000, 0), Setting(0, 0.0, 0, cut=True))
    tally.settle(DeviceCounters(50, 5000, 0), Setting(0, 1.0, 0))

    counters = tally.counters(reading(50, 6, lost=44))

    assert (20, 24) == (counters["cut"], counters["lost"])
    assert 25 == counters["loss_asked"] / 2**32


def test_packets_that_an_interface_dropped_are_nobody_s_wish():
    """They make the run invalid, as any loss that was not asked for."""
    tally = Tally(reading(0, 0))
    now = Reading(DeviceCounters(9, 900, 2), DeviceCounters(9, 900, 1), Queued(0, 0, 0, 0), 0, 0)

    assert 3 == tally.counters(now)["device_drops"]


def test_time_in_which_several_changes_waited_counts_once(tmp_path: Path):
    """Two changes that were due at 0 and 5 ms and made at 20 and 30 ms: the links were wrong for 30 ms."""
    evidence = NetemEvidence(2, tmp_path / "links.bins")

    evidence.changed(0, 20 * MS)
    evidence.changed(5 * MS, 30 * MS)
    evidence.changed(40 * MS, 44 * MS)

    run = np.frombuffer(mmap.mmap(evidence.descriptor, 0, prot=mmap.PROT_READ), RUN_STATS, 1)
    assert (2, 30 * MS, 25 * MS) == (run["stalls"][0], run["away_ns"][0], run["stall_max_ns"][0])


def passes(program: list[tuple[int, int, int, int]], frame: bytes, outgoing: bool = False) -> bool:
    """Run the few instructions of classic BPF that the filter uses."""
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == 0x06:
            return value != 0
        if code == 0x20:
            accumulator = 4 if outgoing else 0
        elif code == 0x80:
            accumulator = len(frame)
        elif code == 0x28:
            accumulator = int.from_bytes(frame[value : value + 2])
        elif code == 0x30:
            accumulator = frame[value]
        elif code == 0x54:
            accumulator &= value
        else:
            assert 0x15 == code
            at += if_true if accumulator == value else if_false


ETHERNET = bytes(12)
IP4, IP6 = bytes.fromhex("0800"), bytes.fromhex("86dd")


@pytest.mark.parametrize(
    ("frame", "counts"),
    [
        (ETHERNET + IP4 + bytes([0x45, 46 << 2]) + bytes(40), True),
        (ETHERNET + IP4 + bytes([0x45, 46 << 2 | 3]) + bytes(40), True),  # congestion bits are not the DSCP
        (ETHERNET + IP4 + bytes([0x45, 0]) + bytes(40), False),
        (ETHERNET + IP6 + (0x6000_0000 | 46 << 22).to_bytes(4) + bytes(40), True),
        (ETHERNET + IP6 + (0x6000_0000 | 45 << 22).to_bytes(4) + bytes(40), False),
        (ETHERNET + bytes.fromhex("0806") + bytes([46 << 2] * 40), False),
        (bytes(200), True),
        (bytes(201), False),
    ],
)
def test_marked_packets_are_counted(frame: bytes, counts: bool):
    """IPv4 and IPv6 with the DSCP, and frames of the length, on their way in; nothing else."""
    program = list(incoming_with(46, 200))

    assert counts == passes(program, frame)
    assert not passes(program, frame, outgoing=True)
