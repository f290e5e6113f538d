"""What a dish knows of its link at each instant."""

from __future__ import annotations

import pytest

from testbed.dish.sky import Sky
from testbed.dish.terminal import Restart, Terminal
from testbed.model.dish import Dish, DishFault
from testbed.model.event import Event
from testbed.model.uplink import FixedLink
from testbed.traces.compile import compile_link

S, MS = 10**9, 10**6


def terminal(
    *events: Event, dish: Dish | None = None, loss: float = 0.0, restarts: tuple[Restart, ...] = ()
) -> Terminal:
    pair = compile_link(FixedLink(25 * MS, loss=loss), duration_ns=100 * S, seed=1, events=events)
    return Terminal(Sky(pair.up, pair.down), dish or Dish(), list(restarts))


def test_pings_are_those_of_both_directions() -> None:
    """A round trip has the delay of both, and is lost in either."""
    drop, latency_ms = terminal(loss=0.1).pings(5 * S, 6 * S)

    assert pytest.approx(0.19) == drop
    assert pytest.approx(50.0) == latency_ms


def test_before_the_start_nothing_is_lost() -> None:
    """The lab is brought up over links that neither lose nor cut."""
    assert (0.0, 50.0) == terminal(Event(at=0, outage=5 * S), loss=0.5).pings(-2 * S, -S)


def test_a_second_that_is_half_dark_loses_half() -> None:
    """The latency is that of the pings that came back; in the dark there is none."""
    dish = terminal(Event(at=10 * S, outage=5 * S))

    assert (0.5, 50.0) == dish.pings(9 * S + S // 2, 10 * S + S // 2)
    assert (1.0, None) == dish.pings(11 * S, 12 * S)


def test_an_outage_is_told_while_it_lasts_and_kept_afterwards() -> None:
    """With the cause that the dish gives, from a tenth of a second after its begin."""
    dish = terminal(Event(at=10 * S, outage=5 * S), dish=Dish(outages="obstructed"))

    assert dish.outage(10 * S + 99 * MS) is None
    assert (10 * S, 15 * S, "OBSTRUCTED") == dish.outage(10 * S + 100 * MS)
    assert [] == list(dish.outages(15 * S - 1))
    assert dish.outage(15 * S) is None
    assert [(10 * S, 15 * S, "OBSTRUCTED")] == list(dish.outages(15 * S))
    assert 2 * S == dish.obstructed_ns(12 * S)


@pytest.mark.parametrize(
    ("event", "causes"),
    [
        (Event(at=10 * S, hold=2 * S), ["NO_PINGS"]),
        (Event(at=10 * S, brownout=2 * S, loss=1.0), ["NO_PINGS"]),
        (Event(at=10 * S, brownout=2 * S, loss=0.9), []),
        (Event(at=10 * S, outage=S // 20), []),
    ],
)
def test_what_is_no_cut_is_no_fault_of_the_sky(event: Event, causes: list[str]) -> None:
    """Nothing comes back, though the link stands; a short darkness, or a part, is no outage."""
    assert causes == [outage.cause for outage in terminal(event).outages(50 * S)]


def test_a_restart_begins_anew() -> None:
    """API away, uptime reset, and of outages only what came since; the cut of the link is BOOTING, told once."""
    dish = terminal(
        Event(at=5 * S, outage=S),
        Event(at=10 * S, reboot=30 * S),
        restarts=(Restart(10 * S, 20 * S, 40 * S),),
    )

    assert [True, False, False, True] == [dish.answers(t * S) for t in (9, 10, 19, 20)]
    assert 20 * S == dish.next_change(10 * S)
    assert 10 * S == dish.up_since(25 * S)
    assert (10 * S, 40 * S, "BOOTING") == dish.outage(25 * S)
    assert ["NO_DOWNLINK"] == [outage.cause for outage in dish.outages(9 * S)]
    assert ["BOOTING"] == [outage.cause for outage in dish.outages(50 * S)]
    assert [0, 1] == [dish.boots(9 * S), dish.boots(50 * S)]


def test_an_order_is_an_outage_that_the_schedule_does_not_know() -> None:
    """Stowed, no ping comes back until it is unstowed; told to restart, it boots for as long as it takes."""
    dish = terminal(dish=Dish(boot=6 * S))

    assert dish.stow(10 * S, unstow=False)
    assert not dish.stow(11 * S, unstow=False)
    assert (1.0, None) == dish.pings(12 * S, 13 * S)
    outage = dish.outage(12 * S)
    assert outage is not None
    assert "STOWED" == outage.cause
    assert dish.stow(14 * S, unstow=True)
    assert (0.0, 50.0) == dish.pings(15 * S, 16 * S)
    assert Restart(20 * S, 22 * S, 26 * S) == dish.restart(20 * S)
    assert (1.0, None) == dish.pings(24 * S, 25 * S)


def test_a_fault_of_the_dish_has_its_time() -> None:
    """It is neither before nor after."""
    fault = DishFault(at=10 * S, hangs=5 * S)
    dish = terminal(dish=Dish(faults=(fault,)))

    assert [None, fault, None] == [dish.fault(t * S) for t in (9, 10, 15)]
