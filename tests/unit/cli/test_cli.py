"""The command line without a run: what it prints, and its exit statuses."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from testbed import cli, paths
from testbed.campaign.hunting import Hunt, Vary
from testbed.link.netem import NetemBackend
from testbed.run import plan

RUNNING = [("run",), ("campaign", "--repeat", "2")]
"""The commands that run scenarios."""


def test_a_dry_run_prints_the_timeline_and_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything is checked and told in the order of time; the promise of the timers is among it."""
    assert 0 == cli.main(["run", "starlink-blackout", "--dry-run"])
    printed = capsys.readouterr().out

    assert "whose timers promise an interruption of 2 s to 3 s" in printed
    timeline = printed.partition("timeline\n")[2].partition("\n\nobjectives")[0]
    assert ["0 s", "0 s", "30 s", "55 s", "90 s"] == [
        line.strip().partition("  ")[0] for line in timeline.splitlines()
    ]
    assert "interruption of heartbeat at most" in printed


def test_a_hunt_that_was_begun_is_found_by_path_and_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes on; another folder is no hunt, and says what would be one."""
    shrink = Vary.parse("events.0.outage=100 ms..25 s/100 ms", "--shrink", size=True)
    (tmp_path / "hunted").mkdir()
    Hunt("starlink-blackout", "interruption:heartbeat:at_most", (shrink,), 7, 60, 2).write(tmp_path / "hunted")
    goes_on = ["hunt", "--resume", "--dry-run", "--results", str(tmp_path)]

    assert 0 == cli.main([*goes_on, str(tmp_path / "hunted")])
    assert 0 == cli.main([*goes_on, "hunted"])
    assert 2 == capsys.readouterr().out.count("events.0.outage: 100 ms to 25 s by 100 ms, as small as it can be")
    assert 2 == cli.main([*goes_on, "hunt"])
    assert "hunt: no hunt; did you mean 'hunted'?" in capsys.readouterr().err


def test_a_dry_run_can_be_read_by_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the timeline is a list of times in ns and words."""
    assert 0 == cli.main(["run", "starlink-blackout", "--dry-run", "--json"])
    rows = json.loads(capsys.readouterr().out)

    assert {"t_ns": 30 * 10**9, "what": "starlink outage 25 s begins"} in rows


def test_a_wrong_name_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown scenario is bad input: exit status 2 and what was probably meant."""
    assert 2 == cli.main(["run", "starlink-blakout"])
    assert "testbed: no scenario 'starlink-blakout' in scenarios/; did you mean 'starlink-blackout'?\n" == (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("command", RUNNING)
def test_what_a_back_end_cannot_play_is_refused_with_its_place(
    command: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """netem cannot lose a recording's packets one by one; the native engine can, and the message says so."""
    assert 2 == cli.main([*command, "starlink-blackout", "--link", "netem", "--dry-run"])
    said = capsys.readouterr().err

    assert said.startswith(
        "testbed: scenarios/starlink-blackout.yaml:7: netem cannot lose packets as recorded: "
    )
    assert "; use --link native\n" in said


@pytest.mark.parametrize("command", RUNNING)
def test_a_host_without_a_back_end_is_told_before_anything_starts(
    command: Sequence[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Exit status 3, the reason, and no folder of a run."""
    reason = "this host's kernel has no netem; use --link native"
    monkeypatch.setattr(NetemBackend, "fault_of_host", lambda: reason)

    assert 3 == cli.main([*command, "smoke", "--link", "netem", "--results", str(tmp_path)])

    assert f"testbed: {reason}\n" == capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_every_scenario_is_listed_with_its_question(capsys: pytest.CaptureFixture[str]) -> None:
    """A scenario's first line is its question; none goes without."""
    assert 0 == cli.main(["scenario", "list", "--json"])
    questions = json.loads(capsys.readouterr().out)

    assert plan.scenarios() == list(questions)
    assert [] == [name for name, question in questions.items() if not question.endswith("?")]


def test_a_topology_can_be_looked_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Every port with its address and what it is wired to, for programs too."""
    assert 0 == cli.main(["topology", "show", "hub-two-uplinks", "--json"])
    rows = json.loads(capsys.readouterr().out)

    wan = {"node": "hub", "kind": "hub", "port": "wan0", "address": "dhcp", "wired to": "dish:lan0"}
    assert wan in rows


def every_parser(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield the parser of each command below, and of those below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from every_parser(below)


@pytest.mark.parametrize("parser", list(every_parser(cli.parser())), ids=lambda parser: str(parser.prog))
def test_every_command_tells_how_to_call_it(parser: argparse.ArgumentParser) -> None:
    """Its help can be written, and so can what the command above says of it."""
    assert parser.format_help().startswith(f"usage: {parser.prog}")


def test_help_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 0, and the usage first."""
    with pytest.raises(SystemExit) as end:
        cli.main(["lab", "--help"])

    assert 0 == end.value.code
    assert capsys.readouterr().out.startswith("usage: testbed lab")


def test_a_press_of_tab_loads_no_more_than_it_must() -> None:
    """What draws, serves or tests hypotheses is loaded where that is done."""
    heavy = ("matplotlib", "fastapi", "scipy.stats")
    program = f"import sys, testbed.cli; print(*(name for name in {heavy} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert "\n" == done.stdout


@pytest.mark.parametrize("name", plan.scenarios())
def test_every_scenario_in_the_repository_is_good(name: str, tmp_path: Path) -> None:
    """Each scenario loads, resolves and compiles; one that plays a recording needs that recording."""
    path = paths.SCENARIOS / f"{name}.yaml"
    if "TESTBED_TRACES" in path.read_text() and not (paths.ROOT.parent / "shared" / "traces").is_dir():
        pytest.skip("plays a recording that is not on this machine; name its folder in TESTBED_TRACES")

    assert name == plan.make(path).name
