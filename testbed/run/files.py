"""The user's files, found by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed import paths
from testbed.errors import InputError, Place, did_you_mean


def find_file(
    name: str, folder: Path, noun: str, place: Place | str = "", beside: Path = Path(), known: Sequence[str] = ()
) -> Path:
    """Return a file by its name in ``folder``, or by its path: from ``beside``, the folder of what names it, first."""
    candidates = [folder / f"{name}.yaml"] if "/" not in name else []
    if name.endswith((".yaml", ".yml")):
        candidates += [beside / name, Path(name), folder / name]
    for candidate in candidates:
        if candidate.is_file():
            return candidate.resolve()
    all_known = [*known, *(path.stem for path in folder.glob("*.yaml"))]
    raise InputError(
        place, f"no {noun} {name!r} in {paths.shown(folder)}/", did_you_mean(Path(name).stem, all_known)
    )
