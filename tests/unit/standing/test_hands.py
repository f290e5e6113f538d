"""What was done by hand to links, over time and as events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.link.backend import Change, Restore, outage
from testbed.model.event import Event
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.model.uplink import Rates
from testbed.standing import hands
from testbed.standing.hands import Deed, Journal, LinkValues
from testbed.traces.compile import LinkPair
from testbed.traces.impair import impair

MS, S = 10**6, 10**9
CONSTANT = LinkSchedule.constant(delay_ns=20 * MS, rate_bps=10**8)
UP, DOWN = Direction


def varying() -> LinkSchedule:
    import numpy as np

    return LinkSchedule(
        t_ns=np.array([0, 10 * S, 20 * S]),
        delay_ns=np.array([20 * MS, 30 * MS, 40 * MS]),
        loss=np.array([0.0, 0.5, 0.0]),
        rate_bps=np.array([0, 10**6, 10**7]),
        state=np.zeros(3, np.uint8),
        end_ns=60 * S,
    )


def journal(*deeds: Deed, schedule: LinkSchedule = CONSTANT) -> Journal:
    return Journal({"starlink": LinkPair(schedule, schedule), "lte": LinkPair(CONSTANT, CONSTANT)}, list(deeds))


def deed(at_ns: int, change: Change | Restore, direction: Direction | None = None, link: str = "starlink") -> Deed:
    return Deed(at_ns, link, direction, change, f"{link} touched")


def test_the_last_word_counts_until_its_time_is_over() -> None:
    """Then the schedule's is back, not the word before; a field that was not named keeps its own."""
    it = journal(
        deed(1 * S, Change(delay_ns=50 * MS)),
        deed(2 * S, Change(delay_ns=90 * MS, for_ns=1 * S)),
        deed(2 * S, Change(loss=0.1)),
        deed(5 * S, Restore()),
    )
    assert LinkValues() == it.by_hand("starlink", UP, 0)
    assert LinkValues(delay_ns=50 * MS) == it.by_hand("starlink", UP, 1 * S)
    assert LinkValues(delay_ns=90 * MS, loss=0.1) == it.by_hand("starlink", UP, 2 * S)
    assert LinkValues(loss=0.1) == it.by_hand("starlink", DOWN, 3 * S)
    assert LinkValues() == it.by_hand("starlink", UP, 5 * S)
    assert LinkValues() == it.by_hand("lte", UP, 2 * S)


def test_outages_and_changes_are_events() -> None:
    """Delay and loss as what is added to the link's own; a hold is a hold."""
    it = journal(
        deed(1 * S, outage(3 * S)),
        deed(10 * S, Change(delay_ns=120 * MS, loss=0.05, for_ns=5 * S)),
        deed(20 * S, Change(rate_bps=10**6, for_ns=2 * S), link="lte"),
        deed(30 * S, outage(1 * S, hold=True)),
    )
    expected = (
        Event(1 * S, "starlink", outage=3 * S),
        Event(10 * S, "starlink", brownout=5 * S, delay=100 * MS, loss=0.05),
        Event(20 * S, "lte", rate_cap=2 * S, rate=Rates(10**6, 10**6)),
        Event(30 * S, "starlink", hold=1 * S),
    )
    assert (expected, ()) == it.events(40 * S)


def test_what_lasts_ends_with_the_lab_or_with_the_next_word() -> None:
    """Events of one link never overlap; an outage within a change parts it."""
    it = journal(deed(1 * S, Change(loss=0.2)), deed(3 * S, outage(2 * S)), deed(8 * S, Restore()))
    expected = (
        Event(1 * S, "starlink", brownout=2 * S, loss=0.2),
        Event(3 * S, "starlink", outage=2 * S),
        Event(5 * S, "starlink", brownout=3 * S, loss=0.2),
    )
    assert (expected, ()) == it.events(20 * S)
    assert (Event(1 * S, "lte", brownout=6 * S, loss=0.2),) == journal(
        deed(1 * S, Change(loss=0.2), link="lte")
    ).events(7 * S)[0]


