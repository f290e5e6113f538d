"""docs/dependencies.md names every package that is pinned, with its licence and what it is for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import yaml

from testbed import paths

_INSTALLED = (
    ("requirements-hashes.txt", ("requirements.txt", "requirements-dev.txt", "requirements-campaign.txt")),
    ("requirements-node.txt", ("requirements-node.txt",)),
    ("requirements-vm.txt", ("requirements-vm.txt",)),
    ("requirements-labgrid.txt", ("requirements-labgrid.txt",)),
)
_ROW = re.compile(r"^\| (\S+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def normal(name: str) -> str:
    """One name, however it is spelt (PEP 503)."""
    return name.lower().replace("_", "-")


def listed() -> dict[str, tuple[str, str]]:
    text = (paths.ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = {normal(name): (licence.strip(), what.strip()) for name, licence, what in _ROW.findall(text)}
    return {name: row for name, row in rows.items() if name not in {"package", "---"}}


def pinned() -> Iterator[str]:
    for file in set(paths.ROOT.glob("requirements*.txt")) - {paths.ROOT / "requirements-hashes.txt"}:
        yield from map(normal, re.findall(r"^([\w.-]+)==", file.read_text(encoding="utf-8"), re.MULTILINE))
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


@pytest.mark.parametrize(("file", "pins"), _INSTALLED)
def test_what_is_installed_is_known_by_its_hash(file: str, pins: tuple[str, ...]) -> None:
    """Each pinned release, and nothing else; `make hashes` writes the file for new pins."""
    asked = re.compile(r"^([\w.-]+==[^\s;]+)", re.MULTILINE)
    wanted = {pin.lower() for name in pins for pin in asked.findall((paths.ROOT / name).read_text(encoding="utf-8"))}
    text = (paths.ROOT / file).read_text(encoding="utf-8")
    hashed = re.findall(r"^([\w.-]+==[^\s;]+)[^\n]* \\\n    --hash=sha256:[0-9a-f]{64}", text, re.MULTILINE)

    assert {pin.replace("_", "-") for pin in wanted} == {pin.replace("_", "-") for pin in hashed}
