"""What each event does to a link's schedule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from testbed.model.event import Event
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.model.uplink import FixedLink, Rates
from testbed.traces.compile import compile_link
from testbed.traces.impair import impair

S, MS = 10**9, 10**6


def played(event: Event, **values: Any) -> LinkSchedule:
    """Up direction of a link of 25 ms, 10 % loss and 8 Mbit/s with an event from 2 s to 5 s."""
    link = FixedLink(25 * MS, **({"rate": 8 * 10**6, "loss": 0.1} | values))
    return compile_link(link, duration_ns=10 * S, seed=1, events=[event]).up


def inside(schedule: LinkSchedule) -> tuple[float, float, int, LinkState]:
    """Delay (ms), loss, rate and state during the event; what surrounds it is untouched."""
    assert [0, 2 * S, 5 * S] == schedule.t_ns.tolist()
    for column in (schedule.delay_ns, schedule.loss, schedule.rate_bps, schedule.state):
        assert column[0] == column[2]
    return (
        schedule.delay_ns[1] / MS,
        round(float(schedule.loss[1]), 6),
        int(schedule.rate_bps[1]),
        LinkState(int(schedule.state[1])),
    )


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(2 * S, "lte", outage=3 * S), (25, 0.1, 8 * 10**6, LinkState.CUT)),
        (Event(2 * S, "lte", reboot=3 * S), (25, 0.1, 8 * 10**6, LinkState.CUT)),
        (Event(2 * S, "lte", hold=3 * S), (25, 0.1, 8 * 10**6, LinkState.HOLD)),
        (Event(2 * S, "lte", brownout=3 * S, loss=0.2, delay=100 * MS), (125, 0.28, 8 * 10**6, LinkState.PASS)),
        (Event(2 * S, "lte", rate_cap=3 * S, rate=Rates(10**6, 10**7)), (25, 0.1, 10**6, LinkState.PASS)),
    ],
    ids=lambda value: value.kind if isinstance(value, Event) else "",
)
def test_an_event_changes_the_link_while_it_lasts(event: Event, expected: tuple[object, ...]) -> None:
    """Each kind changes what it is about, from its first nanosecond to its last."""
    assert expected == inside(played(event))


def test_a_cap_is_of_one_direction() -> None:
    """Up and down have caps of their own; one above the link's rate changes nothing there."""
    cap = Event(2 * S, "lte", rate_cap=3 * S, rate=Rates(10**6, 10**7))
    pair = compile_link(FixedLink(25 * MS, 8 * 10**6), duration_ns=10 * S, seed=1, events=[cap])

    assert (10**6, 8 * 10**6) == (pair.up.rate_bps[1], pair.down.rate_bps[1])


def test_a_cap_holds_where_the_rate_is_unlimited() -> None:
    """A rate of 0 is unlimited in a schedule, and so above every cap."""
    cap = Event(2 * S, "lte", rate_cap=3 * S, rate=Rates(10**6, 10**7))

    assert 10**6 == played(cap, rate=0).rate_bps[1]


def schedule(state: list[LinkState], *, interpolate: bool = False) -> LinkSchedule:
    """Segments of 1 s whose delay rises by 10 ms each."""
    n = len(state)
    return LinkSchedule(
        t_ns=np.arange(n) * S,
        delay_ns=np.arange(n) * 10 * MS,
        loss=np.zeros(n),
        rate_bps=np.zeros(n, np.int64),
        state=np.array(state, np.uint8),
        end_ns=n * S,
        interpolate=interpolate,
    )


def test_a_cut_counts_before_a_hold() -> None:
    """Where the trace is cut, a hold changes nothing; where it holds, an outage cuts."""
    trace = schedule([LinkState.PASS, LinkState.CUT, LinkState.HOLD, LinkState.PASS])
    held = impair(trace, [Event(0, "lte", hold=4 * S)], Direction.UP)
    cut = impair(trace, [Event(0, "lte", outage=4 * S)], Direction.UP)

    assert [LinkState.HOLD, LinkState.CUT, LinkState.HOLD, LinkState.HOLD] == held.state.tolist()
    assert [LinkState.CUT] * 4 == cut.state.tolist()


def test_an_added_delay_begins_at_once_where_delays_run_linearly() -> None:
    """The line is followed until the nanosecond before the event, and again from its end."""
    event = Event(1_500 * MS, "lte", brownout=S, delay=100 * MS)
    found = impair(schedule([LinkState.PASS] * 4, interpolate=True), [event], Direction.UP)
    delay_ms = dict(zip(found.t_ns.tolist(), (found.delay_ns / MS).round(3).tolist(), strict=True))

    assert {1_500 * MS - 1: 15.0, 1_500 * MS: 115.0, 2 * S: 120.0} == {
        t: delay_ms[t] for t in (1_500 * MS - 1, 1_500 * MS, 2 * S)
    }
    assert (125.0, 25.0) == (delay_ms[2_500 * MS - 1], delay_ms[2_500 * MS])
