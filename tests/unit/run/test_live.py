"""What the screen says of a run that lasts."""

from __future__ import annotations

from dataclasses import replace

from testbed.model.objective import Objective
from testbed.run.live import recent

S = 10**9


def test_a_long_run_is_judged_so_far_over_its_last_minutes() -> None:
    """A short one as a whole; an objective of an earlier window is not judged again, one of a later window in it."""
    one = Objective("interruption", "heartbeat", at_most="3.5 s")
    whole, early, late = (replace(one, window=window) for window in (None, (0, 60 * S), (700 * S, 900 * S)))

    assert [whole, early, late] == recent([whole, early, late], 0, 300 * S)
    assert [replace(one, window=(600 * S, 1200 * S)), None, late] == recent([whole, early, late], 600 * S, 1200 * S)
