"""The files of the program that a run's outcome depends on, found from the code itself: what imports or starts what.

What only tells of results (figures, the command line) is left out: it changes no sample and no verdict.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from testbed import paths
from testbed.metrics import METRICS

_STARTED = ("testbed.run.inside", "testbed.run.job", "testbed.run.plan", "testbed.run.launch")
_TELLING = {"plots", "explain", "report", "export", "cli", "pytest_plugin"}
"""Rooms that make figures and pages, and what a user types."""
_PINS = ("requirements.txt", "requirements-node.txt", "c.mk")
_METRICS = "testbed.metrics"


@cache
def program(root: Path = paths.ROOT) -> frozenset[Path]:
    """Return all files of the program and its pinned tools that a run's outcome may depend on, metrics included."""
    return _files(root, _closure(root, _STARTED))


@cache
def of_metrics(asked: frozenset[str], root: Path = paths.ROOT) -> frozenset[Path]:
    """Return what ``program`` does, but for the files of metrics that are not asked for."""
    leaves = {metric.measure.__module__ for name, metric in METRICS.items() if name in asked}
    hidden = {metric.measure.__module__ for metric in METRICS.values()} - leaves
    return _files(root, _closure(root, (*_STARTED, *leaves), skip=frozenset(hidden)))


def _files(root: Path, modules: Iterable[str]) -> frozenset[Path]:
    found = {path for name in modules if (path := _path(root, name)) is not None}
    rooms = {path.relative_to(root / "testbed").parts[0] for path in found}
    for room in rooms:  # what is not Python: C sources, what Node runs
        below = (root / "testbed" / room).rglob("*")
        found |= {path for path in below if path.is_file() and path.suffix not in (".py", ".pyc")}
    return frozenset(found | {root / name for name in _PINS if (root / name).is_file()})


def _closure(root: Path, start: Iterable[str], skip: frozenset[str] = frozenset()) -> set[str]:
    """Return the modules that are loaded or started from some; those of ``skip`` not because of metrics/__init__."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        name = waiting.pop()
        if name in found or name.split(".")[1:2] and name.split(".")[1] in _TELLING:
            continue
        path = _path(root, name)
        if path is None:
            continue
        found.add(name)
        used = _used(path, _package(path, name), root)
        waiting += [other for other in used if not (name == _METRICS and other in skip)]
        waiting += [".".join(name.split(".")[:depth]) for depth in range(1, name.count(".") + 1)]
    return found


@cache
def _used(path: Path, package: str, root: Path) -> tuple[str, ...]:
    return tuple(_references(ast.parse(path.read_bytes()), package, root))


def _references(tree: ast.AST, package: str, root: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("testbed"))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: package.count(".") + 2 - node.level]
                base = ".".join([*above, *filter(None, [base])])
            if base.startswith("testbed"):
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(r"testbed(\.\w+)+", node.value):
                yield from (node.value, f"{node.value}.__main__")  # started by its name: python -m testbed.lab.lender
            elif re.fullmatch(r"testbed(\.\w+)+\.", node.value):  # one of a package, by its name
                folder = root / node.value.replace(".", "/")
                yield from (f"{node.value}{found.stem}" for found in sorted(folder.glob("*.py")))


def _path(root: Path, name: str) -> Path | None:
    base = root.joinpath(*name.split("."))
    if (base / "__init__.py").is_file():
        return base / "__init__.py"
    return base.with_suffix(".py") if base.with_suffix(".py").is_file() else None


def _package(path: Path, name: str) -> str:
    return name if path.name == "__init__.py" else name.rpartition(".")[0]
