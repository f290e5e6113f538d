"""What a run's outcome depends on, hashed: equal where it is equal, whatever it is written like."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import paths
from testbed.run import job, plan
from testbed.yaml.overrides import Override


def packed(folder: Path, *changes: str) -> dict[str, dict[str, str]]:
    """Return job.json of the smoke scenario with some changes."""
    made = plan.make(paths.SCENARIOS / "smoke.yaml", tuple(map(Override.parse, changes)))
    job.pack(made, folder)
    kept: dict[str, dict[str, str]] = json.loads((folder / "inputs" / "job.json").read_text())
    return kept


@pytest.fixture
def plain(tmp_path: Path) -> dict[str, dict[str, str]]:
    """The scenario as it is."""
    return packed(tmp_path / "plain")


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("seed=8", {"seed"}),
        ("shift=1 s", {"duration", "events", "link of starlink", "link of lte"}),
        ("uplinks.lte={fixed: {delay: 40 ms}}", {"link of lte"}),
        ("hub.failover=none", set()),
        ("objectives.0.at_most=9 s", set()),
    ],
)
def test_a_change_is_seen_in_what_it_changes(tmp_path: Path, plain, change: str, parts: set[str]):
    """What the hub meets differs where it differs, and not where only the hub does, or what is asked of it."""
    met = packed(tmp_path / "changed", change)["met"]

    assert parts == {part for part in {*met, *plain["met"]} if met.get(part) != plain["met"].get(part)}


def test_the_hub_is_under_test(tmp_path: Path, plain):
    """Another failover is another hub, by the same roles and the same engine."""
    changed = packed(tmp_path / "changed", "hub.failover=none")["under_test"]

    assert {"hub"} == {part for part in changed if changed[part] != plain["under_test"][part]}


def test_the_same_is_the_same_however_it_is_written(tmp_path: Path, plain):
    """A duration in other words, a comment: the hub meets the same."""
    text = (paths.SCENARIOS / "smoke.yaml").read_text()
    copy = tmp_path / "smoke.yaml"
    copy.write_text(text.replace("30 s", "30000 ms") + "# the same\n")
    job.pack(plan.make(copy), tmp_path)

    assert copy.read_text() != text
    assert plain["met"] == json.loads((tmp_path / "inputs" / "job.json").read_text())["met"]
