"""``testbed campaign``: run a scenario over a matrix of changes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.campaign.matrix import Axis, Begun, Matrix, run
from testbed.cli import options as cli_options
from testbed.cli import screen
from testbed.errors import InputError
from testbed.lab import bench, hold
from testbed.result.campaign import Campaign
from testbed.run import launch, owner, plan
from testbed.run.progress import Event
from testbed.units import format_duration

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


def table(campaign: Campaign) -> Table:
    """Return the runs as rows: what was changed, the exit status, what each objective measured."""
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for key in campaign.keys:
        shown.add_column(key, no_wrap=True)
    shown.add_column("exit", justify="right")
    for title in campaign.titles.values():
        shown.add_column(title)
    for result in campaign.results:
        record = result.record
        verdicts = campaign.verdicts(result)
        measured = [
            f"{screen.MARKS[str(v.outcome)]} {v.measured}" if (v := verdicts.get(key)) else "–"
            for key in campaign.titles
        ]
        values = campaign.values(result)
        cells = [*(values.get(key, "") for key in campaign.keys), str(record.exit_status)]
        shown.add_row(*cells, *measured)
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
    cli_options.add_running(parser)
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
    what = f"campaign {matrix.path.stem}"
    with hold.held(matrix.chosen, what, time.time_ns(), wait=options.wait, tell=screen.aside) as lock:
        return _play(matrix, options, console, lock)


def _play(matrix: Matrix, options: argparse.Namespace, console: Console, lock: int | None) -> int:
    now = datetime.now(UTC)
    folder = launch.new_folder(options.results.resolve(), f"campaign-{matrix.path.stem}", now)
    (folder / "logs").rmdir()  # each run has its own

    @contextmanager
    def watch(begun: Begun) -> Iterator[Callable[[Event], None]]:
        if not options.json:
            told = f"run {begun.number} of {begun.of}: {', '.join(map(str, begun.changes))}"
            console.rule(told, align="left")
        with screen.choose(matrix.path.stem, options.json) as shown:
            yield shown.show

    try:
        campaign = run(matrix, folder, watch, lock)
        from testbed import report  # with matplotlib it takes longer to load than other commands to run
        from testbed.plots import sweep as figure

        figure.write(campaign)
        report.write_campaign(campaign)
    finally:
        owner.give(folder)
    if not options.json:
        console.rule(align="left")
        console.print(table(campaign))
        for verdict, result in campaign.worst():
            where = ", ".join(f"{key}={value}" for key, value in campaign.values(result).items())
            console.print(f"worst for {verdict.title}: {verdict.measured} with {where or result.folder.name}")
        for name, reason in campaign.died.items():
            console.print(f"run {name} died: {reason}", markup=False)
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
    path, chosen = plan.find_scenario(options.scenario), bench.find(options.bench, options.hub)
    return Matrix(path, tuple(axes), options.repeat, chosen, options.link, options.time)
