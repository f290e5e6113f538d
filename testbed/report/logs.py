"""A run's logs as far as a page has room for them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FILE_BYTES = 48_000
ALL_BYTES = 700_000
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_GAP = "\n…\n".encode()
_FIRST = ("run.log", "hub/hub", "hub/frr", "linkd.log", "provision.log", "hub/")


@dataclass(frozen=True)
class Log:
    """A log: its path below logs/, its lines, and how many bytes of its middle were left out."""

    name: str
    text: str
    size: int
    left_out: int


def read(folder: Path) -> tuple[Log, ...]:
    """Return the logs that are text, the hub's own and the run's first; long ones without their middle."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".gz"]
    left, found = ALL_BYTES, []
    for path in sorted(paths, key=lambda path: (_place(str(path.relative_to(folder))), str(path))):
        content = path.read_bytes()
        if not content or b"\0" in content[:1024]:
            continue
        room = min(FILE_BYTES, left)
        kept = content
        if len(content) > room:
            half = room // 2 - len(_GAP)
            kept = content[:half].rpartition(b"\n")[0] + _GAP + content[-half:].partition(b"\n")[2]
        left -= min(len(kept), left)
        text = _UNPRINTABLE.sub(
            "\ufffd", _ANSI.sub("", kept.decode("utf-8", errors="replace").replace("\r\n", "\n"))
        )
        found.append(Log(str(path.relative_to(folder)), text, len(content), max(0, len(content) - len(kept))))
    return tuple(found)


def _place(name: str) -> int:
    return next((i for i, start in enumerate(_FIRST) if name.startswith(start)), len(_FIRST))
