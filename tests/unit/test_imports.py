"""The architecture's rule: imports point one way, from room to room."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from testbed.paths import ROOT

GROUND = {"units", "errors", "paths"}
FLOORS = (
    {"yaml"},
    {"model"},
    {"traces", "link", "lab", "metrics", "draft"},
    {"tenant", "probes", "faults", "dish", "capture", "result"},
    {"plots", "explain"},
    {"report", "export"},
    {"run"},
    {"standing"},
    {"campaign", "checks", "panel"},
    {"cli", "pytest_plugin"},
    {"__main__"},
)
"""From the ground up; a room may use what lies below its floor, and what BESIDE allows."""

BESIDE: Mapping[str, set[str]] = {
    "traces": {"lab"},  # a recording is a program that is followed
    "probes": {"tenant"},  # what is asked of it, and where it is
    "faults": {"tenant", "probes"},
    "pytest_plugin": {"cli"},  # the same screen shows a run
}
FROM_RESULTS_ALONE = {"metrics", "result", "plots", "explain", "report", "export"}
"""These judge and draw from kept files, years later: nothing of the running lab may be needed."""


def modules() -> list[Path]:
    return sorted((ROOT / "testbed").rglob("*.py"))


def room(path: Path) -> str:
    relative = path.relative_to(ROOT / "testbed")
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def rooms() -> list[str]:
    return sorted({room(path) for path in modules()} - {"__init__"})


def imported(path: Path) -> Iterator[str]:
    """Yield the rooms of testbed that a module imports from."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("testbed."))


def used(name: str) -> set[str]:
    """Return the rooms that a room uses."""
    found = {other for path in modules() if room(path) == name for other in imported(path)}
    return found - {name, "__version__"}


def below(name: str) -> set[str]:
    """Return the rooms that lie below a room's floor."""
    if name in GROUND:
        return GROUND
    floor = next(index for index, names in enumerate(FLOORS) if name in names)
    return GROUND.union(*FLOORS[:floor])


def test_every_room_has_a_floor() -> None:
    """A new room is given its place here."""
    assert set(rooms()) == GROUND.union(*FLOORS)


@pytest.mark.parametrize("name", rooms())
def test_imports_point_downwards(name: str) -> None:
    """No room uses one above it; beside it only where the table says why."""
    assert set() == used(name) - below(name) - BESIDE.get(name, set())


@pytest.mark.parametrize("name", sorted(FROM_RESULTS_ALONE))
def test_figures_and_verdicts_need_only_results(name: str) -> None:
    """What judges and draws knows results, models and units, and nothing of the running lab."""
    assert set() == used(name) - FROM_RESULTS_ALONE - GROUND - {"yaml", "model"}


def test_command_lines_live_in_one_room() -> None:
    """Only ``cli`` knows argparse, but for pytest's own options and programs of their own."""
    users = {room(path) for path in modules() if "import argparse" in path.read_text()}

    assert users <= {"cli", "pytest_plugin"}


def test_only_the_network_builder_imports_mininet() -> None:
    """Mininet's habits stay behind one module."""
    importers = [
        path
        for path in modules()
        if any(line.startswith(("from mininet", "import mininet")) for line in path.read_text().splitlines())
    ]

    assert [ROOT / "testbed" / "lab" / "network.py"] == importers


def test_a_class_has_a_name_of_its_own() -> None:
    """One name, one thing: whoever reads `Client` or `State` need not ask whose."""
    named: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                named.setdefault(node.name, []).append(str(path.relative_to(ROOT)))

    assert {} == {name: where for name, where in named.items() if len(where) > 1}
