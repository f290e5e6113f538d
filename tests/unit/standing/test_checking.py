"""What a check of a lab that stands says: whether objectives hold, and never that a scenario passed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.result.verdict import Outcome, Verdict, withheld
from testbed.standing import checking
from tests.unit.result.records import S, verdict


def judged(outcome: Outcome) -> Verdict:
    return replace(verdict(S), outcome=outcome, reason="as it was")


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_pass_is_given(outcome: Outcome) -> None:
    """What held is inconclusive and says why; everything else stays what it is, with its own reason."""
    (kept,) = withheld([judged(outcome)], "touched by hand")
    expected = (Outcome.INCONCLUSIVE, "touched by hand") if outcome is Outcome.PASS else (outcome, "as it was")
    assert expected == (kept.outcome, kept.reason)


def test_a_check_has_words_of_its_own() -> None:
    """They cannot be taken for a run's verdicts."""
    words = {outcome: checking.words(judged(outcome)) for outcome in Outcome}
    assert {
        Outcome.PASS: "holds",
        Outcome.FAIL: "broken",
        Outcome.INCONCLUSIVE: "unclear",
        Outcome.INVALID: "invalid",
    } == words
