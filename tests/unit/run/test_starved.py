"""A lab whose processes are starved: no verdict rests on it, whatever the links' engine says."""

from __future__ import annotations

import pytest

from testbed.lab.starvation import Wait
from testbed.link.simulated import SimulatedBackend
from testbed.model.scenario import FidelityBudget
from testbed.run.collect import fidelity_of

S = 10**9


@pytest.mark.parametrize(
    ("longest", "reason"),
    [
        (None, ""),
        (Wait("node", S, 5 * S), ""),
        (Wait("node", 3 * S, 5 * S), "node waited 3 s for a processor"),
    ],
)
def test_who_waits_too_long_makes_a_run_invalid(longest: Wait | None, reason: str) -> None:
    links = SimulatedBackend()
    links.open([])
    links.start(0)

    fidelity = fidelity_of(links.close(), FidelityBudget(), None, longest)

    assert (reason == "", reason) == (fidelity.valid, fidelity.reason)
    assert (longest.waited_ns if longest else None) == fidelity.waited_ns_max
