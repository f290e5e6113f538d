"""A script's log, read again and again while a run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.probes.script import RowsFollower


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "lessons.jsonl"
    path.write_text(json.dumps({"ready": True}) + "\n")
    return path


def say(log: Path, *times_ns: int) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"t_ns": t_ns}) + "\n" for t_ns in times_ns)


def test_what_came_since_the_last_look_is_added(log: Path) -> None:
    follower = RowsFollower(log)
    assert [] == follower.rows()
    say(log, 10, 30)
    assert [{"t_ns": 10}, {"t_ns": 30}] == follower.rows()
    say(log, 20)  # the answer to an earlier request
    assert [10, 30, 20] == [row["t_ns"] for row in follower.rows()]


def test_a_line_that_is_being_written_comes_when_it_is_whole(log: Path) -> None:
    follower = RowsFollower(log)
    say(log, 10)
    with log.open("a", encoding="utf-8") as file:
        file.write('{"t_ns": 2')
    assert [10] == [row["t_ns"] for row in follower.rows()]
    with log.open("a", encoding="utf-8") as file:
        file.write("0}\n")
    assert [10, 20] == [row["t_ns"] for row in follower.rows()]


def test_what_nobody_asks_for_any_more_is_forgotten_and_can_be_had_again(log: Path) -> None:
    follower = RowsFollower(log)
    say(log, 10, 20, 30)
    assert [20, 30] == [row["t_ns"] for row in follower.rows(20)]
    say(log, 15, 40)
    assert [20, 30, 40] == [row["t_ns"] for row in follower.rows(20)]
    assert [10, 20, 30, 15, 40] == [row["t_ns"] for row in follower.rows(0)]


def test_each_byte_is_read_once(log: Path) -> None:
    """What was read is not looked at again: a log that says something else now makes no difference."""
    follower = RowsFollower(log)
    say(log, 10)
    follower.rows()
    log.write_text(log.read_text().replace("10", "99"))
    say(log, 20)
    assert [10, 20] == [row["t_ns"] for row in follower.rows()]
