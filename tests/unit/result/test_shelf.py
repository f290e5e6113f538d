"""The kept results: found, told and removed by their names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import cli
from tests.unit.plots.blackout import S, Story
from tests.unit.report.made import made_in

GOOD, BAD = "20261122T030000Z-starlink-blackout", "20261122T040000Z-starlink-blackout"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Two runs, one of which failed, one file that cannot be read, and a folder that is no result."""
    made_in(tmp_path / GOOD, Story())
    made_in(tmp_path / BAD, Story(detected=90 * S, returned=90 * S))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "result.json").write_text("{")
    (tmp_path / "notes").mkdir()
    return tmp_path


def listed(results: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, object]]:
    assert 0 == cli.main(["results", "list", "--results", str(results), "--json", *options])
    return list(json.loads(capsys.readouterr().out))


def test_all_are_listed_and_what_is_no_result_is_not(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that cannot be read is told, and hides no other."""
    assert {GOOD, BAD, "broken"} == {kept["name"] for kept in listed(results, capsys)}


def test_filters_leave_what_was_asked_for(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = {str(kept["name"]): str(kept["verdict"]) for kept in listed(results, capsys)}

    assert "fail" == words[BAD]
    assert BAD in [kept["name"] for kept in listed(results, capsys, "--verdict", "fail")]
    assert ["broken"] == [kept["name"] for kept in listed(results, capsys, "--verdict", "unreadable")]
    assert [] == listed(results, capsys, "--scenario", "smoke")
    assert [] == listed(results, capsys, "--since", "2031-01-01")
    assert 2 == len(listed(results, capsys, "--since", "2020-01-01"))


def test_the_room_is_that_of_all_files(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = results / GOOD
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())

    assert size == next(kept["bytes"] for kept in listed(results, capsys) if GOOD == kept["name"])


def test_a_time_that_is_none_is_refused(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.main(["results", "list", "--results", str(results), "--since", "yesterday"])
    assert "testbed: --since: 'yesterday' is no time; write '2 h', or a date such as 2026-11-27\n" == (
        capsys.readouterr().err
    )


def test_show_by_name_or_by_folder_says_the_verdicts(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 1 == cli.main(["results", "show", BAD, "--results", str(results)])
    by_name = capsys.readouterr().out
    assert 1 == cli.main(["results", "show", str(results / BAD)])

    assert by_name == capsys.readouterr().out
    assert "  fail: interruption of heartbeat at most 3.5 s: " in by_name


def test_a_wrong_name_removes_nothing(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All names are looked up before the first is removed; a folder that is no result is none to remove."""
    assert 2 == cli.main(["results", "rm", "--yes", GOOD, f"{BAD[:-1]}", "--results", str(results)])
    assert "did you mean" in capsys.readouterr().err
    assert 2 == cli.main(["results", "rm", "--yes", "notes", "--results", str(results)])

    assert {GOOD, BAD, "broken", "notes"} == {path.name for path in results.iterdir()}


def test_nothing_is_removed_unasked(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal, and without --yes, nobody has said yes."""
    assert 2 == cli.main(["results", "rm", GOOD, "--results", str(results)])
    assert (results / GOOD).is_dir()


def test_rm_removes_what_is_named_alone(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["results", "rm", "--yes", GOOD, "broken", "--results", str(results)])
    assert {BAD, "notes"} == {path.name for path in results.iterdir()}
