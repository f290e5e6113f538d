"""``testbed run``: run a scenario and judge it."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import nullcontext
from datetime import UTC, datetime

from testbed import paths
from testbed.cli import held, panel, screen
from testbed.cli import options as cli_options
from testbed.errors import InputError
from testbed.lab import bench, hold
from testbed.model.bench import VIRTUAL
from testbed.model.scenario import Scenario
from testbed.model.tenant import AZURITE
from testbed.model.times import REAL
from testbed.run import launch, notes, plan, tenancy
from testbed.standing import holding
from testbed.units import format_duration
from testbed.yaml.overrides import Override


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed run``."""
    run = commands.add_parser(
        "run",
        help="run a scenario and judge it",
        description="Run a scenario in a sandbox of its own and judge its objectives. Needs root, but in virtual time.",
    )
    cli_options.add_running(run)
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
    add_hold(run)
    told = "show it in the browser as it goes on, on this host alone; with --hold also to touch the lab at its end"
    run.add_argument("--panel", action="store_true", help=told)
    cli_options.add_capture(run)
    run.set_defaults(func=_run)


def add_hold(parser: argparse.ArgumentParser) -> None:
    """Add whether the lab stays when the run is over."""
    parser.add_argument(
        "--hold",
        nargs="?",
        const="always",
        choices=list(holding.WHEN),
        help="leave the lab as it was at the end, to be looked into: always, or where the run fails or is invalid",
    )


def _run(options: argparse.Namespace) -> int:
    changes = tuple(map(Override.parse, options.changes))
    chosen = bench.find(options.bench, options.hub)
    tenant = plan.find_tenant(options.tenant)
    made = plan.make(plan.find_scenario(options.scenario), changes, chosen, options.link, options.time, tenant)
    wish = cli_options.capture(options)
    if wish is not None:
        launch.check_capture(made, wish)
    if options.dry_run:
        _print_timeline(made, options.json)
        return 0
    for option in ("hold", "panel"):
        if getattr(options, option) and options.time != REAL:
            raise InputError(f"--{option}", "a lab of virtual time ends with its kernel", "play it with --time real")
    launch.check(made)
    with hold.held(chosen, made.name, time.time_ns(), wait=options.wait, tell=screen.aside) as lock:
        folder = launch.new_folder(options.results.resolve(), made.name, datetime.now(UTC))
        with (
            holding.held(made, folder, options.hold, seen=options.panel) as keeping,
            panel.beside(keeping.entry) if keeping and options.panel else nullcontext(),
            screen.choose(made.name, options.json) as shown,
        ):
            show = holding.noticing(shown.show, keeping, held.invite)
            return launch.run(made, folder, show, lock, keeping.stays if keeping else None, wish)


def _print_timeline(made: plan.Plan, as_json: bool) -> None:
    rows, found = plan.timeline(made), list(notes.of_files(made.scenario, made.topology))
    if as_json:
        for note in found:
            print(f"note: {note}", file=sys.stderr)
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
    print(f"  tenant: {_tenant(made)}")
    if made.fleet is not None:
        hubs, real = len(made.fleet.hubs), made.fleet.fleet.real
        print(f"  fleet: {made.fleet.path.stem}: {real} real of {hubs} hubs, {made.fleet.scenario.timeline()}")
    for note in found:
        print(f"  note: {note}")
    print("\ntimeline")
    for t, what in rows:
        print(f"  {format_duration(t):>8}  {what}")
    print("\nobjectives")
    for objective in made.scenario.objectives:
        print(f"  {objective.title}")
    for on_fleet in made.fleet.scenario.objectives if made.fleet is not None else ():
        print(f"  fleet: {on_fleet.title}")


def _tenant(made: plan.Plan) -> str:
    if made.tenant is None:
        return AZURITE
    use = tenancy.Use.of(made.scenario, made.catalogues).told(made.tenant)
    return f"account {made.tenant.account} in {made.tenant.region}: {use}"


def _hub(scenario: Scenario) -> str:
    if scenario.hub.closed:
        return "not provisioned: all is measured from outside"
    cache = f"cache {'on' if scenario.hub.cache else 'off'}"
    promise = scenario.hub.promise
    if scenario.hub.own_role:
        return f"failover {scenario.hub.failover}, a role of your own; {cache}"
    if promise is None:
        return f"no failover, {cache}"
    spans = f"{format_duration(promise.best_ns)} to {format_duration(promise.worst_ns)}"
    return f"failover {scenario.hub.failover}, whose timers promise an interruption of {spans}; {cache}"
