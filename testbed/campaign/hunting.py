"""A hunt on disk: each point that was asked with what its runs told, so that a hunt which was cut short goes on.

    hunt.json    what is hunted, and every answer so far
    01/, 02/     the runs, each a run's folder
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from testbed.campaign import hunt
from testbed.campaign.hunt import Dimension, Hunted, Point
from testbed.errors import HostError, InputError, RunError, TestbedError
from testbed.model.times import REAL
from testbed.result import shelf
from testbed.result.record import State
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict
from testbed.units import DURATION_UNITS, parse_duration
from testbed.yaml.overrides import Override

FILE = "hunt.json"
_NAMED = "name the folder of one, results/...-hunt-..."
_RANGE = re.compile(r"(?P<key>[^=]+)=(?P<low>.+?)\.\.(?P<high>.+?)/(?P<step>.+)")
_EXAMPLE = "write KEY=FROM..TO/STEP: events.0.outage='100 ms..25 s/100 ms', hub.timers.fall=1..6/1"


@dataclass(frozen=True)
class Vary:
    """A key that is hunted over: times in ns, or whole numbers (``unit`` empty)."""

    dimension: Dimension
    unit: str

    @classmethod
    def parse(cls, text: str, option: str, *, size: bool) -> Vary:
        """Read ``KEY=FROM..TO/STEP``. Raises InputError."""
        match = _RANGE.fullmatch(text)
        if match is None:
            raise InputError(option, repr(text), _EXAMPLE)
        parts = [match[name].strip() for name in ("low", "high", "step")]
        whole = all(part.isdecimal() for part in parts)
        try:
            low, high, step = map(int if whole else parse_duration, parts)
        except ValueError as error:
            raise InputError(option, f"{text!r}: {error}", _EXAMPLE) from None
        return cls(Dimension(match["key"].strip(), low, high, step, size), "" if whole else "ns")

    def text(self, value: int) -> str:
        """Return a value as a scenario has it, to the nanosecond."""
        if not self.unit:
            return str(value)
        whole = (unit for unit in ("s", "ms", "us", "ns") if value % DURATION_UNITS[unit] == 0)
        unit = next(whole)
        return f"{value // DURATION_UNITS[unit]} {unit}"


@dataclass(frozen=True)
class HuntAnswer:
    """What the runs at a point told; ``margin`` None: no run could tell. ``runs`` are their folders' names."""

    point: Point
    margin: float | None
    told: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class Hunt:
    """What is hunted: ``objective`` is a key, ``changes`` hold in every run; and what was asked, in order.

    ``bounds``: ``runs`` is how many points are asked at most, ``tries`` how many runs a point may take to tell.
    """

    scenario: str
    objective: str
    varied: tuple[Vary, ...]
    seed: int
    runs: int
    tries: int
    changes: tuple[str, ...] = ()
    time: str = REAL
    asked: tuple[HuntAnswer, ...] = ()

    @classmethod
    def find(cls, text: str, results: Path) -> Path:
        """Return the folder of a hunt, named by its path or by its name below ``results``. Raises InputError."""
        return shelf.find(text, results, lambda folder: (folder / FILE).is_file(), "hunt", _NAMED)

    @classmethod
    def read(cls, folder: Path) -> Hunt:
        """Read a hunt that was begun. Raises InputError."""
        try:
            return msgspec.json.decode((folder / FILE).read_bytes(), type=cls)
        except (OSError, msgspec.MsgspecError) as error:
            raise InputError(str(folder), f"no hunt: {error}", _NAMED) from error

    def write(self, folder: Path) -> Hunt:
        """Keep it, whole or as it was, and return it."""
        partial = folder / f"{FILE}.partial"
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")
        partial.replace(folder / FILE)
        return self

    def overrides(self, point: Point) -> tuple[Override, ...]:
        """Return what makes the scenario's run at a point."""
        pairs = zip(self.varied, point, strict=True)
        at = tuple(Override.parse(f"{vary.dimension.key}={vary.text(value)}") for vary, value in pairs)
        return (*map(Override.parse, self.changes), *at)

    def said(self, point: Point) -> str:
        """Return a point for people."""
        pairs = zip(self.varied, point, strict=True)
        return ", ".join(f"{vary.dimension.key} {vary.text(value)}" for vary, value in pairs)

    def corners(self) -> Iterator[Point]:
        """Yield the points between which all others lie."""
        yield tuple(vary.dimension.low for vary in self.varied)
        yield tuple(vary.dimension.at(1) for vary in self.varied)

    @property
    def hunted(self) -> Hunted:
        """What is known, as the search reads it."""
        return Hunted(
            tuple(vary.dimension for vary in self.varied), {asked.point: asked.margin for asked in self.asked}
        )


