"""The architecture's rule: imports point one way."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.paths import ROOT

LAYERS = (
    {"units", "errors", "paths", "load", "overrides"},
    {"model"},
    {
        "traces",
        "link",
        "lab",
        "faults",
        "provision",
        "provenance",
        "tenant",
        "probes",
        "metrics",
        "verdict",
        "result",
        "campaign",
    }
    | {"junit", "plots", "progress", "doctor", "drawing"},
    {"plan", "bringup", "launch", "screen", "live", "commandline", "schema", "bench_check"},
    {"run"},
    {"matrix", "cli", "__main__", "pytest_plugin", "pytest_runs"},
)
"""From the ground up; a module may import what lies below it or beside it in its layer."""

FROM_RESULTS_ALONE = {"metrics", "verdict", "result", "campaign", "junit", "plots", "provenance"}
"""These draw and judge from kept files, years later: nothing of the running lab may be needed."""


def modules() -> list[Path]:
    return sorted((ROOT / "testbed").rglob("*.py"))


def part(path: Path) -> str:
    relative = path.relative_to(ROOT / "testbed")
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(path: Path) -> Iterator[str]:
    """Yield the parts of testbed that a module imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("testbed."))


def layer(name: str) -> int:
    return next((index for index, names in enumerate(LAYERS) if name in names), -1)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    """No module imports from a layer above its own."""
    here = layer(part(path)) if part(path) != "__init__" else 0
    above = {name for name in imported(path) if layer(name) > here}

    assert set() == above


@pytest.mark.parametrize(
    "path",
    [p for p in modules() if part(p) in FROM_RESULTS_ALONE],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_figures_and_verdicts_need_only_results(path: Path) -> None:
    """What judges and draws knows results, models and units, and nothing of the running lab."""
    allowed = FROM_RESULTS_ALONE | LAYERS[0] | LAYERS[1]

    assert set() == set(imported(path)) - allowed


def test_only_the_network_builder_imports_mininet() -> None:
    """Mininet's habits stay behind one module."""
    users = [path for path in modules() if "mininet" in path.read_text() and "import" in path.read_text()]
    importers = [
        p for p in users if any(line.startswith("from mininet") for line in p.read_text().splitlines())
    ]

    assert [ROOT / "testbed" / "lab" / "network.py"] == importers
