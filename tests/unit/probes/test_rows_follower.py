"""A script's log, read again and again while a run goes on."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from testbed.lab.devices import DeviceAccess
from testbed.probes.call import packets
from testbed.probes.script import RowsFollower, Script, sent_since


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


def test_two_who_ask_at_once_have_each_row_once(log: Path) -> None:
    """Each asks as often as it can, while the log grows."""
    follower, asked = RowsFollower(log), 200

    def ask(_: int) -> list[list[int]]:
        return [[row["t_ns"] for row in follower.rows()] for _ in range(asked)]

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(ask, range(4))
        for number in range(asked):
            say(log, *range(10 * number, 10 * number + 10))
        told = [times for each in answers for times in each]

    assert all(times == list(range(len(times))) for times in told)


def test_what_was_told_before_the_start_is_there_until_something_is_forgotten(log: Path) -> None:
    follower = RowsFollower(log)
    say(log, -20, 10, 30)
    assert [-20, 10, 30] == [row["t_ns"] for row in follower.rows()]
    assert [30] == [row["t_ns"] for row in follower.rows(20)]


def told(log: Path, *lines: dict[str, object]) -> Script:
    """Return a script that printed these lines."""
    with log.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return Script(cast(DeviceAccess, None), "call_end", {}, log)


def test_a_packet_is_not_lost_for_what_was_forgotten(tmp_path: Path) -> None:
    """The tenant told of its arrival before the client told that it was sent."""
    client = told(tmp_path / "client", {"t_ns": 50, "sent": [[0, 10], [1, 40]]}, {"t_ns": 90, "sent": [[2, 60]]})
    tenant = told(tmp_path / "tenant", {"t_ns": 30, "received": [[0, 10, 20]]}, {"t_ns": 80, "received": [[1, 40, 70]]})

    def since(t_ns: int) -> list[tuple[int, int | None]]:
        rows = sent_since(t_ns, packets("up", client.rows(t_ns), tenant.rows(t_ns), 200, 1000))
        return [(row["t_ns"], row["delay_ns"]) for row in rows]

    assert [(10, 10), (40, 30), (60, None)] == since(0)
    assert [(40, 30), (60, None)] == since(35)
