"""The simulated back end: repeatable, fast, and everything that a live link can be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from testbed.link.backend import Change, LinkSpec, Restore, outage
from testbed.link.delivery import delivery_segments
from testbed.link.fidelity import Certificate
from testbed.link.simulated import ACCEPTED, CUT, LOST, NO_ROOM, SimulatedBackend, SimulatedLink
from testbed.model.impairments import Impairments
from testbed.model.link import Direction, LinkSchedule, LinkState, QueueLimit

MS = 10**6
S = 10**9
UP, DOWN = Direction


def every(gap_ns: int, n: int, start_ns: int = 0) -> np.ndarray:
    return start_ns + gap_ns * np.arange(n, dtype=np.int64)


def opened(up: LinkSchedule, down: LinkSchedule | None = None, **fields: Any) -> SimulatedBackend:
    backend = SimulatedBackend()
    backend.open([LinkSpec("starlink", "a", "b", up, down or up, **fields)])
    backend.start(0)
    return backend


def test_same_seed_loses_the_same_packets():
    """Two links with the same seed and arrivals have the same bytes as evidence; another seed has not."""
    schedule = LinkSchedule.constant(delay_ns=25 * MS, loss=0.1)
    runs = []
    for seed in (7, 7, 8):
        link = SimulatedLink(schedule, seed)
        link.start(0)
        transit = link.send(every(MS, 2000), 100)
        runs.append((transit.fate.tobytes(), link.bins().tobytes()))
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_directions_lose_independently():
    """Up and down of one link draw different numbers from the same seed."""
    schedule = LinkSchedule.constant(loss=0.5)
    backend = opened(schedule)

    assert not np.array_equal(
        backend.send("starlink", UP, every(MS, 500), 100).fate,
        backend.send("starlink", DOWN, every(MS, 500), 100).fate,
    )


def test_loss_is_as_asked():
    """One packet in ten is lost of 200,000, within four standard deviations; 0 and 1 are exact."""
    for loss, least, most in ((0.0, 0, 0), (0.1, 19_463, 20_537), (1.0, 200_000, 200_000)):
        link = SimulatedLink(LinkSchedule.constant(loss=loss), 1)
        link.start(0)
        assert least <= int((link.send(every(MS, 200_000), 100).fate == LOST).sum()) <= most


def test_before_the_start_nothing_is_lost_and_the_first_segment_holds():
    """The lab is provisioned through the first segment's delay; loss and outage wait for the start."""
    schedule = LinkSchedule.constant(delay_ns=25 * MS, loss=1.0, state=LinkState.CUT)
    link = SimulatedLink(schedule)
    before = link.send(every(MS, 10), 100)
    link.start(S)
    after = link.send(every(MS, 10, S), 100)

    assert [ACCEPTED] * 10 == before.fate.tolist()
    assert (every(MS, 10) + 25 * MS).tolist() == before.depart_ns.tolist()
    assert [CUT] * 10 == after.fate.tolist()
    assert 10 == link.counters["packets_in"]


def test_a_live_rate_acts_on_what_waits():
    """A queue of ten packets at 1 Mbit/s empties ten times as fast from the instant the rate is raised."""
    backend = opened(LinkSchedule.constant(rate_bps=1_000_000))
    backend.send("starlink", UP, np.zeros(10, np.int64), 1250, until_ns=25 * MS)
    backend.inject("starlink", UP, Change(rate_bps=10_000_000))
    later = backend.send("starlink", UP, np.zeros(0, np.int64), 1250)

    # two left at 10 and 20 ms; the third was half through at 25 ms
    assert [25.5 + i for i in range(8)] == (later.depart_ns / MS).tolist()


