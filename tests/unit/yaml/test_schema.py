"""The JSON Schemas of the YAML files: up to date, as strict as the loader, and no stricter."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from testbed import cli, paths, units
from testbed.cli import schema
from testbed.errors import InputError
from testbed.yaml import load
from testbed.yaml import schema as writer
from tests.unit.model.test_bad_scenarios import BAD, GOOD

SCENARIO = schema.schema("scenario")
DEFINITIONS = SCENARIO["$defs"]

STRUCTURAL = {
    "unknown key": "$.events[0]",
    "unknown key at the top": "$",
    "no unit": "$.duration",
    "wrong unit": "$.uplinks.lte.fixed.rate",
    "unknown metric": "$.objectives[0].metric",
    "unknown kind of traffic": "$.traffic.heartbeat.kind",
}
"""The bad scenarios that a schema can see -> where; the others need more than one mapping to be seen."""

QUANTITIES: dict[str, tuple[dict[str, Any], Callable[[str], float]]] = {
    "duration": (SCENARIO["properties"]["duration"], units.parse_duration),
    "rate": (DEFINITIONS["Rates"]["properties"]["up"], units.parse_rate),
    "size": (DEFINITIONS["Queue"]["properties"]["bytes"], units.parse_size),
    "share": (DEFINITIONS["FixedLink"]["properties"]["loss"], units.parse_share),
    "frequency": (DEFINITIONS["HttpGet"]["properties"]["rate"], units.parse_frequency),
}
NUMBERS = ("1", " 2.5 ", "+3", "1e1", "1.5e-1", "-4", ".5", "1,5", "")
UNITS = (
    *("", "ns", "us", "µs", "ms", "s", "sec", "m", "min", "h", "d", "bit/s", "kbit/s", "Mbit/s", "Gbit/s"),
    *(
        "bps",
        "Mbps",
        "Gbps",
        "kbps",
        "mbit",
        "Mbit",
        "bit",
        "B",
        "kB",
        "MB",
        "GB",
        "KiB",
        "MiB",
        "GiB",
        "MBps",
    ),
    *("%", "%%", "/s", "/min", "/h", "1/s"),
)


def kind_of(path: Path) -> str:
    """Return what a YAML file of the repository is."""
    if path == paths.DATASETS:
        return "datasets"
    folders = {
        "scenarios": "scenario",
        "topologies": "topology",
        "fleets": "fleet",
        "benches": "bench",
        "catalogues": "catalogue",
        "profiles": "profile",
        "ci": "thresholds",
        "tenants": "tenant",
    }
    return folders[path.parent.name]


_DOCS_CI = paths.ROOT / "docs" / "ci"
FOLDERS = (paths.SCENARIOS, paths.TOPOLOGIES, paths.FLEETS, paths.BENCHES, paths.TENANTS, _DOCS_CI)
FILES = sorted(file for folder in FOLDERS for file in folder.rglob("*.yaml"))


@pytest.mark.parametrize("kind", schema.KINDS)
def test_the_committed_schema_is_up_to_date(kind: str) -> None:
    """What lies in docs/schemas is what the models say now; ``testbed schema --write`` makes it so."""
    assert schema.text(kind) == schema.file(kind).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", schema.KINDS)
def test_a_schema_is_one(kind: str) -> None:
    """The schema is valid JSON Schema 2020-12, and every reference in it leads somewhere."""
    made = schema.schema(kind)
    Draft202012Validator.check_schema(made)

    used = set(re.findall(r'"#/\$defs/(\w+)"', json.dumps(made)))
    assert set(made["$defs"]) == used


def test_every_kind_of_file_is_in_the_repository() -> None:
    """Each schema has a file that it is tested on."""
    assert set(schema.KINDS) == set(map(kind_of, FILES))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(paths.ROOT)))
def test_every_file_keeps_its_schema(path: Path) -> None:
    """What the testbed itself ships raises no complaint in an editor."""
    validator = Draft202012Validator(schema.schema(kind_of(path)))

    assert [] == [e.message for e in validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))]


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if kind_of(path) in ("scenario", "topology", "fleet", "bench")],
    ids=lambda path: str(path.relative_to(paths.ROOT)),
)
def test_an_editor_finds_the_schema(path: Path) -> None:
    """The second line of a scenario, a topology, a fleet or a bench names its schema, relative to the file."""
    modeline = path.read_text(encoding="utf-8").splitlines()[1]
    named = modeline.removeprefix("# yaml-language-server: $schema=")

    assert schema.file(kind_of(path)) == (path.parent / named).resolve()


def test_the_good_scenario_keeps_the_schema() -> None:
    """The scenario that the bad ones are made from is valid."""
    assert [] == list(Draft202012Validator(SCENARIO).iter_errors(yaml.safe_load(GOOD)))


@pytest.mark.parametrize("name", STRUCTURAL)
def test_an_editor_shows_where_a_mistake_is(name: str) -> None:
    """A mistake within one mapping breaks the schema at its very place."""
    before, after, _ = BAD[name]
    error = best_match(
        Draft202012Validator(SCENARIO).iter_errors(yaml.safe_load(GOOD.replace(before, after, 1)))
    )

    assert error is not None
    assert STRUCTURAL[name] == error.json_path


@pytest.mark.parametrize("noun", QUANTITIES)
@pytest.mark.parametrize("unit", UNITS)
def test_quantities_are_as_the_loader_reads_them(noun: str, unit: str) -> None:
    """A pattern accepts the numbers, units and aliases that the parser accepts, and no other."""
    made, parse = QUANTITIES[noun]

    def accepted(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    texts = [f"{number}{space}{unit}" for number in NUMBERS for space in ("", " ")]
    assert list(filter(accepted, texts)) == [t for t in texts if Draft202012Validator(made).is_valid(t)]


@pytest.mark.parametrize(
    ("word", "valid"), [("on", True), (True, True), ("off", True), ("maybe", False), (1, False)]
)
def test_a_switch_is_on_or_off_in_both_versions_of_yaml(word: object, valid: bool) -> None:
    """``on`` is a boolean in YAML 1.1 and text in 1.2; both are right."""
    made = DEFINITIONS["HubProfile"]["properties"]["qos"]

    assert valid == Draft202012Validator(made).is_valid(word)


def test_a_count_may_be_a_number() -> None:
    """A bound without a unit is text to the model and a number to YAML."""
    objective = {"metric": "failovers", "at_most": 0}

    assert Draft202012Validator(DEFINITIONS["Objective"]).is_valid(objective)


def test_a_window_has_two_ends() -> None:
    """A window with one end or three is refused."""
    window = Draft202012Validator(DEFINITIONS["Objective"]["properties"]["window"])

    assert [False, True, False] == [window.is_valid(["1 s"] * count) for count in (1, 2, 3)]


def test_the_command_prints_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    """``testbed schema KIND`` prints the schema as it is committed."""
    assert 0 == cli.main(["schema", "topology"])
    assert schema.text("topology") == capsys.readouterr().out


def test_the_command_says_what_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a kind every kind is listed; those whose file is missing or old are stale until written."""
    monkeypatch.setattr(schema, "FOLDER", tmp_path / "schemas")
    cli.main(["schema", "scenario", "--write"])
    capsys.readouterr()
    cli.main(["schema"])

    states = {line.split()[0]: line.endswith("up to date") for line in capsys.readouterr().out.splitlines()}
    assert {kind: kind == "scenario" for kind in schema.KINDS} == states


