"""Why a file that no importer takes is none: what it looks like, and what would make it a recording."""

from __future__ import annotations

from testbed.errors import InputError
from testbed.traces.formats import base, list_kinds, prefixed_ping


def check_filled(head: base.Head) -> None:
    """Raise InputError for a file that is empty, or holds only when a recording began and ended."""
    lines = [line for line in head.lines if line.strip()]
    if not head.data.strip():
        raise InputError(str(head.path), "the file is empty", "give a recording")
    if lines and all(prefixed_ping.START.match(line) or prefixed_ping.END.match(line) for line in lines):
        found = "the file is empty but for the times of its start and end: nothing was recorded"
        raise InputError(str(head.path), found, "record again")


def refusal(head: base.Head, known: str) -> InputError:
    """Return the error for a file that none of the ``known`` formats takes, as near to the cause as can be told."""
    return list_kinds.refusal(head) or InputError(
        str(head.path), "no known format of recording", f"known: {known}"
    )
