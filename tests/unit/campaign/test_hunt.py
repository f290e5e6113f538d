"""The search for the smallest event that breaks: hubs with planted bugs of timers, as formulas; nothing is run."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from testbed.campaign.hunt import Dimension, Hunted, Point, play
from testbed.errors import InputError

AT = Dimension("events.0.at", 0, 15_000, 100, size=False)
FOR = Dimension("events.0.for", 100, 30_000, 100)
LOSS = Dimension("events.0.loss", 0, 100, 1)
RUNS = 60

Margin = Callable[[int, int], float]


def _above(limit: int) -> Margin:
    return lambda _, length: limit - length


def _resonance(at: int, length: int) -> float:
    """A hold-down that ends inside a handover, if the event begins late in the slot, starts over: 6 s more."""
    back = at + length + 5_000
    restarted = 6_000 if length > 3_700 and back % 15_000 < 4_000 else 0
    return 9_000 - (5_000 + restarted)


def _hidden_by_phase(at: int, length: int) -> float:
    """Only what spans the handover at 15 s is noticed too late."""
    return 1.0 if at < 11_000 else 2_350 - length


def _nearer_the_edge(at: int, length: int) -> float:
    """The nearer to 7 s into the slot, the shorter an event that breaks."""
    return 4_000 + abs(at - 7_000) * 2 - length


def _two_within_a_timer(at: int, length: int) -> float:
    """A handover at 12 s comes while the first failure's 8 s timer still runs."""
    return 1.0 if 12_000 - at > 8_000 else 5_150 - length


BUGS: dict[str, Margin] = {
    "a DHCP timeout shorter than the outage": _above(10_050),
    "a lease that ends during the outage": _above(24_950),
    "no hold-down: the shortest blink fails over": _above(50),
    "a dead interval counted one beat too few": _above(2_950),
    "a retry that doubles once too often": lambda _, length: 20_000 - 2 ** (length // 1000).bit_length() * 1000,
    "a session that a keepalive of 25 s outlives": _above(25_450),
    "a hold-down that resonates with the handover": _resonance,
    "late only where the event spans a handover": _hidden_by_phase,
    "worse the nearer to a phase": _nearer_the_edge,
    "two failures within one timer": _two_within_a_timer,
}


def _hunted(margin: Margin, seed: int = 1, runs: int = RUNS) -> tuple[Hunted, list[Point]]:
    asked: list[Point] = []

    def ask(point: Point) -> float:
        asked.append(point)
        return margin(*point)

    return play(Hunted((AT, FOR)), seed, runs, ask), asked


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_and_shrunk_to_a_step_within_sixty_runs(bug: str, seed: int) -> None:
    known, asked = _hunted(BUGS[bug], seed)
    assert RUNS >= len(asked) == len(set(asked))
    found = known.found
    assert found is not None
    at, length = found.breaks
    assert 0 > BUGS[bug](at, length)
    if length > FOR.low:
        assert ((at, length - 100),) == found.holds
        assert 0 <= BUGS[bug](at, length - 100)


@pytest.mark.parametrize("seed", range(5))
def test_what_breaks_for_its_length_alone_is_found_to_the_step(seed: int) -> None:
    for limit in (50, 2_950, 10_050, 24_950):
        found = _hunted(_above(limit), seed)[0].found
        assert found is not None
        assert limit + 50 == found.breaks[1]


def test_a_smaller_one_at_another_phase_replaces_the_first() -> None:
    first = _hunted(_nearer_the_edge, runs=12)[0].found
    last = _hunted(_nearer_the_edge)[0].found
    assert first is not None
    assert last is not None
    assert last.breaks[1] < first.breaks[1]


def test_a_hub_without_a_bug_is_not_accused_and_the_runs_are_bounded() -> None:
    known, asked = _hunted(lambda _, length: 40_000 - length)
    assert known.found is None
    assert RUNS == len(asked)


def test_what_is_known_is_not_asked_again_and_leads_to_the_same_points() -> None:
    whole, asked = _hunted(_resonance)
    begun, first = _hunted(_resonance, runs=17)
    kept = dict(begun.margins)
    again: list[Point] = []

    def ask(point: Point) -> float | None:
        if point in kept:
            return kept[point]
        again.append(point)
        return _resonance(*point)

    continued = play(Hunted((AT, FOR)), 1, RUNS, ask)
    assert asked == first + again
    assert whole.margins == continued.margins


def test_a_run_that_cannot_tell_is_neither_broken_nor_held() -> None:
    known = play(Hunted((AT, FOR)), 1, RUNS, lambda _: None)
    assert known.found is None
    assert {None} == set(known.margins.values())

    def unsure(point: Point) -> float | None:
        return None if 9_900 == point[1] else 10_050 - point[1]

    found = play(Hunted((AT, FOR)), 1, RUNS, unsure).found
    assert found is not None
    assert 9_900 not in {point[1] for point in (found.breaks, *found.holds)}


def test_each_size_is_shrunk() -> None:
    known = play(Hunted((FOR, LOSS)), 1, RUNS, lambda point: -1.0 if point[0] >= 3_000 and point[1] >= 40 else 0.5)
    assert known.found is not None
    assert (3_000, 40) == known.found.breaks
    assert (3_000, 39) in known.found.holds


def test_a_search_without_a_size_or_without_room_is_refused() -> None:
    with pytest.raises(InputError, match="no size to shrink"):
        play(Hunted((AT,)), 1, 1, lambda _: 0.0)
    with pytest.raises(InputError, match="step above 0"):
        Dimension("events.0.for", 100, 100, 100)
