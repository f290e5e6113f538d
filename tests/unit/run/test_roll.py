"""The roll of a lab's parts, called over real processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.lab.parts import STOPPED, Part, how, last_line
from testbed.model.ends import End
from testbed.run.roll import Roll

S = 10**9
START = 1_800_000_000 * S


@pytest.fixture
def living() -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends when it is killed."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def done(*command: str) -> subprocess.Popen[bytes]:
    """Return a process that has ended."""
    process = subprocess.Popen(command)
    process.wait(timeout=60)
    return process


def test_an_unasked_end_is_told_once(living: subprocess.Popen[bytes]) -> None:
    """Who, when since the start, how, and the last words; the living are not mentioned."""
    dead = Part("irtt of heartbeat", done("false"), lambda: "no route", "heartbeat")
    roll = Roll(lambda: [Part("linkd", living), dead], START)

    assert (End("irtt of heartbeat", "heartbeat", 8 * S, "exit status 1", "no route"),) == roll.call(
        START + 8 * S
    )
    assert () == roll.call(START + 9 * S)


def test_the_dead_are_told_one_by_one(living: subprocess.Popen[bytes]) -> None:
    """A part that ends after another is told too."""
    parts = [Part("a", done("true")), Part("b", living)]
    roll = Roll(lambda: parts, START)
    first = roll.call(START)
    living.kill()
    living.wait(timeout=60)

    assert ["a"] == [end.part for end in first]
    assert [("b", "killed by SIGKILL")] == [(end.part, end.how) for end in roll.call(START)]


def test_a_stopped_part_is_told_although_it_lives(living: subprocess.Popen[bytes]) -> None:
    """A hung part measures nothing: from when a signal stopped it, what rests on it does not count."""
    part = Part("prober of lessons", living, of="lessons")
    roll = Roll(lambda: [part], START)
    assert () == roll.call(START)
    living.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, living.pid, os.WSTOPPED)

    assert [("lessons", STOPPED)] == [(end.of, end.how) for end in roll.call(START + S)]
    assert () == roll.call(START + 2 * S)


@pytest.mark.parametrize(
    ("command", "now_ns", "parts"), [("true", 9 * S, []), ("true", 8 * S, ["p"]), ("false", 9 * S, ["p"])]
)
def test_work_that_is_done_is_no_unasked_end(command: str, now_ns: int, parts: list[str]) -> None:
    """From when it may be done, status 0 is as planned; before it, or with another status, it is not."""
    part = Part("p", done(command), due_ns=START + 9 * S)
    roll = Roll(lambda: [part], START)

    assert parts == [end.part for end in roll.call(START + now_ns)]


def test_who_is_struck_off_was_asked_to_end() -> None:
    """A part whose process is ended on purpose while the roll is called is not told."""
    lists = iter([[Part("dnsmasq of dish", done("false"))], []])
    roll = Roll(lambda: next(lists), START)

    assert () == roll.call(START)


def test_how_and_last_words(tmp_path: Path) -> None:
    """Signals have their names; of a log, however long, the last line counts."""
    log = tmp_path / "log"
    log.write_text("x" * 9000 + "\nthe last\n\n")

    assert ["exit status 3", "killed by SIGSEGV", "killed by signal 40"] == [how(3), how(-11), how(-40)]
    assert "nobody knows how" == how(None)
    assert ("the last", "") == (last_line(log), last_line(tmp_path / "none"))
