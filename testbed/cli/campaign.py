"""``testbed campaign``: run a scenario over a matrix of changes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.campaign import agenda, spread
from testbed.campaign.crew import LOCAL, Crew, LocalCrew
from testbed.campaign.dask_crew import DaskCrew
from testbed.campaign.matrix import Axis, Begun, Matrix, run
from testbed.cli import crews, screen
from testbed.cli import options as cli_options
from testbed.errors import HostError, InputError
from testbed.lab import bench, hold
from testbed.model.times import REAL
from testbed.result import shelf
from testbed.result.campaign import Campaign
from testbed.run import launch, owner, plan
from testbed.run.progress import Event
from testbed.units import format_duration

_DESCRIPTION = """\
Run a scenario over a matrix of changes, and compare. Needs root.

  --vary hub.failover=none,ping-tracked       each of the values
  --vary "shift=0 s..14 s/2 s"                a range of durations: from, to, step
  --phases 5                                  the same events at 5 places of Starlink's 15 s slot

Where the runs are played:

  --on local            here, one after the other, each on a screen of its own (the default)
  --on local:4          here, four at once; in real time they disturb each other: meant for --time virtual
  --on dask://lab-1:8786 --tls tls    on the lab hosts whose workers a scheduler knows ('testbed worker --help')

With local:N and dask:// all runs are planned first. Each result is kept once, whole, as soon as it is there; a run
whose host dies is played elsewhere. A campaign that was cut short goes on with --resume.
"""


_EXAMPLES = """\
examples:
  testbed campaign starlink-blackout --phases 15                  which phase of the slot is the worst
  testbed campaign starlink-blackout --vary hub.failover=none,ping-tracked,bgp-bfd --repeat 3
  testbed campaign starlink-blackout --phases 15 --time virtual --on local:8          without root, on all processors
  testbed campaign smoke --repeat 100 --on dask://lab-1:8786 --tls tls --needs nic=shelf-3
  testbed campaign results/20261127T101500Z-campaign-smoke --resume --on local:2      what is left of it
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
    where = parser.add_argument_group("where the runs are played")
    cli_options.completed(
        where.add_argument(
            "--on", metavar="WHERE", default=LOCAL, help="local, local:N or dask://HOST:PORT (default: local)"
        ),
        lambda: [LOCAL, f"{LOCAL}:2", "dask://127.0.0.1:8786"],
    )
    cli_options.add_tls(where)
    where.add_argument(
        "--needs", metavar="WORD,...", default="", help="only workers that were given these: nic=shelf-3"
    )
    where.add_argument(
        "--resume", action="store_true", help="SCENARIO is a campaign's folder: play what is left of it"
    )
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    if options.resume:
        return _resume(options)
    crew = crews.choose(options)
    matrix = _matrix(options, crew)
    plans = matrix.check()
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    if options.dry_run:
        for number, made in enumerate(plans, 1):
            console.print(f"{number:3d}  {', '.join(map(str, made.changes))}")
        length = sum(made.scenario.duration for made in plans)
        console.print(f"{len(plans)} runs, {format_duration(length)} of scenario time")
        return 0
    if isinstance(crew, DaskCrew):
        return _spread(matrix, plans, crew, options)
    launch.check(plans[0])  # the others' links are emulated by the same
    if crew is not None:
        if matrix.time == REAL and crew.count > 1:
            screen.aside(crews.DISTURBED)
        return _spread(matrix, plans, crew, options)
    what = f"campaign {matrix.path.stem}"
    with hold.held(matrix.chosen, what, time.time_ns(), wait=options.wait, tell=screen.aside) as lock:
        return _play(matrix, options, console, lock)


