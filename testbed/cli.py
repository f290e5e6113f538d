"""The ``testbed`` command. Every subcommand's module says what its options are; this one dispatches."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import argcomplete
from rich.console import Console
from rich.table import Table

from testbed import (
    __version__,
    bench_check,
    commandline,
    doctor,
    drawing,
    launch,
    load,
    matrix,
    paths,
    plan,
    schema,
    screen,
)
from testbed.errors import TestbedError
from testbed.lab import bench
from testbed.link import commands as links
from testbed.model.bench import VIRTUAL
from testbed.model.scenario import Scenario, question
from testbed.model.topology import Topology
from testbed.overrides import Override
from testbed.result import Result
from testbed.traces import commands as traces
from testbed.units import format_duration

_DESCRIPTION = """\
Carry a community hub through what Starlink and its neighbours do to it, and judge how it did.

A scenario (scenarios/*.yaml) names a topology, the traces that its uplinks play, the traffic, the
faults and the objectives. A run leaves its evidence and verdicts in results/.
"""
_EXAMPLES = """\
examples:
  testbed doctor                                  what this host can and cannot do
  testbed scenario list                           the questions that can be asked
  testbed run starlink-blackout --dry-run         check everything, print the timeline
  sudo testbed run starlink-blackout              run it
  testbed topology show hub-two-uplinks           what is connected, every address

exit status: 0 all objectives pass, 1 an objective failed, 2 bad input, 3 could not run, inconclusive or invalid
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    top = argparse.ArgumentParser(
        prog="testbed",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"testbed {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(commands)
    matrix.add_parser(commands)
    _add_scenario(commands)
    _add_result(commands)
    _add_topology(commands)
    traces.add_parser(commands)
    links.add_parser(commands)
    schema.add_parser(commands)
    doctor.add_parser(commands)
    bench_check.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    command = parser()
    argcomplete.autocomplete(command)
    options = command.parse_args(arguments)
    try:
        return int(options.func(options))
    except TestbedError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"testbed: {error}", markup=False)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone; so do we
        return 141


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    run = commands.add_parser(
        "run",
        help="run a scenario and judge it",
        description="Run a scenario in a sandbox of its own and judge its objectives. Needs root.",
    )
    commandline.add_running(run)
    run.add_argument(
        "--dry-run", action="store_true", help="check everything and print the timeline; start nothing"
    )
    run.add_argument(
        "--set",
        dest="changes",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a value of the scenario for this run: hub.failover=none, events.0.at='31 s'; repeatable",
    )
    run.set_defaults(func=_run)


def _run(options: argparse.Namespace) -> int:
    changes = tuple(map(Override.parse, options.changes))
    made = plan.make(plan.find_scenario(options.scenario), changes, bench.find(options.bench), options.link)
    if options.dry_run:
        _print_timeline(made, options.json)
        return 0
    launch.check(made)
    folder = launch.new_folder(options.results.resolve(), made.name, datetime.now(UTC))
    with screen.choose(made.name, options.json) as shown:
        return launch.run(launch.Job.of(made, folder), shown.show)


def _print_timeline(made: plan.Plan, as_json: bool) -> None:
    rows = plan.timeline(made)
    if as_json:
        print(screen.as_json([{"t_ns": t, "what": what} for t, what in rows]))
        return
    print(f"{made.name}: {made.question}\n")
    for change in made.changes:
        print(f"changed: {change}")
    print(f"topology {made.scenario.topology}, seed {made.scenario.seed}")
    for name, link in made.links.items():
        where = f"trace {paths.shown(link.trace_path)}" if link.trace_path else "fixed values"
        kind = f", {link.trace.provenance.kind}" if link.trace else ""
        print(f"  {name}: {where}{kind}, {len(link.pair.up.t_ns)}+{len(link.pair.down.t_ns)} segments")
    print(f"  hub: {made.bench.name if made.bench else VIRTUAL}, {_hub(made.scenario)}")
    print("\ntimeline")
    for t, what in rows:
        print(f"  {format_duration(t):>8}  {what}")
    print("\nobjectives")
    for objective in made.scenario.objectives:
        print(f"  {objective.title}")


def _hub(scenario: Scenario) -> str:
    cache = f"cache {'on' if scenario.hub.cache else 'off'}"
    promise = scenario.hub.promise
    if promise is None:
        return f"no failover, {cache}"
    spans = f"{format_duration(promise.best_ns)} to {format_duration(promise.worst_ns)}"
    return f"failover {scenario.hub.failover}, whose timers promise an interruption of {spans}; {cache}"


def _add_scenario(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scenario = commands.add_parser("scenario", help="list the scenarios and what they ask")
    actions = scenario.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every scenario with its question")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(func=_list_scenarios)


def _list_scenarios(options: argparse.Namespace) -> int:
    questions = {name: question(paths.SCENARIOS / f"{name}.yaml") for name in plan.scenarios()}
    if options.json:
        print(screen.as_json(questions))
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("scenario", no_wrap=True)
    table.add_column("question")
    for name, text in questions.items():
        table.add_row(name, text)
    Console(highlight=False).print(table)
    return 0


def _add_topology(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    topology = commands.add_parser("topology", help="look up what is connected")
    actions = topology.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="a topology as a drawing and a table of every port and address")
    commandline.completed(
        show.add_argument("topology", nargs="?", default="hub-two-uplinks"),
        lambda: plan.names(paths.TOPOLOGIES),
    )
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=_show_topology)


def _show_topology(options: argparse.Namespace) -> int:
    path = plan.find_topology(options.topology)
    topology = load.read(path, Topology)
    rows = drawing.table(topology)
    headings = ("node", "kind", "port", "address", "wired to")
    if options.json:
        print(screen.as_json([dict(zip(headings, row, strict=True)) for row in rows]))
        return 0
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{path.stem}: {question(path)}\n\n{drawing.draw(topology)}\n", markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    before = ""
    for row in rows:
        table.add_row("" if row[0] == before else row[0], *row[1:])
        before = row[0]
    console.print(table)
    return 0


def _add_result(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    result = commands.add_parser("result", help="read a run's result again, or draw its figure again")
    actions = result.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="the verdicts of a run, finished or killed")
    show.set_defaults(func=_show_result)
    plot = actions.add_parser("plot", help="draw timeline.png from the run's folder alone")
    plot.add_argument("--svg", action="store_true", help="write timeline.svg as well")
    plot.set_defaults(func=_plot_result)
    for action in (show, plot):
        action.add_argument("folder", type=Path, help="a folder below results/")


def _show_result(options: argparse.Namespace) -> int:
    record = Result.load(options.folder).record
    print(f"{record.title}: {record.question}\n{record.state}{': ' if record.error else ''}{record.error}")
    for verdict in record.verdicts:
        print(f"  {verdict.line}")
    return record.exit_status


def _plot_result(options: argparse.Namespace) -> int:
    from testbed import plots  # matplotlib takes longer to load than the other commands take to run

    print(plots.write(Result.load(options.folder), svg=options.svg))
    return 0