Play = Callable[[tuple[Override, ...], Path], Result]
"""Plays a run into a folder that is new, and returns what it left. Raises HostError or RunError where it dies."""


def go(hunting: Hunt, folder: Path, play: Play, show: Callable[[Hunt, HuntAnswer], None]) -> Hunt:
    """Ask until nothing is left to ask, and return all that is known; each answer is kept as soon as it is there.

    What an earlier hunt in the folder knew is not played again. Raises KeyboardInterrupt where a run was interrupted.
    """
    known = {asked.point: asked for asked in hunting.asked}
    numbers = iter(range(1 + sum(len(asked.runs) for asked in hunting.asked), 10**6))

    def ask(point: Point) -> float | None:
        nonlocal hunting
        if point in known:
            return known[point].margin
        asked = _told(hunting, point, folder, play, numbers)
        hunting = replace(hunting, asked=(*hunting.asked, asked)).write(folder)
        show(hunting, asked)
        return asked.margin

    hunt.play(Hunted(hunting.hunted.dimensions), hunting.seed, hunting.runs, ask)
    return hunting


def _told(hunting: Hunt, point: Point, folder: Path, play: Play, numbers: Iterator[int]) -> HuntAnswer:
    """Play a point until a run can tell."""
    told, names = "", []
    for _ in range(hunting.tries):
        name = f"{next(numbers):02d}"
        while (folder / name).exists():  # of a run that was cut short
            name = f"{next(numbers):02d}"
        names.append(name)
        try:
            result = play(hunting.overrides(point), folder / name)
        except (HostError, RunError, InputError) as error:
            told = f"no answer: {error}"
            continue
        if result.record.state is State.INTERRUPTED:
            raise KeyboardInterrupt
        margin, told = margin_of(result, hunting.objective)
        if margin is not None:
            return HuntAnswer(point, margin, told, tuple(names))
    return HuntAnswer(point, None, told, tuple(names))


def margin_of(result: Result, objective: str) -> tuple[float | None, str]:
    """Return an objective's room to its bound, below 0 where it is broken, and how that is said; None: nobody knows."""
    try:
        verdict: Verdict = result.verdict(objective)
    except TestbedError as error:
        return None, f"no answer: {error}"
    word = f"{verdict.outcome} {verdict.measured}"
    if verdict.outcome is Outcome.PASS:
        return max(verdict.margin or 0.0, 0.0), word
    if verdict.outcome is Outcome.FAIL:
        return min(verdict.margin if verdict.margin is not None else -1.0, -1e-9), word
    return None, f"{verdict.outcome}: {verdict.reason}"


def told(hunting: Hunt, folder: Path) -> Sequence[str]:
    """Return what came of a hunt, in lines for people."""
    found, points = hunting.hunted.found, len(hunting.asked)
    silent = sum(asked.margin is None for asked in hunting.asked)
    lines = [f"{points} of at most {hunting.runs} points asked{f', {silent} without an answer' * bool(silent)}"]
    if found is None:
        return [*lines, f"nothing broke {hunting.objective}"]
    at = {asked.point: asked for asked in hunting.asked}
    lines.append(f"smallest that breaks {hunting.objective}: {hunting.said(found.breaks)}: {at[found.breaks].told}")
    lines += [f"  one step less holds: {hunting.said(point)}: {at[point].told}" for point in found.holds]
    options = " ".join(f"--set '{change}'" for change in hunting.overrides(found.breaks))
    lines.append(f"again: testbed run {hunting.scenario} {options}")
    lines.append(f"its run: {folder.name}/{at[found.breaks].runs[-1]}/")
    return lines

