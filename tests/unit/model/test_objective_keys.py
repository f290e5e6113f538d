"""What an objective is known by from run to run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed import paths
from testbed.model.objective import Objective
from testbed.model.scenario import read_scenario
from testbed.run import plan
from testbed.yaml.overrides import Override

S = 10**9
ASKED = Objective(
    "ttfb_p95", of="lessons", at_most="1 s", window=(20 * S, 35 * S), content="cached", status="hit"
)


def test_a_key_says_what_is_asked() -> None:
    """All that tells two objectives apart is in it, but the bound."""
    assert "ttfb_p95:lessons:cached:hit:at_most:20s-35s" == ASKED.key
    assert "backhaul_bytes:lte:at_most" == Objective("backhaul_bytes", at_most="2 MB", uplink="lte").key


def test_a_key_stays_when_the_bound_changes() -> None:
    """A bound that is made tighter is still a bound on the same thing."""
    assert ASKED.key == replace(ASKED, at_most="2 s").key


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "ttfb_p50"},
        {"of": "videos"},
        {"uplink": "lte"},
        {"content": "all"},
        {"status": "miss"},
        {"at_most": "", "at_least": "1 s"},
        {"window": None},
        {"window": (20 * S, 36 * S)},
    ],
    ids=str,
)
def test_what_asks_something_else_has_another_key(change: dict[str, object]) -> None:
    """Each key of an objective but the bound's value changes it."""
    assert ASKED.key != replace(ASKED, **change).key  # type: ignore[arg-type]


def test_an_id_is_the_key() -> None:
    """A user's own name stands for all of it."""
    assert "slow-lessons" == replace(ASKED, id="slow-lessons").key


@pytest.mark.parametrize("name", plan.scenarios())
def test_a_shift_does_not_change_keys(name: str) -> None:
    """A campaign's phases move every window, and ask the same."""
    path = paths.SCENARIOS / f"{name}.yaml"
    moved = read_scenario(path, [Override.parse("shift=5 s")])

    assert [o.key for o in read_scenario(path).objectives] == [o.key for o in moved.objectives]
