"""Importers, one a file. A format is recognised by content, never by a file's name alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testbed.errors import InputError, did_you_mean
from testbed.traces.formats import base, iputils_ping

FORMATS: Mapping[str, base.Format] = {format.name: format for format in (iputils_ping.FORMAT,)}


def recognise(path: Path) -> base.Format:
    """Return the importer for a file. Raises InputError that lists the formats where none fits."""
    head = base.head(path)
    if not head.data.strip():
        raise InputError(str(path), "the file is empty", "give a recording")
    for format in FORMATS.values():
        if format.recognises(head):
            return format
    raise InputError(str(path), "no known format of recording", f"known: {', '.join(FORMATS)}")


def by_name(name: str) -> base.Format:
    """Return an importer by its name. Raises InputError with the nearest name."""
    if name not in FORMATS:
        raise InputError("--format", f"unknown format {name!r}", did_you_mean(name, FORMATS))
    return FORMATS[name]
