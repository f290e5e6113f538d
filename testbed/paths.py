"""Where things lie in the project."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOPOLOGIES = ROOT / "topologies"
SCENARIOS = ROOT / "scenarios"
CATALOGUES = SCENARIOS / "catalogues"
DATASETS = SCENARIOS / "catalogue.yaml"
FLEETS = ROOT / "fleets"
BENCHES = ROOT / "benches"
TENANTS = ROOT / "tenants"
PLAYBOOKS = ROOT / "playbooks"
RESULTS = ROOT / "results"
BUILD = ROOT / "build"


def shown(path: Path) -> str:
    """Return a path as a reader sees it: relative where it lies in or beside the project, or where the user is."""
    for base in (Path.cwd(), ROOT):
        if path.is_relative_to(base):
            return str(path.relative_to(base))
    return os.path.relpath(path, ROOT) if path.is_relative_to(ROOT.parent) else str(path)