def test_an_unknown_kind_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong kind is bad input: exit status 2 and what was probably meant."""
    assert 2 == cli.main(["schema", "senario"])
    assert "testbed: no kind of file 'senario'; did you mean 'scenario'?\n" == capsys.readouterr().err


def models(hint: Any, under_key: bool, found: set[tuple[type, bool]]) -> None:
    """Find every dataclass that a file of this type can hold, and whether it stands under a key of the user's."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        if (hint, under_key) not in found:
            found.add((hint, under_key))
            for inner in typing.get_type_hints(hint, include_extras=True).values():
                models(inner, False, found)
        return
    origin = typing.get_origin(hint)
    in_mapping = isinstance(origin, type) and issubclass(origin, Mapping)
    for argument in typing.get_args(hint):
        models(argument, in_mapping or (under_key and origin is not tuple), found)


FOUND: set[tuple[type, bool]] = set()
for kind in schema.KINDS.values():
    models(kind, False, FOUND)
MODELS = sorted({model for model, _ in FOUND}, key=lambda model: model.__qualname__)
UNDER_KEYS = [model for model in MODELS if (model, True) in FOUND]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_the_reader_fills_in_cannot_be_written(model: type) -> None:
    """A place, and the name of what stands under a key, are no keys: neither reader nor schema offers them."""
    filled = {f.name for f in dataclasses.fields(model)} - {f.name for f in load.keys(model).values()}
    text = "\n".join(f"{name}: x" for name in filled)

    assert filled <= {"place", "name"}
    assert filled.isdisjoint(writer.schema("model", model)["properties"])
    if filled:
        with pytest.raises(InputError) as refused:
            load.parse(text, model, "a.yaml")
        assert filled == {p.found.split("'")[1] for p in refused.value.problems if "unknown key" in p.found}


@pytest.mark.parametrize("model", UNDER_KEYS, ids=lambda model: model.__name__)
def test_a_key_is_the_name(model: type) -> None:
    """Nothing that stands under a key of the user's has another name beside it."""
    assert "name" not in load.keys(model)