def test_a_hold_keeps_packets_and_a_cut_drops_them():
    """Packets sent into a hold arrive after it, in order; packets sent into a cut do not."""
    backend = opened(LinkSchedule.constant(delay_ns=MS))
    backend.inject("starlink", UP, outage(100 * MS, hold=True))
    backend.inject("starlink", DOWN, outage(100 * MS))
    held = backend.send("starlink", UP, every(10 * MS, 12), 100)
    cut = backend.send("starlink", DOWN, every(10 * MS, 12), 100)

    assert [101] * 11 + [111] == (held.depart_ns // MS).tolist()
    assert [CUT] * 10 + [ACCEPTED] * 2 == cut.fate.tolist()


def test_restore_ends_every_change():
    """Loss, delay, rate and state are the schedule's again."""
    backend = opened(LinkSchedule.constant(delay_ns=5 * MS))
    backend.inject("starlink", None, Change(delay_ns=50 * MS, rate_bps=8, loss=1.0, state=LinkState.CUT))
    assert CUT == backend.send("starlink", UP, np.zeros(1, np.int64), 100).fate[0]
    backend.inject("starlink", None, Restore())

    assert [5 * MS] == backend.send("starlink", UP, np.zeros(1, np.int64), 100).depart_ns.tolist()


def test_a_falling_delay_does_not_reorder():
    """A packet sent after the delay fell waits for those before it."""
    t = np.array([0, 10 * MS], np.int64)
    falling = LinkSchedule(
        t, np.array([50 * MS, 5 * MS]), np.zeros(2), np.zeros(2, np.int64), np.zeros(2, np.uint8), S
    )
    link = SimulatedLink(falling)
    link.start(0)

    assert [50 * MS, 50 * MS] == link.send(np.array([0, 12 * MS]), 100).depart_ns.tolist()


def test_reordering_duplication_and_corruption_only_where_asked():
    """A profile's packets are late, doubled and marked as often as it says; without one none is."""
    wanted = Impairments(reorder=0.1, reorder_ns=10 * MS, duplicate=0.2, corrupt=0.3)
    for impairments, shares in ((Impairments(), (0, 0, 0)), (wanted, (0.1, 0.2, 0.3))):
        link = SimulatedLink(LinkSchedule.constant(delay_ns=MS), impairments=impairments)
        link.start(0)
        n = 10_000
        transit = link.send(every(MS, n), 100)
        c = link.counters
        found = (c["delayed"] / n, c["duplicated"] / n, c["corrupted"] / len(transit.depart_ns))
        assert np.allclose(shares, found, atol=0.02)
        assert np.all(np.diff(transit.depart_ns) >= 0)
        assert bool(np.any(np.diff(transit.number.astype(np.int64)) < 0)) == (impairments.reorder > 0)
        assert 0 == c["reordered"]


def test_queue_limits_count_apart_from_loss():
    """What finds the queue full is a queue drop: with room for two packets, two of five at once pass."""
    for queue in (QueueLimit(packets=2), QueueLimit(bytes=2500), QueueLimit(time_ns=20 * MS)):
        link = SimulatedLink(LinkSchedule.constant(rate_bps=1_000_000, queue=queue))
        link.start(0)
        fate = link.send(np.zeros(5, np.int64), 1250).fate
        assert [ACCEPTED, ACCEPTED, NO_ROOM, NO_ROOM, NO_ROOM] == fate.tolist()
        assert (3, 0) == (link.counters["queue_drops"], link.counters["lost"])


def test_the_two_marks_are_counted_apart():
    """Of ten packets of each mark and ten plain ones, each counter has ten."""
    backend = opened(LinkSchedule.constant())
    dscp = np.repeat(np.array([46, 44, 0], np.uint8), 10)
    backend.send("starlink", UP, every(MS, 30), 100, dscp)
    counters, table = backend.read()["starlink", UP], backend.bins()

    assert (10, 10) == (counters.marked_out, counters.marked_new_out)
    assert (10, 10) == tuple(table[name].to_numpy().sum() for name in ("marked_out", "marked_new_out"))


def test_records_add_up_to_the_counters():
    """The 10 ms records of a direction hold the same packets and bytes as its counters."""
    backend = opened(
        LinkSchedule.constant(delay_ns=3 * MS, loss=0.2, rate_bps=2_000_000, queue=QueueLimit(packets=5))
    )
    rng = np.random.default_rng(1)
    t = np.sort(rng.integers(0, S, 2000)).astype(np.int64)
    backend.send("starlink", UP, t, rng.integers(60, 1500, 2000).astype(np.uint32), np.uint8(46))
    counters = vars(backend.read()["starlink", UP])
    table = backend.bins()

    assert set(table["t_ns"].to_numpy() % (10 * MS)) == {0}
    for name in ("packets_in", "bytes_in", "packets_out", "bytes_out", "lost", "queue_drops", "marked_out"):
        assert counters[name] == table[name].to_numpy().sum(), name
    assert counters["packets_out"] == counters["marked_out"]


def test_certificate_of_a_simulation_has_no_fault():
    """Simulated departures are exactly the requested ones, and the rate is the schedule's."""
    backend = opened(LinkSchedule.constant(delay_ns=MS, rate_bps=5_000_000, loss=0.01))
    backend.send("starlink", UP, every(MS, 5000), 1000)
    certificate = backend.close()
    up = certificate.directions[0]

    assert () == certificate.faults_against()
    assert 0 == up.late_ns_max
    assert 5_000_000 == round(up.rate_asked_bps or 0)
    assert abs((up.rate_achieved_bps or 0) / 5_000_000 - 1) < 0.001


def test_mahimahi_opportunities_are_a_rate():
    """An opportunity is 1,500 bytes within one ns: packets go out at those instants, unused ones are gone."""
    at = np.array([10, 20, 20, 40], np.int64) * MS
    t, rate, state = delivery_segments(at)
    schedule = LinkSchedule(t, np.zeros(len(t), np.int64), np.zeros(len(t)), rate, state, 60 * MS)
    link = SimulatedLink(schedule)
    link.start(0)
    sent = np.array([0, 0, 0, 30], np.int64) * MS

    departures = link.send(sent, np.array([1000, 500, 3000, 100], np.uint32)).depart_ns

    assert [10 * MS + 1, 10 * MS + 1, 20 * MS + 1, 40 * MS + 1] == departures.tolist()


def test_a_rate_is_not_judged_by_the_packet_at_its_edge():
    """Of a few packets the last may be half outside; of many, the same error of 3 % is a fault."""
    backend = opened(LinkSchedule.constant(rate_bps=5_000_000))
    backend.send("starlink", UP, every(MS, 5000), 1000)
    up = replace(backend.close().directions[0], rate_achieved_bps=5_150_000.0)

    few, many = (Certificate("simulated", (replace(up, rated_packets=n),)) for n in (40, 4000))
    assert () == few.faults_against()
    assert ("starlink up: the rate was missed by 3.0%",) == many.faults_against()
