"""Where things lie in the project; how a path is told; a folder that is locked."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def locked(folder: Path, how: int = fcntl.LOCK_EX | fcntl.LOCK_NB) -> Iterator[None]:
    """Hold a folder's lock. Raises BlockingIOError where another has it and waiting was not asked for."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)
