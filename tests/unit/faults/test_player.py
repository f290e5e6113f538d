"""The player of faults, under a clock of the test's own."""

from __future__ import annotations

from itertools import count
from typing import cast

import pytest

from testbed.errors import RunError
from testbed.faults.actor import Actor, FaultSite
from testbed.faults.content_changes import ContentChanges
from testbed.faults.player import FaultPlayer
from testbed.model.event import Event
from testbed.model.facts import Facts, Happening

S = 10**9
ERRORS, REBOOT = Event(10 * S, tenant_errors=5 * S), Event(12 * S, "starlink", reboot=30 * S)
FACTS = Facts(
    90 * S,
    ("starlink",),
    events=(
        Happening("tenant_errors", "", 10 * S, 15 * S),
        Happening("reboot", "starlink", 12 * S, 42 * S),
        Happening("outage", "starlink", 60 * S, 61 * S),
    ),
)


class Noted(Actor):
    """Notes what it was told to do; ``fails`` names what it cannot."""

    def __init__(self, event: Event, done: list[str], fails: str = "", undo_ns: int | None = None) -> None:
        super().__init__(event, cast(FaultSite, None))
        self._done, self._fails, self._undo_ns = done, fails, undo_ns

    @property
    def undo_ns(self) -> int:
        return self.event.end_ns if self._undo_ns is None else self._undo_ns

    def _do(self, what: str) -> None:
        if what == self._fails:
            raise RunError(f"{self.event.title} failed: no nft")
        self._done.append(f"{what} {self.event.title}")

    def apply(self) -> None:
        self._do("apply")

    def undo(self) -> None:
        self._do("undo")


def played(*actors: Actor) -> FaultPlayer:
    """A player whose every instant has come; each look at the clock is a second later than the one before."""
    ticks = count(100)
    player = FaultPlayer(actors, 0, lambda: next(ticks) * S)
    player.start()
    player.join()
    return player


def test_faults_come_and_go_in_the_order_of_time() -> None:
    """What ends at an instant is undone before what begins at it."""
    done: list[str] = []
    hole = Noted(Event(15 * S, tenant_black_hole=5 * S), done)
    player = played(hole, Noted(ERRORS, done), Noted(REBOOT, done, undo_ns=13 * S))

    player.check()
    assert [
        "apply tenant errors 5 s",
        "apply starlink reboot 30 s",
        "undo starlink reboot 30 s",
        "undo tenant errors 5 s",
        "apply tenant black hole 5 s",
        "undo tenant black hole 5 s",
    ] == done


def test_facts_are_what_really_happened() -> None:
    """A tenant's fault was when it had been applied and undone; an uplink's is its link's, to the nanosecond."""
    facts = played(Noted(ERRORS, []), Noted(REBOOT, [])).as_happened(FACTS)

    assert FACTS.events[1:] == facts.events[1:]
    assert (101 * S, 105 * S) == (facts.events[0].start_ns, facts.events[0].end_ns)


def test_a_fault_that_cannot_be_applied_ends_the_run() -> None:
    """The reason reaches the run, and nothing more is done."""
    done: list[str] = []
    player = played(Noted(ERRORS, done, fails="apply"), Noted(REBOOT, done))

    with pytest.raises(RunError, match="tenant errors 5 s failed: no nft"):
        player.check()
    assert [] == done
    assert FACTS == player.as_happened(FACTS)


def test_a_run_that_ends_early_waits_for_no_fault() -> None:
    """Stopped before the first instant, nothing was done, and the facts are the plan."""
    done: list[str] = []
    player = FaultPlayer([Noted(ERRORS, done)], 10**6 * S, lambda: 0)
    player.start()
    player.stop()

    assert [] == done
    assert FACTS == player.as_happened(FACTS)


def test_new_content_is_there_when_the_tenant_has_it() -> None:
    """Not when the event's time is over: the player waits for it right after it began."""
    actor = ContentChanges(Event(10 * S, content_changes=5 * S), cast(FaultSite, None))

    assert 10 * S == actor.apply_ns < actor.undo_ns < 11 * S