def _play(matrix: Matrix, options: argparse.Namespace, console: Console, lock: int | None) -> int:
    folder = _new_folder(matrix, options)

    @contextmanager
    def watch(begun: Begun) -> Iterator[Callable[[Event], None]]:
        if not options.json:
            told = f"run {begun.number} of {begun.of}: {', '.join(map(str, begun.changes))}"
            console.rule(told, align="left")
        with screen.choose(matrix.path.stem, options.json) as shown:
            yield shown.show

    try:
        campaign = run(matrix, folder, watch, lock)
        _draw(campaign)
    finally:
        owner.give(folder)
    return _concluded(campaign, options.json)


def _spread(matrix: Matrix, plans: Sequence[plan.Plan], crew: Crew, options: argparse.Namespace) -> int:
    """Plan every run into a folder, and have them played by a crew."""
    needs = [word.strip() for word in options.needs.split(",") if word.strip()]
    with crew:
        asked = agenda.needs_of(plans[0], needs)
        if fault := crew.fault(asked):
            raise HostError(fault)
        folder = _new_folder(matrix, options)
        try:
            agenda.lay_out(plans, tuple(axis.key for axis in matrix.axes), asked, folder)
        finally:
            owner.give(folder)
        return _continue(folder, crew, options)


def _resume(options: argparse.Namespace) -> int:
    folder = shelf.find(options.scenario, options.results)
    todo = agenda.read(folder)
    crew = crews.choose(options) or LocalCrew(1)
    if isinstance(crew, LocalCrew) and todo.time == REAL and crew.count > 1:
        screen.aside(crews.DISTURBED)
    with crew:
        if fault := crew.fault(todo.needs):
            raise HostError(fault)
        return _continue(folder, crew, options)


def _continue(folder: Path, crew: Crew, options: argparse.Namespace) -> int:
    todo = agenda.read(folder)
    try:
        with agenda.at_work(folder), crews.shown(folder, options.json) as show:
            campaign = spread.play(todo, folder, crew, show, time.monotonic)
        if campaign.results:
            _draw(campaign)
    except KeyboardInterrupt:
        screen.aside(f"ended; {spread.resume_hint(folder)}")
        raise
    finally:
        owner.give(folder)
    return _concluded(campaign, options.json)


def _new_folder(matrix: Matrix, options: argparse.Namespace) -> Path:
    folder = launch.new_folder(options.results.resolve(), f"campaign-{matrix.path.stem}", datetime.now(UTC))
    (folder / "logs").rmdir()  # each run has its own
    return folder


def _draw(campaign: Campaign) -> None:
    from testbed import report  # with matplotlib it takes longer to load than other commands to run
    from testbed.plots import sweep as figure

    figure.write(campaign)
    report.write_campaign(campaign)


def _concluded(campaign: Campaign, as_json: bool) -> int:
    if not as_json:
        console = Console(emoji=False, highlight=False, soft_wrap=True)
        console.rule(align="left")
        console.print(table(campaign))
        for verdict, result in campaign.worst():
            where = ", ".join(f"{key}={value}" for key, value in campaign.values(result).items())
            console.print(f"worst for {verdict.title}: {verdict.measured} with {where or result.folder.name}")
        for name, reason in campaign.died.items():
            console.print(f"run {name} died: {reason}", markup=False)
        console.print(f"results in {paths.shown(campaign.folder)}/")
    return campaign.exit_status


def _matrix(options: argparse.Namespace, crew: Crew | None) -> Matrix:
    axes = [Axis.parse(text) for text in options.vary]
    if options.phases < 0 or options.repeat < 1:
        raise InputError("--phases" if options.phases < 0 else "--repeat", "too few", "write 1 or more")
    if options.phases:
        axes.append(Axis.phases(options.phases))
    if not axes and options.repeat == 1:
        raise InputError("testbed campaign", "nothing varies", "give --vary, --phases or --repeat")
    here = not isinstance(crew, DaskCrew)
    path, chosen = plan.find_scenario(options.scenario), bench.find(options.bench, options.hub, here)
    tenant = plan.find_tenant(options.tenant)
    return Matrix(path, tuple(axes), options.repeat, chosen, options.link, options.time, tenant)