def test_times_are_whole_milliseconds() -> None:
    """A person's hand is no more exact; nothing is lost for it."""
    it = journal(deed(1_234_400_000, outage(1 * S)), deed(3_000_600_000, outage(1 * S)))
    assert (1_234 * MS, 3_001 * MS) == tuple(event.at for event in it.events(9 * S)[0])


@pytest.mark.parametrize(
    ("change", "direction", "note"),
    [
        (Change(loss=0.1, for_ns=S), UP, "starlink touched: an event is of both directions; left out"),
        (Change(delay_ns=5 * MS, for_ns=S), None, "starlink delay at 1 s: .* is longer (20 ms); left out"),
    ],
)
def test_what_no_event_can_say_is_told(change: Change, direction: Direction | None, note: str) -> None:
    """And left out; the lab did it all the same."""
    events, notes = journal(deed(1 * S, change, direction)).events(9 * S)
    assert () == events
    assert [note.replace(".*", "an event adds to what the link plays, which")] == list(notes)


def test_rate_beside_loss_is_told() -> None:
    """A link can have one event at a time."""
    events, notes = journal(deed(1 * S, Change(loss=0.1, rate_bps=10**6, for_ns=S))).events(9 * S)
    assert (Event(1 * S, "starlink", brownout=S, loss=0.1),) == events
    assert ("starlink rate at 1 s: beside loss or delay no event can say it; left out",) == notes


def test_a_trace_has_a_delay_of_its_own() -> None:
    """What replaced it cannot be said as what is added."""
    it = journal(deed(5 * S, Change(delay_ns=200 * MS, for_ns=10 * S)), schedule=varying())
    events, notes = it.events(30 * S)
    assert () == events
    assert "which changes all the time; left out" in notes[0]
    it = journal(deed(11 * S, Change(delay_ns=200 * MS, for_ns=5 * S)), schedule=varying())
    assert (Event(11 * S, "starlink", brownout=5 * S, delay=170 * MS),) == it.events(30 * S)[0]


def test_played_events_are_kept_and_come_first() -> None:
    """Where a hand was on the link at the same time the later one is left out, and told."""
    it = journal(deed(5 * S, outage(10 * S)))
    it.played.append(Event(8 * S, "starlink", brownout=3 * S, loss=0.1))
    it.played.append(Event(2 * S, tenant_errors=3 * S))
    events, notes = it.events(30 * S)
    assert ["tenant errors 3 s", "starlink outage 10 s"] == [event.title for event in events]
    assert ("starlink brownout 3 s (+10 % loss) at 8 s overlaps starlink outage 10 s: left out",) == notes


def test_a_played_event_is_what_a_run_would_have() -> None:
    """Step by step the link is told what the impaired schedule says, as far as the event changes it."""
    schedule = varying()
    event = Event(5 * S, "starlink", brownout=10 * S, delay=100 * MS)
    found = list(hands.steps(impair(schedule, [event], UP), [event]))
    assert [
        (5 * S, 15 * S, Change(delay_ns=120 * MS)),
        (10 * S, 15 * S, Change(delay_ns=130 * MS)),
    ] == found
    cap = Event(5 * S, "starlink", rate_cap=20 * S, rate=Rates(2 * 10**6, 2 * 10**6))
    rates = [(t_ns, change.rate_bps) for t_ns, _, change in hands.steps(impair(schedule, [cap], UP), [cap])]
    assert [(5 * S, 2 * 10**6), (10 * S, 10**6), (20 * S, 2 * 10**6)] == rates
    dark = Event(5 * S, "starlink", outage=1 * S)
    assert [(5 * S, 6 * S, Change(state=LinkState.CUT))] == list(hands.steps(impair(schedule, [dark], UP), [dark]))


def test_what_a_link_does_now() -> None:
    """The schedule's values, a repeated one's from its start again, and over them the hand's."""
    schedule = varying()
    assert LinkValues(30 * MS, 10**6, 0.5, LinkState.PASS) == hands.at(schedule, 12 * S)
    assert LinkValues(20 * MS, 0, 0.0, LinkState.PASS) == hands.at(replace(schedule, repeat=True), 61 * S)
    assert LinkValues(30 * MS, 10**6, 0.1, LinkState.PASS) == hands.over(
        hands.at(schedule, 12 * S), LinkValues(loss=0.1)
    )
