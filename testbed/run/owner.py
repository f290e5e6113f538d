"""Whose a result is: the user's who called sudo, and nothing that was there before changes hands."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def make(folder: Path) -> None:
    """Make a new folder, and the missing ones above it, for the user. Raises OSError."""
    made = [folder, *(above for above in folder.parents if not above.exists())]
    folder.mkdir(parents=True)
    _give(made)


def give(folder: Path) -> None:
    """Give a folder that a run has made to the user, with all that is in it."""
    _give((folder, *folder.rglob("*")))


def _give(paths: Iterable[Path]) -> None:
    if (uid := os.environ.get("SUDO_UID")) is None or os.geteuid() != 0:
        return
    gid = int(os.environ.get("SUDO_GID", uid))
    for path in paths:
        os.chown(path, int(uid), gid, follow_symlinks=False)
