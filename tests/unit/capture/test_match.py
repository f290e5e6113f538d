"""Which packets never left a link."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from testbed.capture.match import Crossing

MS = 1_000_000


def crossed(entered: list[tuple[int, str]], left: list[tuple[int, str]], end_ns: int) -> tuple[list[int], list[int]]:
    """Return the numbers of those that were lost, and of those still on the link, at the end."""
    crossing, lost = Crossing(), []
    told = [(t, 0, n, key) for n, (t, key) in enumerate(entered)] + [(t, 1, 0, key) for t, key in left]
    for t_ns, leaves, number, key in sorted(told):
        if leaves:
            lost += crossing.leave(t_ns, key)
        else:
            crossing.enter(number, t_ns, key)
    gone, in_flight = crossing.end(end_ns)
    return sorted([*lost, *gone]), list(in_flight)


def test_what_did_not_come_out_before_a_later_one_is_lost():
    """A link keeps the order: the second of three is lost once the third is out."""
    entered = [(0, "a"), (10 * MS, "b"), (40 * MS, "c")]

    assert ([1], []) == crossed(entered, [(30 * MS, "a"), (70 * MS, "c")], 80 * MS)


def test_what_two_processors_noted_in_another_order_is_not_lost():
    """Packets a few microseconds apart may come out the other way round."""
    entered = [(0, "a"), (1_000, "b"), (2_000, "c"), (900 * MS, "d")]
    left = [(30 * MS, "c"), (30 * MS + 10, "a"), (30 * MS + 20, "b"), (930 * MS, "d")]

    assert ([], []) == crossed(entered, left, 2000 * MS)


def test_the_last_ones_may_still_be_on_their_way():
    """What came in shortly before the end is not called lost; what came in long before it is."""
    entered = [(0, "a"), (10 * MS, "b"), (900 * MS, "c")]

    assert ([1], [2]) == crossed(entered, [(30 * MS, "a")], 1000 * MS)


def test_a_packet_that_waits_is_not_lost():
    """A link that holds its packets for seconds loses none of them."""
    entered = [(n * 10 * MS, str(n)) for n in range(100)]
    left = [(5000 * MS + n, str(n)) for n in range(100)]

    assert ([], []) == crossed(entered, left, 9000 * MS)


def test_of_two_alike_the_one_is_lost_that_would_have_taken_too_long():
    """The same bytes twice, once into an outage: the second one came out, as its delay says."""
    entered = [(0, "x"), (100 * MS, "same"), (5000 * MS, "y"), (5100 * MS, "same"), (5200 * MS, "z")]
    left = [(30 * MS, "x"), (5030 * MS, "y"), (5130 * MS, "same"), (5230 * MS, "z")]

    assert ([1], []) == crossed(entered, left, 6000 * MS)


def test_a_stranger_is_counted_and_harms_nobody():
    """What came in before the capture began comes out unmatched."""
    crossing = Crossing()
    crossing.enter(0, 0, "a")

    assert [] == list(crossing.leave(1, "b"))
    assert 1 == crossing.strangers
    assert ((0,), ()) == crossing.end(10_000 * MS)


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 10))
def test_every_lost_one_is_found_whatever_is_alike(kept: list[bool], kinds: int):
    """Losses of a link of constant delay are counted exactly, though packets repeat."""
    entered = [(n * MS, str(n % (kinds + 1))) for n in range(len(kept))]
    left = [(t + 20 * MS, key) for (t, key), out in zip(entered, kept, strict=True) if out]
    lost, in_flight = crossed(entered, left, 10_000 * MS)

    assert kept.count(False) == len(lost)
    assert [] == in_flight
