"""The processes of a run, found from outside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """A process as it was when it was seen: its command line, and its network namespace."""

    pid: int
    line: str
    home: str


def below(pid: int) -> Iterator[int]:
    """Yield the processes that descend from one; those that end meanwhile have none."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, task.read_text().split()):
                yield child
                yield from below(child)


def found(pid: int, words: str, node: str = "") -> list[int]:
    """Return the processes below another whose command line has these words (a regular expression), oldest first.

    Of all nodes, or of one.
    """
    seen = list(_seen(pid))
    here = {one.home for one in seen if one.line.rstrip().endswith(f"mininet:{node}")}
    return sorted(one.pid for one in seen if re.search(words, one.line) and (not node or one.home in here))


def named(pid: int, words: str, node: str = "") -> int:
    """Return the one process that ``found`` finds."""
    (only,) = found(pid, words, node)
    return only


def lives(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _seen(pid: int) -> Iterator[Seen]:
    for one in below(pid):
        with suppress(OSError):
            line = Path(f"/proc/{one}/cmdline").read_text(errors="replace").replace("\0", " ")
            yield Seen(one, line, os.readlink(f"/proc/{one}/ns/net"))
