"""A campaign's result: a scenario run over a matrix of changes, and what each run measured.

Its folder holds campaign.json, written anew after each run, a folder for each run, and a figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import msgspec

from testbed.errors import InputError
from testbed.result import store
from testbed.result.store import Result
from testbed.result.verdict import Verdict

FILE = "campaign.json"


class Extreme(NamedTuple):
    """The run in which an objective had the least room to its bound, or missed it most."""

    verdict: Verdict
    result: Result


@dataclass(frozen=True)
class _File:
    """What campaign.json holds."""

    scenario: str
    keys: tuple[str, ...]
    runs: tuple[str, ...]
    died: Mapping[str, str] = msgspec.field(default_factory=dict)


@dataclass(frozen=True)
class Campaign:
    """A campaign as it lies in its folder: the keys that vary, and the runs' folders in their order.

    ``died`` are the runs that came to no end of their own, and why: most left a result, but no verdicts.
    """

    folder: Path
    scenario: str
    keys: tuple[str, ...]
    runs: tuple[str, ...] = ()
    died: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Campaign:
        """Read a campaign, over or not. Raises InputError where there is none to read."""
        path = folder / FILE
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=_File)
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(str(path), f"not readable: {error}", "name a campaign's folder") from error
        return cls(folder, kept.scenario, kept.keys, kept.runs, kept.died)

    def kept(self, run: str, died: str = "") -> Campaign:
        """Return the campaign with one more run, and keep it; ``died`` says why a run came to no end."""
        others = {name: why for name, why in self.died.items() if name != run}
        runs = self.runs if run in self.runs else (*self.runs, run)
        return replace(self, runs=runs, died={**others, **({run: died} if died else {})}).saved()

    def saved(self) -> Campaign:
        """Return the campaign, and keep it."""
        content = msgspec.json.encode(_File(self.scenario, self.keys, self.runs, self.died))
        partial = self.folder / f"{FILE}.partial"
        partial.write_bytes(msgspec.json.format(content, indent=1) + b"\n")
        partial.replace(self.folder / FILE)
        return self

    @cached_property
    def results(self) -> tuple[Result, ...]:
        """The results of the runs that left one, in the order of running."""
        left = (self.folder / run for run in self.runs)
        return tuple(
            Result.load(run) for run in left if run.name not in self.died or (run / store.FILE).exists()
        )

    @cached_property
    def titles(self) -> Mapping[str, str]:
        """The objectives in the scenario's order, by their keys; a window that moves from run to run is left out."""
        found: dict[str, list[str]] = {}
        for result in self.results:
            for key, verdict in self.verdicts(result).items():
                found.setdefault(key, []).append(verdict.title)
        return {key: _common(titles) for key, titles in found.items()}

    def verdicts(self, result: Result) -> dict[str, Verdict]:
        """Return a run's verdicts by their objectives' keys; where an older version gave none, by their places."""
        return {v.key or str(place): v for place, v in enumerate(result.record.verdicts)}

    @property
    def exit_status(self) -> int:
        """1 where a run failed, else 3 where one died or could not tell, else 0."""
        found = {result.record.exit_status for result in self.results} | ({3} if self.died else set())
        return next((status for status in (1, 3) if status in found), 0 if found else 3)

    def values(self, result: Result) -> dict[str, str]:
        """Return what each key was set to in a run."""
        pairs = (change.partition("=") for change in result.record.changes)
        return {key: value for key, _, value in pairs if key in self.keys}

    def worst(self) -> Iterator[Extreme]:
        """Yield the extreme of each objective that any run could measure."""
        for key in self.titles:
            found = [
                Extreme(verdict, result)
                for result in self.results
                if (verdict := self.verdicts(result).get(key)) is not None and verdict.margin is not None
            ]
            if found:
                yield min(found, key=lambda extreme: extreme.verdict.margin or 0.0)


def _common(titles: Sequence[str]) -> str:
    """Return what an objective is called in all runs: a shift moves its window."""
    if len(set(titles)) == 1 or len({title.rpartition(" in ")[0] for title in titles}) > 1:
        return titles[0]
    return f"{titles[0].rpartition(' in ')[0]} in its window"
