"""docs/scenarios.md teaches what there is: its examples load, and it leaves nothing out."""

from __future__ import annotations

import dataclasses
import re
import typing
from pathlib import Path

import pytest

from testbed import paths
from testbed.model.event import FAULTS, Kind
from testbed.model.objective import METRICS, Objective
from testbed.model.scenario import Scenario
from testbed.model.traffic import Traffic
from testbed.run import plan
from testbed.yaml import load

MANUAL = (paths.ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
WHOLE, EVENTS = re.findall(r"```yaml\n(.*?)```", MANUAL, re.DOTALL)
PAGES = [paths.ROOT / "README.md", *sorted((paths.ROOT / "docs").glob("*.md"))]
EXAMPLES = [
    (page.name, text)
    for page in PAGES
    for text in re.findall(r"```yaml\n(# [\w-]+\.yaml: .*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    if "\nobjectives:" in text
]
AROUND = """\
topology: hub-two-uplinks
duration: 300 s
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
traffic: {heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}}
objectives: [{metric: interruption, at_most: 3 s}]
"""
KINDS = [typing.get_args(typing.get_type_hints(t)["kind"])[0] for t in typing.get_args(Traffic)]


def keys(model: type) -> list[str]:
    names = {f.metadata.get("yaml_key", f.name): f.name for f in dataclasses.fields(model)}
    return [key for key, name in names.items() if name not in ("place", "name")]


def test_the_whole_example_is_a_plan(tmp_path: Path) -> None:
    """All that it names exists, and a run of it could begin."""
    path = tmp_path / "lesson-in-the-rain.yaml"
    path.write_text(WHOLE)

    made = plan.make(path)
    assert made.question.startswith("does the lesson go on")
    assert made.scenario.mutation is not None


@pytest.mark.parametrize(("page", "text"), EXAMPLES, ids=lambda value: value if len(value) < 40 else "")
def test_every_scenario_in_the_docs_is_a_plan(page: str, text: str, tmp_path: Path) -> None:
    """README and tutorial show scenarios that a run could begin with."""
    path = tmp_path / text.partition(":")[0].removeprefix("# ")
    path.write_text(text)

    assert plan.make(path).question


def test_the_events_are_one_of_each_kind() -> None:
    """Every kind of event stands there, each once, and the page names all of its keys."""
    events = load.parse(AROUND + EVENTS, Scenario, "scenarios.md").events

    assert sorted(Kind) == sorted(event.kind for event in events)
    for event in events:
        assert all(f"`{key}" in MANUAL for key in FAULTS[event.kind].keys)


@pytest.mark.parametrize(
    "word",
    [
        *keys(Scenario),
        *keys(Objective)[1:],
        *METRICS,
        *KINDS,
        *Kind,
        *(k for f in FAULTS.values() for k in f.keys),
    ],
)
def test_nothing_is_left_out(word: str) -> None:
    """Each key, metric, kind of traffic and kind of event is named in the manual's own words."""
    assert f"`{word}" in MANUAL


@pytest.mark.parametrize("model", typing.get_args(Traffic), ids=KINDS)
def test_every_key_of_traffic_is_there(model: type) -> None:
    """A row of the table has each key that the kind takes."""
    kind = typing.get_args(typing.get_type_hints(model)["kind"])[0]
    row = next(line for line in MANUAL.splitlines() if line.startswith(f"| `{kind}`"))

    assert [] == [key for key in keys(model) if key != "kind" and f"`{key}`" not in row]
