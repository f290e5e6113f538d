"""What ``testbed doctor`` says about a host."""

from __future__ import annotations

import argparse
import json

import pytest

from testbed.checks import host
from testbed.checks.check import Ability, Check
from testbed.cli import doctor

FOUND = [
    Check("nft", Ability.OK, "/usr/sbin/nft"),
    Check("sch_netem", Ability.LIMITED, "not in the kernel", "the netem back end is refused"),
]
NO_IRTT = Check("irtt", Ability.MISSING, "not on PATH", "apt install irtt, or make setup")


def run(*arguments: str) -> int:
    """Run the subcommand."""
    parser = argparse.ArgumentParser()
    doctor.add_parser(parser.add_subparsers())
    options = parser.parse_args(["doctor", *arguments])
    return int(options.func(options))


def test_what_is_limited_lets_runs_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that lacks only useful things passes."""
    monkeypatch.setattr(doctor, "checks", lambda: FOUND)

    assert 0 == run()


def test_what_is_missing_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One needed thing that is missing is exit status 3, with what to install."""
    monkeypatch.setattr(doctor, "checks", lambda: [*FOUND, NO_IRTT])

    assert 3 == run()
    assert "1 missing: no run can start" in capsys.readouterr().out


def test_json_has_every_check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints each check with its four fields."""
    monkeypatch.setattr(doctor, "checks", lambda: [NO_IRTT])
    run("--json")

    expected = {"name": "irtt", "state": "missing", "found": "not on PATH", "advice": NO_IRTT.advice}
    assert [expected] == json.loads(capsys.readouterr().out)


def test_a_tool_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing on PATH every tool is missing, each with its package."""
    monkeypatch.setenv("PATH", "/nonexistent")
    found = {check.name: check for check in host.checks()}

    assert Ability.MISSING is found["keepalived"].state
    assert "apt install dnsmasq-base, or make setup" == found["dnsmasq"].advice
    assert len(found) == len(host.checks()), "each name once"
