"""A server that several links share, by classes of DSCP."""

from __future__ import annotations

import numpy as np

from testbed.link.layout import Cell
from testbed.link.simulated import NO_ROOM, SimulatedLink
from testbed.model.link import LinkSchedule, QueueLimit

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
