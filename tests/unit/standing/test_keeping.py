"""What others see of a lab, from its name to its end; when a run is held."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.result.verdict import Outcome
from testbed.run.progress import Event, Note, Standing
from testbed.standing import holding, registry
from testbed.standing.keeper import Keeping
from testbed.standing.registry import StandingLab


def test_a_lab_is_seen_as_it_comes_up(tmp_path: Path) -> None:
    """Its keeper first, then its sandbox, then until when it stands."""
    with registry.claimed("lab", exactly=True, home=tmp_path) as claim:
        entry = StandingLab("lab", "smoke", "/results/lab", "amina", 7, 1)
        keeping = Keeping(claim, entry, "program", 60, ("fail",))
        assert [entry] == registry.labs(tmp_path)

        stays = keeping.stays
        assert ("program", "lab", claim.listener.fileno(), 60, ("fail",)) == (
            stays.program, stays.stay.name, stays.stay.control, stays.stay.for_ns, stays.stay.outcomes
        )  # fmt: skip
        stays.born(11)
        keeping.hear(Note("nothing new"))
        assert [replace(entry, init=11)] == registry.labs(tmp_path)

        keeping.hear(Standing("lab", 99))
        assert [replace(entry, init=11, until_ns=99)] == registry.labs(tmp_path)


def test_who_looks_on_is_told_when_the_lab_stands(tmp_path: Path) -> None:
    """Everything is shown; who is invited finds the lab's time in the list."""
    shown: list[Event] = []
    invited: list[tuple[str, int | None]] = []
    with registry.claimed("lab", exactly=True, home=tmp_path) as claim:
        keeping = Keeping(claim, StandingLab("lab", "smoke", "/", "amina", 7, 1), "program", 60)
        show = holding.noticing(
            shown.append, keeping, lambda name: invited.append((name, registry.find(name, tmp_path).until_ns))
        )
        for event in (Note("a"), Standing("lab", 99)):
            show(event)
    assert [Note("a"), Standing("lab", 99)] == shown
    assert [("lab", 99)] == invited


@pytest.mark.parametrize("when", list(holding.WHEN))
def test_a_run_is_held_for_outcomes_there_are(when: str) -> None:
    """Words of a run, none of them a pass but with always."""
    known = {str(outcome) for outcome in Outcome} - {"pass"}
    assert set(holding.WHEN[when]) <= known
    assert ("always" == when) == (not holding.WHEN[when])
