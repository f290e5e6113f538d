"""A folder as bytes, on its way from one host to another: a tar archive, unpacked whole or not at all."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

from testbed.errors import RunError

_LEVEL = 1  # samples are compressed already; the rest is text


def pack(folder: Path) -> bytes:
    """Return a folder with all that is in it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=_LEVEL) as archive:
        archive.add(folder, ".")
    return packed.getvalue()


def unpack(packed: bytes, folder: Path) -> bool:
    """Make ``folder`` of what ``pack`` returned; where it exists already, change nothing and return False.

    Raises RunError where it is no such archive, or names files outside of the folder.
    """
    if folder.exists():
        return False
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
            archive.extractall(partial, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise RunError(f"{folder.name} could not be unpacked: {error}") from error
    partial.rename(folder)
    return True
