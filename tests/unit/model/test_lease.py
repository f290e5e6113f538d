"""DHCP when many hubs ask at once, where the answer is known."""

from __future__ import annotations

import numpy as np

from testbed.model.lease import LeaseAsk, LeaseServer, LeaseStorm, storm

S, MS = 10**9, 10**6


def asked(count: int, server: LeaseServer, *, rtt_ns: int = 0, end_ns: int = 600 * S, seed: int = 1) -> LeaseStorm:
    return storm([LeaseAsk(client, S, rtt_ns) for client in range(count)], server, end_ns, seed)


def test_one_client_takes_two_round_trips() -> None:
    """And the server's time for a DISCOVER and a REQUEST."""
    alone = asked(1, LeaseServer(100.0), rtt_ns=40 * MS)

    assert [S + 2 * (40 + 10) * MS] == alone.leased_ns.tolist()
    assert [S + 20 * MS, S + (40 + 10 + 20) * MS] == alone.messages_ns.tolist()


def test_all_stand_in_one_queue() -> None:
    """A hundred at once, a hundred answers a second: all offers first, so that the last has its lease after two."""
    many = asked(100, LeaseServer(100.0, queue=1000))

    assert [S + S + 10 * MS, S + 2 * S] == [many.leased_ns.min(), many.leased_ns.max()]
    assert (200, 0) == (len(many.messages_ns), many.dropped)


def test_what_finds_the_queue_full_asks_again_after_four_seconds() -> None:
    """Of five at once, one is answered and one waits; the others' next try is 3 to 5 s later, alone."""
    few = asked(5, LeaseServer(1000.0, queue=1))

    at_once = few.leased_ns < 2 * S
    assert 2 == np.count_nonzero(at_once)
    assert 3 == few.dropped
    assert np.all((few.leased_ns[~at_once] > 4 * S) & (few.leased_ns[~at_once] < 6 * S + 10 * MS))


def test_a_slow_server_answers_those_that_have_asked_again() -> None:
    """What it could do in 20 s takes longer: it answers the same client's questions twice."""
    slow = asked(200, LeaseServer(20.0, queue=10_000))

    assert np.all(slow.leased_ns > 0)
    assert len(slow.messages_ns) > 400
    assert slow.leased_ns.max() > S + 20 * S


def test_who_has_none_at_the_end_is_known() -> None:
    """And one seed is one storm."""
    first, second = (asked(100, LeaseServer(10.0, queue=10), end_ns=5 * S, seed=7) for _ in range(2))

    assert 0 < np.count_nonzero(first.leased_ns < 0) < 100
    assert np.array_equal(first.leased_ns, second.leased_ns)
