"""``testbed campaign``: run a scenario over a matrix of changes, such as every phase of the 15 s slot."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from testbed import commandline, launch, paths, plan, screen
from testbed.campaign import Campaign
from testbed.errors import InputError
from testbed.lab import bench
from testbed.overrides import Override
from testbed.result import Result, State
from testbed.traces.slots import SLOT_NS
from testbed.units import format_duration, parse_duration

_DESCRIPTION = """\
Run a scenario over a matrix of changes, and compare. Needs root.

  --vary hub.failover=none,ping-tracked       each of the values
  --vary "shift=0 s..14 s/2 s"                a range of durations: from, to, step
  --phases 5                                  the same events at 5 places of Starlink's 15 s slot
"""
_EXAMPLES = """\
examples:
  testbed campaign starlink-blackout --phases 15                  which phase of the slot is the worst
  testbed campaign starlink-blackout --vary hub.failover=none,ping-tracked,bgp-bfd --repeat 3
"""


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
    bench_path: Path | None = None
    link: str = "native"

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
        return plan.make(self.path, changes, self.bench_path, self.link)


def run(matrix: Matrix, folder: Path, console: Console, *, as_json: bool = False) -> Campaign:
    """Run the matrix, each run in a folder of its own; a run that the user ends is the last."""
    rows = matrix.combinations()
    campaign = Campaign(folder, matrix.path.stem, tuple(axis.key for axis in matrix.axes))
    for number, changes in enumerate(rows, 1):
        name = f"{number:0{len(str(len(rows)))}d}"
        if not as_json:
            console.rule(f"run {number} of {len(rows)}: {', '.join(map(str, changes))}", align="left")
        (folder / name / "logs").mkdir(parents=True)
        job = launch.Job.of(matrix.resolve(changes), folder / name)
        with screen.choose(matrix.path.stem, as_json) as shown:
            launch.run(job, shown.show)
        campaign = campaign.kept(name)
        if Result.load(folder / name).record.state is State.INTERRUPTED:
            break
    return campaign


def table(campaign: Campaign) -> Table:
    """Return the runs as rows: what was changed, the exit status, what each objective measured."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for key in campaign.keys:
        shown.add_column(key, no_wrap=True)
    shown.add_column("exit", justify="right")
    for title in campaign.titles:
        shown.add_column(title)
    for result in campaign.results:
        record = result.record
        measured = [f"{screen.MARKS[str(v.outcome)]} {v.measured}" for v in record.verdicts]
        values = campaign.values(result)
        cells = [*(values.get(key, "") for key in campaign.keys), str(record.exit_status)]
        shown.add_row(*cells, *measured, *["–"] * (len(campaign.titles) - len(measured)))
    return shown


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed campaign``."""
    parser = commands.add_parser(
        "campaign",
        help="run a scenario over a matrix of changes",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commandline.add_running(parser)
    parser.add_argument("--vary", metavar="KEY=VALUES", action="append", default=[], help="repeatable")
    parser.add_argument(
        "--phases", metavar="N", type=int, default=0, help="spread the events over a 15 s slot"
    )
    parser.add_argument("--repeat", metavar="N", type=int, default=1, help="run each combination N times")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything and list the runs; start nothing"
    )
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    matrix = _matrix(options)
    plans = matrix.check()
    console = Console(highlight=False, soft_wrap=True)
    if options.dry_run:
        for number, made in enumerate(plans, 1):
            console.print(f"{number:3d}  {', '.join(map(str, made.changes))}")
        length = sum(made.scenario.duration for made in plans)
        console.print(f"{len(plans)} runs, {format_duration(length)} of scenario time")
        return 0
    launch.check(plans[0])  # the others' links are emulated by the same
    now = datetime.now(UTC)
    folder = launch.new_folder(options.results.resolve(), f"campaign-{matrix.path.stem}", now)
    (folder / "logs").rmdir()  # each run has its own
    campaign = run(matrix, folder, console, as_json=options.json)
    from testbed.plots import sweep as figure  # matplotlib takes longer to load than other commands to run

    figure.write(campaign)
    if not options.json:
        console.rule(align="left")
        console.print(table(campaign))
        for verdict, result in campaign.worst():
            where = ", ".join(f"{key}={value}" for key, value in campaign.values(result).items())
            console.print(f"worst for {verdict.title}: {verdict.measured} with {where or result.folder.name}")
        console.print(f"results in {paths.shown(folder)}/")
    return campaign.exit_status


def _matrix(options: argparse.Namespace) -> Matrix:
    axes = [Axis.parse(text) for text in options.vary]
    if options.phases < 0 or options.repeat < 1:
        raise InputError("--phases" if options.phases < 0 else "--repeat", "too few", "write 1 or more")
    if options.phases:
        axes.append(Axis.phases(options.phases))
    if not axes and options.repeat == 1:
        raise InputError("testbed campaign", "nothing varies", "give --vary, --phases or --repeat")
    path, bench_path = plan.find_scenario(options.scenario), bench.find(options.bench)
    return Matrix(path, tuple(axes), options.repeat, bench_path, options.link)
