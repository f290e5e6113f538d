"""What a certificate is worth: each budget where it is just kept, and where it is just missed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testbed.link.fidelity import Budget, Certificate, DirectionFidelity
from testbed.model.link import Direction

MS = 10**6
EXACT = DirectionFidelity(
    "lte", Direction.UP, 10_000, 5000, 9000, 12_000, 20_000, 0.0, 0, 0, None, None, None, None
)
DEFAULT = Budget()
RATED = {"rate_asked_bps": 1e7, "rated_packets": 10_000}


def faults(budget: Budget = DEFAULT, run: dict[str, Any] | None = None, **direction: Any) -> tuple[str, ...]:
    return Certificate("native", (replace(EXACT, **direction),), **(run or {})).faults_against(budget)


@pytest.mark.parametrize(
    ("kept", "missed", "reason"),
    [
        ({"late_share": 0.0139}, {"late_share": 0.0141}, "1.41% of the packets were more than 1 ms late"),
        ({"late_ns_max": 50 * MS}, {"late_ns_max": 51 * MS}, "a packet was 51.0 ms late"),
        (
            {},
            {"unasked_losses": 2, "causes": {"ring_drops": 2}},
            "2 packets were lost that nobody asked for (ring_drops 2)",
        ),
        ({}, {"unasked_reorderings": 1}, "1 packets were reordered that nobody asked for"),
        (
            {"loss_asked": 0.1, "loss_achieved": 0.121},
            {"loss_asked": 0.1, "loss_achieved": 0.123},
            "loss was 12.300%, asked 10.000%",
        ),
        (
            {**RATED, "rate_achieved_bps": 1.01e7},
            {**RATED, "rate_achieved_bps": 1.0103e7},
            "the rate was missed by 1.0%",
        ),
    ],
)
def test_a_direction_has_a_budget(kept: dict[str, Any], missed: dict[str, Any], reason: str) -> None:
    """Of 10,000 packets, with what chance allows of them, just inside and just outside."""
    assert () == faults(**kept)
    assert (f"lte up: {reason}",) == faults(**missed)


def test_a_clock_that_is_set_meanwhile_is_a_fault() -> None:
    """By more than a packet may be late: samples are off by as much then."""
    assert () == faults(run={"clock_steps": 3, "clock_step_max_ns": 50 * MS})
    assert ("the host's clock was set by 1 h: samples bear its times",) == faults(
        run={"clock_steps": 1, "clock_step_max_ns": 3600 * 10**9}
    )


def test_few_packets_are_no_proof_of_lateness() -> None:
    """Three late ones of the 69 on an idle link may be chance; a quarter of them is none."""
    assert () == faults(packets=69, late_share=3 / 69)
    assert ("lte up: 24.64% of the packets were more than 1 ms late",) == faults(
        packets=69, late_share=17 / 69
    )


def test_the_engine_has_a_budget_too() -> None:
    """Time without a processor, records that did not reach the disk, and faults of the back end itself."""
    assert () == faults(run={"away_share": 0.05})
    assert ("the engine was without a CPU for 6.0% of the time it was needed",) == faults(
        run={"away_share": 0.06}
    )
    assert ("1 of the 10 ms records were lost",) == faults(run={"records_lost": 1})
    assert ("linkd died",) == faults(run={"faults": ("linkd died",)})


def test_a_scenario_sets_its_own() -> None:
    """A budget of its own is judged in place of the defaults."""
    wide = Budget(late_share=0.2, late_ns_max=300 * MS, away_share=0.2)

    assert () == faults(wide, {"away_share": 0.2}, late_share=0.2, late_ns_max=300 * MS)
    assert 3 == len(faults(wide, {"away_share": 0.21}, late_share=0.22, late_ns_max=301 * MS))
