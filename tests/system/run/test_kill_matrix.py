"""A sample of the kill matrix; ``make kill-matrix`` plays all of it."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

import pytest

from tests.system.run.kill_matrix import VICTIMS, Cell, play


@pytest.mark.parametrize(
    ("victim", "by", "phase"),
    [
        ("testbed", SIGTERM, "hub"),
        ("PID 1", SIGKILL, "links and services"),
        ("nginx of hub", SIGKILL, "before the start"),
    ],
)
def test_a_run_of_which_a_process_is_ended_ends_as_documented(
    victim: str, by: Signals, phase: str, tmp_path: Path, untouched_host: None
) -> None:
    """The result is readable and says the right thing, and so does the exit status; nothing is left."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    outcome = play(Cell(VICTIMS[victim], by, phase), tmp_path)

    assert "" == outcome.wrong, outcome.said
