"""docs/dependencies.md names every package that is pinned, with its licence and what it is for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from testbed import paths

_ROW = re.compile(r"^\| (\S+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def listed() -> dict[str, tuple[str, str]]:
    text = (paths.ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = {name: (licence.strip(), what.strip()) for name, licence, what in _ROW.findall(text)}
    return {name: row for name, row in rows.items() if name not in {"package", "---"}}


def pinned() -> Iterator[str]:
    for file in paths.ROOT.glob("requirements*.txt"):
        yield from re.findall(r"^([\w.-]+)==", file.read_text(encoding="utf-8"), re.MULTILINE)
    for file in (paths.ROOT / "testbed").glob("*/package.json"):
        package = json.loads(file.read_text(encoding="utf-8"))
        yield from package.get("dependencies", {})
        yield from package.get("devDependencies", {})
    (play,) = yaml.safe_load((paths.PLAYBOOKS / "workstation.yml").read_text(encoding="utf-8"))
    for row in play["vars"]["host_packages"]:
        yield from row


def test_every_pinned_package_is_listed() -> None:
    """A new package needs a row with its licence and its reason; one that went takes its row with it."""
    assert set(pinned()) == set(listed())


@pytest.mark.parametrize("name", sorted(set(pinned())))
def test_a_package_has_a_licence_and_a_reason(name: str) -> None:
    """Neither is left empty or open."""
    licence, what = listed()[name]

    assert "" not in (licence, what) and "?" not in licence + what
