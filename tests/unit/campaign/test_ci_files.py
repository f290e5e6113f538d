"""The files for CI: they are what their systems read, and name what there is."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from testbed import paths
from testbed.cli import parser

FOLDER = paths.ROOT / "docs" / "ci"
GATE = FOLDER / "gate.sh"
PIPELINES = ("github.yml", "azure-pipelines.yml")


def commands(value: object) -> Iterator[str]:
    """Yield all commands of a pipeline."""
    if isinstance(value, dict):
        yield from (str(value[key]) for key in ("run", "script") if key in value)
        for inner in value.values():
            yield from commands(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from commands(inner)


def as_root(folder: Path) -> Path:
    """Return a folder with a sudo that does as it is told; as root there is no need of it."""
    made = folder / "bin"
    made.mkdir()
    (made / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (made / "sudo").chmod(0o755)
    return made


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_names_scenarios_and_commands_that_exist(name: str):
    """The gate's scenarios, and the command that calibrates."""
    found = list(commands(yaml.safe_load((FOLDER / name).read_text())))

    (gate,) = (line for line in found if line.startswith("docs/ci/gate.sh"))
    scenarios = gate.split()[2:]
    assert scenarios and all((paths.SCENARIOS / f"{scenario}.yaml").is_file() for scenario in scenarios)
    assert "make setup" in found
    assert any("testbed calibrate" in line for line in found)


def test_every_command_line_of_testbed_is_one():
    """In the pipelines, as the gate calls it, and on the page about them."""
    written = [line for name in PIPELINES for line in commands(yaml.safe_load((FOLDER / name).read_text()))]
    page = (FOLDER.parent / "ci.md").read_text()
    written += [line.strip() for line in page.splitlines() if line.startswith("    ") and "testbed " in line]
    lines = [re.split(r" {3,}", line)[0] for line in written if re.search(r"testbed [a-z]", line)]

    for line in lines:
        words = shlex.split(line)
        at = next(place for place, word in enumerate(words) if word.rpartition("/")[2] == "testbed")
        parser().parse_args(words[at + 1 :])
    assert len(lines) >= 5


def test_the_gate_calls_testbed_by_its_own_words(tmp_path: Path):
    """Each of its calls is one that the command line takes."""
    program = tmp_path / ".venv" / "bin" / "testbed"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$*" >> calls\n[ "$1" = affected ] && echo smoke; exit 0\n')
    program.chmod(0o755)
    environment = {"PATH": f"{as_root(tmp_path)}:/usr/bin:/bin"}

    subprocess.run([str(GATE), "main", "smoke"], cwd=tmp_path, check=True, env=environment, capture_output=True)

    calls = (tmp_path / "calls").read_text().splitlines()
    assert ["affected", "compare"] == [call.split()[0] for call in calls]
    for call in calls:
        parser().parse_args(call.split())


def test_the_gate_can_be_run():
    """By its own line, and its shell understands it."""
    assert GATE.stat().st_mode & 0o111
    assert 0 == subprocess.run(["sh", "-n", str(GATE)], check=False).returncode


def test_nothing_affected_passes(tmp_path: Path):
    """Without a run; both files are there for the steps that follow."""
    program = tmp_path / ".venv" / "bin" / "testbed"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\n[ "$*" = "affected smoke --since main --names" ]\n')
    program.chmod(0o755)

    done = subprocess.run([str(GATE), "main", "smoke"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (0, "No scenario of smoke is affected since main.\n") == (done.returncode, done.stdout)
    assert {"compare.md", "compare.xml"} <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("status", "strict", "expected"), [(0, "", 0), (1, "", 1), (2, "", 2), (3, "", 0), (3, "1", 3)]
)
def test_the_gate_fails_on_what_is_worse(tmp_path: Path, status: int, strict: str, expected: int):
    """What could not be told passes with a note, unless asked otherwise."""
    program = tmp_path / ".venv" / "bin" / "testbed"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\n[ "$1" = affected ] && echo smoke && exit 0\necho told; exit {status}\n')
    program.chmod(0o755)
    environment = {"PATH": f"{as_root(tmp_path)}:/usr/bin:/bin", "STRICT": strict}

    done = subprocess.run(
        [str(GATE), "main", "smoke"], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )

    assert (expected, "told\n") == (done.returncode, done.stdout)
