"""The matrix of a campaign: a scenario with each combination of changes, run one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from testbed.errors import HostError, InputError, RunError
from testbed.lab.bench import Chosen
from testbed.model.times import REAL
from testbed.result.campaign import Campaign
from testbed.result.record import State
from testbed.result.store import Result
from testbed.run import launch, plan
from testbed.run.progress import Event, Note
from testbed.traces.slots import SLOT_NS
from testbed.units import format_duration, parse_duration
from testbed.yaml.overrides import Override


class Axis(NamedTuple):
    """One key of the scenario and the values it takes."""

    key: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Axis:
        """Read ``KEY=A,B,C`` or ``KEY=FROM..TO/STEP`` (durations). Raises InputError."""
        key, _, values = text.partition("=")
        if ".." in values:
            found = tuple(_span(text, values))
        else:
            found = tuple(value.strip() for value in values.split(",") if value.strip())
        if not key.strip() or not found:
            raise InputError("--vary", f"{text!r}", "write KEY=A,B,C or KEY=FROM..TO/STEP")
        return cls(key.strip(), found)

    @classmethod
    def phases(cls, count: int) -> Axis:
        """Return shifts that spread the scenario's events over one slot of 15 s."""
        return cls("shift", tuple(format_duration(index * SLOT_NS // count) for index in range(count)))


def _span(text: str, values: str) -> Iterator[str]:
    first, _, rest = values.partition("..")
    last, _, step = rest.partition("/")
    try:
        begin, end, every = (parse_duration(part.strip()) for part in (first, last, step))
    except ValueError as error:
        raise InputError("--vary", f"{text!r}: {error}", "write KEY=FROM..TO/STEP: 0 s..14 s/1 s") from None
    if every <= 0 or end < begin:
        raise InputError(
            "--vary", f"{text!r} has no values", "write a step above 0 and an end after the start"
        )
    return (format_duration(value) for value in range(begin, end + 1, every))


@dataclass(frozen=True)
class Matrix:
    """All that a campaign runs: every combination of the axes' values, each ``repeat`` times."""

    path: Path
    axes: tuple[Axis, ...]
    repeat: int = 1
    chosen: Chosen | None = None
    link: str = "native"
    time: str = REAL
    tenant: Path | None = None

    def combinations(self) -> list[tuple[Override, ...]]:
        """Return the changes of each run, in the order of running: repetitions last."""
        keys = [axis.key for axis in self.axes]
        rows = [
            tuple(Override.parse(f"{key}={value}") for key, value in zip(keys, values, strict=True))
            for values in itertools.product(*(axis.values for axis in self.axes))
        ]
        return rows * self.repeat

    def check(self) -> list[plan.Plan]:
        """Resolve every run before the first one starts. Raises InputError."""
        return list(map(self.resolve, self.combinations()))

    def resolve(self, changes: tuple[Override, ...]) -> plan.Plan:
        """Resolve one run. Raises InputError."""
        return plan.make(self.path, changes, self.chosen, self.link, self.time, self.tenant)


@dataclass(frozen=True)
class Begun:
    """A run of the matrix that begins: its number, how many there are, what is changed in it."""

    number: int
    of: int
    changes: tuple[Override, ...]


Watch = Callable[[Begun], AbstractContextManager[Callable[[Event], None]]]
"""Hears of each run that begins, and gives what hears of its events."""


def run(matrix: Matrix, folder: Path, watch: Watch, hold: int | None = None) -> Campaign:
    """Run the matrix, each run in a folder of its own; a run that the user ends is the last. ``hold``: see launch.run.

    One that dies, or that this host cannot make, is kept as such, and those after it are run all the same.
    """
    rows = matrix.combinations()
    campaign = Campaign(folder, matrix.path.stem, tuple(axis.key for axis in matrix.axes))
    for number, changes in enumerate(rows, 1):
        name = f"{number:0{len(str(len(rows)))}d}"
        (folder / name / "logs").mkdir(parents=True)
        with watch(Begun(number, len(rows), changes)) as show:
            try:
                launch.run(matrix.resolve(changes), folder / name, show, hold)
            except (HostError, RunError) as error:
                show(Note(str(error), error=True))
                campaign = campaign.kept(name, str(error))
                continue
        campaign = campaign.kept(name)
        if Result.load(folder / name).record.state is State.INTERRUPTED:
            break
    return campaign
