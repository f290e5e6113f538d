"""The fidelity budgets of the project's scenarios."""

from __future__ import annotations

import pytest

from testbed import paths
from testbed.model.scenario import read_scenario
from testbed.run import plan

SECOND_NS = 10**9


@pytest.mark.parametrize("name", plan.scenarios())
def test_a_budget_can_be_missed(name: str) -> None:
    """An emulation that stood still most of the time is invalid, whatever the scenario asks."""
    budget = read_scenario(paths.SCENARIOS / f"{name}.yaml").fidelity

    assert budget.late_share <= 0.5
    assert budget.away_share <= 0.25
    assert budget.late_max <= SECOND_NS
