"""A server that several links share, by classes of DSCP."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import RunError
from testbed.link.backend import LinkSpec
from testbed.link.simulated import NO_ROOM, Packets, SimulatedBackend, SimulatedLink
from testbed.model.cell import Cell
from testbed.model.link import Direction, LinkSchedule, QueueLimit
from tests.unit.link.slow_cell import Sent, departures

MS = 10**6
EF, BULK = 46, 8
RATE = LinkSchedule.constant(rate_bps=1_000_000)  # 1,250 bytes in 10 ms
ZEROS = np.zeros(6, np.int64)


def classified(cell: Cell, marks: list[int]) -> list[int]:
    """Return the marks of 1,250-byte packets that arrive at once, in the order of their departure."""
    link = SimulatedLink(cell.schedule)
    link.classify(cell)
    link.start(0)
    sent = link.send(np.zeros(len(marks), np.int64), 1250, np.array(marks, np.uint8))
    assert [10 * MS * (i + 1) for i in range(len(marks))] == sent.depart_ns.tolist()
    return [marks[i] for i in sent.number.tolist()]


def test_strict_priority_overtakes_what_waits_but_not_what_is_served():
    """The marked packets go before all others that wait; the one in service is finished first."""
    cell = Cell("beam", RATE, classes=(frozenset({EF}),))

    assert [0, EF, EF, 0, 0] == classified(cell, [0, 0, EF, 0, EF])


def test_the_highest_class_goes_first():
    """Of three classes, those named later go before those named earlier, and both before the rest."""
    cell = Cell("beam", RATE, classes=(frozenset({BULK}), frozenset({EF})))

    assert [0, EF, BULK, 0] == classified(cell, [0, 0, BULK, EF])


def test_weights_share_the_rate():
    """With three times the weight a class sends three packets for each of the other's."""
    cell = Cell("beam", RATE, classes=(frozenset({EF}),), weights=(1250, 3750))
    order = classified(cell, [0] * 20 + [EF] * 20)

    assert 15 == order[:20].count(EF)


def test_links_of_a_cell_share_its_rate_and_keep_their_delays():
    """Two links at once through one cell take turns in order of arrival; each adds its own delay."""
    near, far = LinkSchedule.constant(delay_ns=MS), LinkSchedule.constant(delay_ns=50 * MS)
    cell, a, b = SimulatedLink(RATE), SimulatedLink(near), SimulatedLink(far)
    for link in (cell, a, b):
        link.start(0)
    a.share(cell)
    b.share(cell)
    for _ in range(3):
        a.send(ZEROS[:1], 1250, until_ns=0)
        b.send(ZEROS[:1], 1250, until_ns=0)

    assert [11 * MS, 31 * MS, 51 * MS] == a.send(ZEROS[:0], 0).depart_ns.tolist()
    assert [70 * MS, 90 * MS, 110 * MS] == b.send(ZEROS[:0], 0).depart_ns.tolist()


def test_the_cell_has_one_queue_limit():
    """A queue that one link fills has no room for the other's packet."""
    cell = SimulatedLink(LinkSchedule.constant(rate_bps=1_000_000, queue=QueueLimit(packets=2)))
    a, b = SimulatedLink(LinkSchedule.constant()), SimulatedLink(LinkSchedule.constant())
    for link in (cell, a, b):
        link.start(0)
    a.share(cell)
    b.share(cell)
    a.send(ZEROS[:2], 1250, until_ns=0)

    assert NO_ROOM == b.send(ZEROS[:1], 1250, until_ns=0).fate[0]


def shared(cell: Cell, *downs: LinkSchedule) -> SimulatedBackend:
    """Return a back end whose links, one for each schedule, go down through the cell."""
    backend = SimulatedBackend(cells=[cell])
    plain = LinkSchedule.constant()
    backend.open(
        [LinkSpec(f"hub{i}", "a", "b", plain, down, down_cell="beam") for i, down in enumerate(downs)]
    )
    backend.start(0)
    return backend


packets = st.lists(
    st.tuples(st.integers(0, 8 * MS), st.integers(0, 2), st.integers(1, 1600), st.booleans()),
    min_size=1,
    max_size=30,
)


@given(
    packets,
    st.lists(st.sampled_from([9_600, 1_000_000, 7_654_321, 0]), min_size=3, max_size=3),
    st.booleans(),
)
def test_a_back_end_serves_a_cell_as_the_slow_model(drawn, rates: list[int], by_class: bool) -> None:
    """Three links through a cell of changing rate, by order or by class: every departure to the nanosecond."""
    beam = LinkSchedule(
        np.array([0, 5, 12], np.int64) * MS, np.zeros(3, np.int64), np.zeros(3), np.array(rates, np.int64),
        np.zeros(3, np.uint8), 20 * MS, repeat=True,
    )  # fmt: skip
    delays = [LinkSchedule.constant(delay_ns=d * MS) for d in (0, 3, 40)]
    backend = shared(Cell("beam", beam, classes=(frozenset({EF}),) if by_class else ()), *delays)
    order, now = [], 0
    for gap, link, size, urgent in drawn:
        now += gap
        order.append(Sent(now, link, size, 0 if urgent or not by_class else 1))
    order.sort(key=lambda packet: (packet.t, packet.link))  # on a tie in the order of the links
    keys = [(f"hub{k}", Direction.DOWN) for k in range(3)]

    def through(k: int) -> Packets:
        mine = [p for p in order if p.link == k]
        marks = [0 if p.urgency else EF for p in mine]
        return Packets.of(
            np.array([p.t for p in mine], np.int64),
            np.array([p.size for p in mine], np.uint32),
            np.array(marks, np.uint8),
        )

    transits = backend.send_all({key: through(k) for k, key in enumerate(keys)})

    expected = departures(beam, delays, order, horizon=10**12)
    for k, key in enumerate(keys):
        mine = [t for p, t in zip(order, expected, strict=True) if p.link == k]
        transit = transits[key]
        by_number = dict(zip(transit.number.tolist(), transit.depart_ns.tolist(), strict=True))
        assert mine == [by_number[i] for i in range(len(mine))]


def test_a_back_end_counts_a_cell_s_drops_where_they_happen() -> None:
    """With room for two packets in the cell, the third is a queue drop of the link that sent it."""
    backend = shared(
        Cell("beam", LinkSchedule.constant(rate_bps=1_000_000, queue=QueueLimit(packets=2))),
        LinkSchedule.constant(),
        LinkSchedule.constant(),
    )
    hub0, hub1 = (("hub0", Direction.DOWN), ("hub1", Direction.DOWN))

    transits = backend.send_all({hub0: Packets.of(ZEROS[:2], 1250), hub1: Packets.of(ZEROS[:1] + 1, 1250)})

    assert [10 * MS, 20 * MS] == transits[hub0].depart_ns.tolist()
    assert [NO_ROOM] == transits[hub1].fate.tolist()
    assert (0, 1) == (backend.read()[hub0].queue_drops, backend.read()[hub1].queue_drops)
    assert () == backend.close().faults_against()


def test_an_unknown_cell_is_refused() -> None:
    """A link through a cell that nobody made is an error that names those there are."""
    backend = SimulatedBackend(cells=[Cell("beam", RATE)])

    with pytest.raises(RunError, match="no cell 'spot'; there are: beam"):
        backend.open([LinkSpec("hub", "a", "b", RATE, RATE, up_cell="spot")])
