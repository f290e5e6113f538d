"""Where things lie in the project."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOPOLOGIES = ROOT / "topologies"
SCENARIOS = ROOT / "scenarios"
CATALOGUES = SCENARIOS / "catalogues"
PLAYBOOKS = ROOT / "playbooks"
RESULTS = ROOT / "results"
BUILD = ROOT / "build"


def shown(path: Path) -> str:
    """Return a path as a reader sees it: relative to the project or the working folder where it is inside."""
    for base in (Path.cwd(), ROOT):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return str(path)
