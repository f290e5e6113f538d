"""Baselines: small, reviewable, of one version, and compared as runs are."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.result import baseline, observed
from testbed.result.record import State
from testbed.result.store import ResultWriter
from tests.unit.result.records import S, record, verdict

MET = {"seed": "7", "link of starlink": "ab" * 32}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Five repetitions of a scenario."""
    return kept(tmp_path / "runs", 2.0)


def kept(folder: Path, value: float, **more: object) -> Path:
    for n in range(5):
        (folder / str(n)).mkdir(parents=True)
        measured = replace(verdict((value + n / 1000) * S), key="interruption:heartbeat:at_most")
        ResultWriter(folder / str(n), record(measured, **{"met": MET, "created_ns": n, **more}))
    return folder


def run(*arguments: str | Path) -> int:
    return main(["baseline", *map(str, arguments)])


def test_a_baseline_is_small_and_reviewable(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """One file a scenario, a line a value, hashes cut to what tells them apart."""
    assert 0 == run("set", runs, "--baselines", tmp_path / "kept")

    (path,) = (tmp_path / "kept").iterdir()
    text = path.read_text()
    assert "starlink-blackout.json" == path.name
    assert len(text) < 8000
    assert "ab" * 6 in text and "ab" * 7 not in text
    assert [2.0 * S, 2.001 * S] == [run["values"].popitem()[1]["value"] for run in json.loads(text)["runs"]][:2]


@pytest.mark.parametrize(("value", "status", "word"), [(2.0, 0, "1 same"), (2.5, 1, "1 worse"), (1.5, 0, "1 better")])
def test_runs_are_held_against_it(runs: Path, tmp_path: Path, value: float, status: int, word: str, capsys):
    """With the same words and the same exit status as two folders."""
    run("set", runs, "--baselines", tmp_path / "kept")
    later = kept(tmp_path / "later", value)

    assert status == run("check", later, "--baselines", tmp_path / "kept")
    assert word in capsys.readouterr().out


def test_other_inputs_are_told(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A cut hash is told from another one."""
    run("set", runs, "--baselines", tmp_path / "kept")
    later = kept(tmp_path / "later", 2.0, met={**MET, "link of starlink": "cd" * 32})

    assert 2 == run("check", later, "--baselines", tmp_path / "kept")
    assert "did not meet the same: link of starlink" in capsys.readouterr().out


def test_a_baseline_of_another_version_is_refused(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What a metric means may have changed."""
    run("set", runs, "--baselines", tmp_path)
    path = tmp_path / "starlink-blackout.json"
    path.write_text(path.read_text().replace('"testbed": "', '"testbed": "0.0.', 1))

    assert 2 == run("check", runs, "--baselines", tmp_path)
    assert "make it again by 'testbed baseline set'" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_broken_baseline_is_refused(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]):
    """With its place."""
    (tmp_path / "s.json").write_text(text)

    assert 2 == run("show", "--baselines", tmp_path)
    assert "s.json: no baseline" in capsys.readouterr().err


def test_a_run_that_does_not_count_is_no_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Nobody can be held against it."""
    runs = kept(tmp_path / "runs", 2.0, state=State.INTERRUPTED)

    assert 2 == run("set", runs, "--baselines", tmp_path / "kept")
    assert "the run is interrupted; keep runs that are valid" in capsys.readouterr().err


def test_variants_have_files_of_their_own(tmp_path: Path):
    """What was changed is in the name; phases and seeds are of one."""
    folders = [
        kept(tmp_path / "a", 2.0, changes=("hub.failover=none",)),
        kept(tmp_path / "b", 2.0, changes=("shift=1 s", "seed=8")),
    ]
    made = baseline.keep(observed.read_all(folders), tmp_path / "kept")

    assert ["starlink-blackout.json", "starlink-blackout-with-hub.failover=none.json"] == [p.name for p in made]


def test_show_tells_least_mean_and_most(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """With units."""
    run("set", runs, "--baselines", tmp_path / "kept")
    run("show", "--baselines", tmp_path / "kept")

    printed = capsys.readouterr().out
    assert "5 runs of testbed" in printed
    assert all(value in printed for value in ("2 s", "2.002 s", "2.004 s"))


def test_without_baselines_nothing_can_be_checked(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It says how to make some."""
    (tmp_path / "none").mkdir()

    assert 2 == run("check", runs, "--baselines", tmp_path / "none")
    assert "keep some by 'testbed baseline set RESULT...'" in capsys.readouterr().err
