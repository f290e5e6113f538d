"""boot_to_service, by samples made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement
from testbed.metrics.window import Window
from testbed.model.facts import Facts, Happening
from tests.unit.metrics.hand_made import MS, UNANSWERED, S, heartbeat, lessons, request

OFF = Happening("power_off", "", 10 * S, 15 * S)
WHOLE = Window(0, 60 * S)


def measured(samples: pa.Table, events: Sequence[Happening] = (OFF,), window: Window = WHOLE) -> Measurement:
    facts = Facts(60 * S, ("starlink", "lte"), events=tuple(events))
    return METRICS["boot_to_service"].measure(Evidence(facts, {"it": samples}), Ask("it", window))


def test_a_heartbeat_is_served_by_its_first_answered_packet() -> None:
    """From the power's return to the sending of the first packet that is answered."""
    found = measured(heartbeat(60 * S, lost=[(10 * S, 19 * S)]))

    assert (4 * S, False, "", 4500) == (found.value, found.lower_bound, found.reason, found.samples)
    assert {"outage_end_ns": 15 * S, "served_ns": 19 * S, "boots": 1} == found.details


def test_requests_are_served_by_the_first_whole_answer() -> None:
    """An answer that is cut short is no service, and what was asked before the power's return is none of it."""
    asked: list[dict[str, Any]] = [request(t * S) for t in range(10)]
    asked += [request(t * S, **UNANSWERED) for t in range(10, 17)]
    asked += [request(17 * S, bytes=10), request(18 * S, total_ns=250 * MS)]
    asked += [request(t * S) for t in range(19, 60)]

    assert 3 * S + 250 * MS == measured(lessons(*asked)).value


def test_the_slowest_of_several_boots_counts() -> None:
    """Each is waited for until the next loss of power; one that does not come makes it a lower bound."""
    twice = [OFF, Happening("power_off", "", 30 * S, 32 * S)]
    late = measured(heartbeat(60 * S, lost=[(10 * S, 16 * S), (30 * S, 40 * S)]), twice)
    never = measured(heartbeat(60 * S, lost=[(10 * S, 33 * S)]), twice)

    assert (8 * S, False) == (late.value, late.lower_bound)
    assert (15 * S, True) == (never.value, never.lower_bound)


@pytest.mark.parametrize(("events", "window"), [((), WHOLE), ((OFF,), Window(16 * S, 60 * S))])
def test_without_a_loss_of_power_there_is_no_figure(events: Sequence[Happening], window: Window) -> None:
    """Another event, or one that ends outside of the window, is none."""
    found = measured(heartbeat(60 * S), events, window)

    assert (None, "no loss of the hub's power ends in the window") == (found.value, found.reason)


def test_a_prober_that_fell_silent_says_nothing_of_the_hub() -> None:
    """Without packets there is no service to be seen."""
    found = measured(heartbeat(60 * S, lost=[(10 * S, 16 * S)], unsent=[(16 * S, 25 * S)]))

    assert "no probe was sent from 15.99 s to 25.00 s" == found.reason
