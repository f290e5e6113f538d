"""When the hub's overflow sends new flows to the second uplink, and when it takes them back."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = (
    Path(__file__).parents[3] / "playbooks" / "roles" / "failover" / "overflow" / "files" / "overflow.py"
)
MBIT = 1e6


@pytest.fixture(scope="module")
def overflow() -> ModuleType:
    """The program as it is installed on hubs."""
    spec = importlib.util.spec_from_file_location("overflow", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def seen(overflow: ModuleType, *measurements: tuple[float, float, float]) -> str:
    """Return for each (queueing delay in ms, Mbit/s on the preferred uplink, on both) whether flows overflow."""
    congestion = overflow.Congestion(busy_ms=100, calm_ms=40, enter=2, leave=3, retry=6, share=0.7)
    return "".join(".O"[congestion.observe(q, p * MBIT, b * MBIT)] for q, p, b in measurements)


def test_one_slow_answer_is_no_congestion(overflow: ModuleType) -> None:
    """It takes as many slow answers in a row as asked for."""
    assert "...O" == seen(overflow, (150, 20, 20), (50, 20, 20), (150, 20, 20), (150, 20, 20))


def test_no_answer_is_the_slowest(overflow: ModuleType) -> None:
    """A full queue drops pings as well."""
    assert ".O" == seen(overflow, (float("inf"), 20, 20), (float("inf"), 20, 20))


def test_between_the_thresholds_all_stays_as_it_is(overflow: ModuleType) -> None:
    """Neither side of the hysteresis is reached."""
    between = (70.0, 5.0, 5.0)

    assert "....." == seen(overflow, *[between] * 5)
    assert ".O" + "OOOOO" == seen(overflow, *[(150, 20, 20)] * 2, *[between] * 5)


def test_flows_come_back_when_the_preferred_uplink_can_carry_them_all(overflow: ModuleType) -> None:
    """A short queue does not do: what the second uplink has taken would only fill it again."""
    full = [(150.0, 20.0, 20.0)] * 2

    assert ".O" + "OOOO" == seen(overflow, *full, *[(5, 10, 25)] * 4)
    assert ".O" + "OO.." == seen(overflow, *full, *[(5, 8, 14)] * 4)


def test_flows_are_tried_again_after_a_while(overflow: ModuleType) -> None:
    """The cell's other users may have gone: after a long time without congestion its capacity is found anew."""
    full, free, slow = [(150.0, 3.0, 3.0)] * 2, (5.0, 1.0, 9.0), (70.0, 1.0, 9.0)

    assert ".O" + "OOOOO." + ".." == seen(overflow, *full, free, slow, *[free] * 6)


def test_calm_must_last(overflow: ModuleType) -> None:
    """One slow answer among the calm ones begins the count again."""
    assert ".OOOOOO." == seen(overflow, *[(150, 20, 20)] * 2, *[(5, 1, 1)] * 2, (60, 1, 1), *[(5, 1, 1)] * 3)


def test_what_the_uplink_carried_in_another_time_counts_no_more(overflow: ModuleType) -> None:
    """After its rate has fallen, the throughput of the congestion at hand is the measure."""
    fast, slow = [(150.0, 50.0, 50.0)] * 2, [(150.0, 10.0, 10.0)] * 2

    assert ".OOO." + ".O" + "OOO" == seen(overflow, *fast, *[(5, 1, 1)] * 3, *slow, *[(5, 5, 20)] * 3)


def test_the_lowest_delay_is_forgotten(overflow: ModuleType) -> None:
    """A longer way that lasts is no queue: after ten minutes it is the uplink's own delay."""
    lowest = overflow.Lowest()
    values = [lowest.of(20.0 if minute == 0 else 90.0, 60.0 * minute) for minute in range(12)]

    assert [20.0] * 10 + [90.0] * 2 == values
