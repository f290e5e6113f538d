"""The figures of kept results over time."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.cli.history import bars
from testbed.result.record import State
from testbed.result.store import ResultWriter
from tests.unit.result.records import START, S, record, verdict

DAY = 86_400 * S


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six runs of 2 s, then six of 2.5 s, whose hub has other roles; one that was interrupted."""
    for n in range(13):
        measured = replace(verdict((2.0 if n < 6 else 2.5) * S + n % 2 * S / 100), key="interruption")
        state = State.INTERRUPTED if n == 12 else State.COMPLETE
        roles = {"roles": "aa" if n < 6 else "bb"}
        (tmp_path / f"{n:02d}").mkdir()
        ResultWriter(tmp_path / f"{n:02d}", record(measured, state=state, created_ns=START + n * DAY, under_test=roles))
    return tmp_path


def test_a_step_names_its_commit_and_what_changed(folder: Path, capsys: pytest.CaptureFixture[str]):
    """From one mean to the other, at the first run of the new level."""
    assert 0 == main(["history", str(folder), "--json"])

    (series,) = json.loads(capsys.readouterr().out)
    (step,) = series["changes"]
    assert (12, "06", False, ["roles"]) == (len(series["values"]), step["run"], step["better"], step["parts"])
    assert (2.005 * S, 2.505 * S) == (step["before"], step["after"])


def test_the_table_has_one_line_an_objective(folder: Path, capsys: pytest.CaptureFixture[str]):
    """With its latest value and the step."""
    main(["history", str(folder)])

    printed = capsys.readouterr().out
    assert "1 series of 13 runs, 1 steps" in printed
    assert "starlink-blackout" in printed


def test_a_scenario_that_was_never_run_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]):
    """Nothing found is not nothing changed; of the scenario that was, all runs are shown."""
    assert 2 == main(["history", str(folder), "--scenario", "starlink-blackuot"])
    assert "no run of 'starlink-blackuot'; did you mean 'starlink-blackout'?" in capsys.readouterr().err

    assert 0 == main(["history", str(folder), "--scenario", "starlink-blackout"])
    assert "1 series of 13 runs" in capsys.readouterr().out


def test_bars_go_from_the_least_to_the_most():
    """A flat series is flat, at the bottom."""
    assert ("▁█▅", "▁▁▁") == (bars((1.0, 8.0, 5.0)), bars((3.0, 3.0, 3.0)))
