"""The kept results below a folder: which there are, what they say, how much room they take."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from testbed.errors import InputError
from testbed.result import campaign, store
from testbed.result.campaign import Campaign
from testbed.result.record import State
from testbed.result.store import Result

LISTED = "'testbed results list' shows what there is"
WORDS = ("pass", "fail", "inconclusive", "invalid", "interrupted", "failed", "running", "unreadable")


@dataclass(frozen=True)
class Kept:
    """A run or a campaign as it lies on the shelf; ``word`` is one of WORDS."""

    folder: Path
    kind: str
    scenario: str
    title: str
    word: str
    created_ns: int | None
    said: str

    @cached_property
    def size_bytes(self) -> int:
        """The room that its files take."""
        return sum(path.lstat().st_size for path in self.folder.rglob("*") if path.is_file())


def shelf(results: Path) -> Iterator[Kept]:
    """Yield every run and campaign directly below a folder, the newest first."""
    found = [read(path) for path in results.iterdir() if holds(path)] if results.is_dir() else []
    yield from sorted(found, key=lambda kept: (kept.created_ns or 0, kept.folder.name), reverse=True)


def holds(folder: Path) -> bool:
    """Return whether a folder is a run's or a campaign's."""
    return (folder / store.FILE).is_file() or (folder / campaign.FILE).is_file()


def read(folder: Path) -> Kept:
    """Read what lies in a folder; one that this version cannot read says why."""
    try:
        return _campaign(folder) if (folder / campaign.FILE).is_file() else _run(folder)
    except InputError as error:
        return Kept(folder, "unknown", "", folder.name, "unreadable", None, str(error))


def find(
    text: str, results: Path, holds: Callable[[Path], bool] = holds, noun: str = "run or campaign", hint: str = LISTED
) -> Path:
    """Return the folder of a run or campaign that the user names, by its path or by its name below ``results``.

    Or of what else ``holds`` says of a folder; ``noun`` calls it, and ``hint`` says how such are found. Raises
    InputError with the names that are near.
    """
    for folder in (Path(text), results / text):
        if holds(folder):
            return folder
    names = [path.name for path in results.iterdir() if holds(path)] if results.is_dir() else []
    near = difflib.get_close_matches(text, names, n=1)
    raise InputError(text, f"no {noun}", f"did you mean {near[0]!r}?" if near else hint)


def remove(kept: Kept) -> None:
    """Remove a run or a campaign with all its files. Raises InputError where that is not permitted."""
    try:
        shutil.rmtree(kept.folder)
    except OSError as error:
        raise InputError(str(kept.folder), f"not removed: {error}", "remove it as who made it") from error


def _run(folder: Path) -> Kept:
    record = Result.load(folder).record
    outcomes = [str(verdict.outcome) for verdict in record.verdicts]
    word = str(record.state)
    if record.state is State.COMPLETE:
        plain = "pass" if outcomes else "inconclusive"
        word = next((w for w in ("invalid", "fail", "inconclusive") if w in outcomes), plain)
    missed = [v for v in record.verdicts if v.outcome != "pass"]
    said = "; ".join(f"{v.title}: {v.measured}" for v in missed) or record.error.partition("\n")[0]
    return Kept(folder, "run", record.scenario, record.title, word, record.created_ns, said)


def _campaign(folder: Path) -> Kept:
    found = Campaign.load(folder)
    words = [_run(result.folder).word for result in found.results] + ["failed"] * len(found.died)
    word = next((w for w in ("fail", "invalid", "failed", "running", "inconclusive") if w in words), "pass")
    told = ", ".join(f"{words.count(w)} {w}" for w in WORDS if w in words)
    begun = min((result.record.created_ns for result in found.results), default=None)
    kind, title = (
        f"campaign of {len(found.runs)}",
        f"{found.scenario} over {', '.join(found.keys) or 'repetitions'}",
    )
    return Kept(folder, kind, found.scenario, title, word, begun, told)
