"""What a dish answers, asked as its server asks it."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dish import protocol
from testbed.dish.device import Device, Throughput
from testbed.dish.obstructions import CLEAR, OBSTRUCTED, SIZE, UNSEEN, cells
from testbed.dish.sky import Sky
from testbed.dish.terminal import Restart, Terminal
from testbed.model.dish import Dish, DishFault
from testbed.model.event import Event
from testbed.model.uplink import FixedLink
from testbed.traces.compile import compile_link

S, MS = 10**9, 10**6
NOON_NS = 1_800_000_000 * S


class Still:
    """A link that carries nothing and takes every order."""

    def bytes_out(self) -> Throughput:
        return Throughput(0, 0)

    def restart(self, begun: Restart) -> None:
        pass

    def stow(self, stowed: bool) -> None:
        pass


class Played:
    """A dish and its clock."""

    def __init__(self, dish: Dish, *events: Event, restarts: tuple[Restart, ...] = ()) -> None:
        pair = compile_link(FixedLink(25 * MS), duration_ns=300 * S, seed=1, events=events)
        self.now_ns = NOON_NS - S
        terminal = Terminal(Sky(pair.up, pair.down), dish, list(restarts))
        self._device = Device("starlink", terminal, Still(), lambda: self.now_ns)
        self._device.start(NOON_NS)

    def until(self, t_ns: int) -> Played:
        """Let seconds pass, and the rest."""
        while self.now_ns + S <= NOON_NS + t_ns:
            self.now_ns += S
            self._device.tick()
        self.now_ns = NOON_NS + t_ns
        return self

    def ask(self, request: str) -> Any:
        return self._device.handle(protocol.message("Request")(**{request: {}}))

    def sky(self) -> list[float]:
        told = self.ask("dish_get_obstruction_map").dish_get_obstruction_map
        assert (SIZE, SIZE, SIZE * SIZE) == (told.num_rows, told.num_cols, len(told.snr))
        return list(told.snr)


def _seen(seconds: range) -> set[int]:
    return {cell for second in seconds for cell in cells(second)}


def test_the_map_is_blocked_where_the_dish_looked_as_something_stood_before_it() -> None:
    """In the seconds of the outage and in no others; what it looks at again and is clear is clear."""
    played = Played(Dish(outages="obstructed"), Event(at=20 * S, outage=5 * S)).until(60 * S)

    blocked = {cell for cell, heard in enumerate(played.sky()) if heard == OBSTRUCTED}

    assert _seen(range(20, 25)) - _seen(range(25, 60)) == blocked
    assert blocked


def test_an_outage_of_another_cause_is_not_on_the_map() -> None:
    """No satellite, no obstruction."""
    played = Played(Dish(outages="no-sats"), Event(at=20 * S, outage=5 * S)).until(60 * S)

    assert {UNSEEN, CLEAR} == set(played.sky())


def test_a_map_that_is_cleared_or_lost_in_a_restart_begins_anew() -> None:
    """Then only what was looked at since is known."""
    cleared = Played(Dish()).until(40 * S)
    cleared.ask("dish_clear_obstruction_map")
    restarted = Played(Dish(), restarts=(Restart(30 * S, 35 * S, 40 * S),))

    assert {cell for cell, heard in enumerate(cleared.until(50 * S).sky()) if heard != UNSEEN} == _seen(range(40, 50))
    known = {cell for cell, heard in enumerate(restarted.until(50 * S).sky()) if heard != UNSEEN}
    assert known == _seen(range(30, 50))


@pytest.mark.parametrize("asked", ["get_status", "get_history", "dish_get_obstruction_map"])
def test_a_frozen_dish_says_what_it_said(asked: str) -> None:
    """Its values stop moving when the fault begins, whenever it is asked; and are as they should be afterwards."""
    fault = DishFault(at=20 * S, wrong=20 * S, says="frozen")
    dish = Dish(outages="obstructed", faults=(fault,))
    played, sane = (Played(d, Event(at=22 * S, outage=6 * S)) for d in (dish, Dish(outages="obstructed")))

    def told(where: Played) -> bytes:
        return bytes(where.ask(asked).SerializeToString(deterministic=True))

    at_first = told(played.until(21 * S))
    assert told(sane.until(20 * S)) == at_first
    assert told(played.until(35 * S)) == at_first != told(sane.until(35 * S))
    assert told(sane.until(41 * S)) == told(played.until(41 * S))
