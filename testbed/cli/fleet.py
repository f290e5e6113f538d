"""``testbed fleet``: what happens to many hubs that share cells, and how they fare."""

from __future__ import annotations

import argparse
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed import paths, units
from testbed.cli import options as cli_options
from testbed.cli import screen
from testbed.errors import InputError
from testbed.metrics.fleet import month as estimate
from testbed.model.data_plan import DataPlan
from testbed.model.scenario import question
from testbed.result import usage
from testbed.result.fleet_verdict import FleetVerdict, judge
from testbed.result.verdict import Outcome
from testbed.run import fleet as fleets
from testbed.run import plan as plans
from testbed.yaml.overrides import Override

_STATUS = {Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 3, Outcome.PASS: 0}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed fleet``."""
    fleet = commands.add_parser("fleet", help="many hubs that share cells: play and judge their scenarios")
    actions = fleet.add_subparsers(metavar="ACTION", required=True)
    play = actions.add_parser(
        "play",
        help="play a fleet's scenario and judge its objectives",
        description="Play the load of every hub through the cells that it shares, in logical time: by the engine's "
        "own physics, without root, the same figures every time.",
        epilog="example: testbed fleet play sky-returns --set hubs=100 -o sky-returns.png",
    )
    cli_options.completed(
        play.add_argument("fleet", metavar="FLEET", help="a name in fleets/ or a path"),
        lambda: plans.names(paths.FLEETS),
    )
    play.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a value for this time")
    play.add_argument("--mutated", action="store_true", help="play its mutation: the objectives it names must fail")
    play.add_argument("-o", "--output", type=Path, metavar="FILE", help="draw how the hubs fared (PNG, SVG, PDF)")
    play.add_argument("--usage", type=Path, metavar="FILE", help="write each uplink's bytes, for 'fleet bill' (CSV)")
    play.add_argument("--json", action="store_true", help="print JSON")
    play.set_defaults(func=_play)
    bill = actions.add_parser(
        "bill",
        help="a month's bill from sampled days",
        description="Estimate what the uplinks of a fleet cost in a month, with the error that the sampled days leave. "
        "A file is a day; a shorter time is taken to go on all day.",
        epilog="example: testbed fleet bill mon.csv sat.csv --uplink lte --bucket '50 GB' --price '10 USD' "
        "--overage '0.16 USD/GB'",
    )
    bill.add_argument("usage", nargs="+", type=Path, metavar="FILE", help="of 'testbed fleet play NAME --usage FILE'")
    bill.add_argument("--uplink", required=True, help="whose bytes are paid for")
    bill.add_argument("--price", required=True, metavar="USD", help="of a bucket, such as '10 USD'")
    bill.add_argument("--bucket", default="0 B", metavar="SIZE", help="what it holds; left out: all you can use")
    beyond = bill.add_mutually_exclusive_group()
    beyond.add_argument("--overage", metavar="PRICE", help="of what goes beyond, such as '0.16 USD/GB'")
    beyond.add_argument("--throttle", metavar="RATE", help="of what goes beyond; with neither: another bucket")
    bill.add_argument("--valid", type=int, default=30, metavar="DAYS", help="until a bucket expires (30)")
    bill.add_argument("--days", type=int, default=30, metavar="DAYS", help="of the month (30)")
    bill.add_argument("--json", action="store_true", help="print JSON")
    bill.set_defaults(func=_bill)
    listing = actions.add_parser("list", help="every fleet's scenario with its question")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(func=_list)


def _list(options: argparse.Namespace) -> int:
    questions = {name: question(paths.FLEETS / f"{name}.yaml") for name in plans.names(paths.FLEETS)}
    if options.json:
        print(screen.as_json(questions))
        return 0
    table = Table("fleet", "question", box=None, pad_edge=False, header_style="dim")
    for name, text in questions.items():
        table.add_row(name, text)
    Console(emoji=False, highlight=False).print(table)
    return 0


def _play(options: argparse.Namespace) -> int:
    path = fleets.find(options.fleet)
    changes = [Override.parse(text) for text in options.set]
    plan = fleets.make(path, changes)
    if options.mutated and plan.scenario.mutation:
        plan = fleets.make(path, (*changes, *plan.scenario.mutation.changes))
    began = time.monotonic()
    tallies = fleets.play(plan)
    took = time.monotonic() - began
    evidence = fleets.evidence(plan.scenario, plan.hubs, tallies, plan.storms)
    verdicts = judge(evidence, plan.scenario.objectives)
    if options.usage:
        usage.write(options.usage, fleets.usage(plan, tallies))
    if options.output:
        from testbed.plots import fleet as drawing  # takes longer to load than all else

        drawing.save(options.output, path.stem, plan.scenario, evidence, verdicts)
    if options.json:
        print(screen.as_json({"fleet": path.stem, "hubs": len(plan.hubs), "verdicts": list(map(asdict, verdicts))}))
    else:
        cells = sum(plan.fleet.cells.values())
        console = Console(emoji=False, highlight=False, soft_wrap=True)
        console.print(f"{path.stem}: {plan.question}\n", markup=False)
        told = f"{len(plan.hubs)} hubs, {cells} cells, {plan.scenario.timeline()}; took {took:.1f} s\n"
        console.print(told, markup=False)
        _print(console, verdicts)
        if options.output:
            console.print(f"\n{paths.shown(options.output.resolve())}", markup=False)
    return max((_STATUS[verdict.outcome] for verdict in verdicts), key=(0, 3, 1).index)


def _bill(options: argparse.Namespace) -> int:
    try:
        plan = DataPlan(
            bucket=units.parse_size(options.bucket),
            price_usd=units.parse_money(options.price),
            valid_days=options.valid,
            overage=units.parse_price(options.overage) if options.overage else None,
            throttle_bps=units.parse_rate(options.throttle) if options.throttle else 0,
        )
        names, used = usage.by_day([usage.read(path) for path in options.usage], options.uplink)
        month = estimate.month(used, names, plan, options.days)
    except ValueError as error:
        raise InputError("fleet bill", str(error)) from error
    if options.json:
        print(screen.as_json(asdict(month)))
        return 0
    dearest = max(month.hubs, key=lambda name: month.hubs[name])
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    known = month.usd.error is not None
    within = f"± {units.format_money(month.usd.error or 0)}; 95 %" if known else "one day tells nothing of the others"
    off = "" if month.bytes.error is None else f" ± {units.format_size(month.bytes.error)}"
    console.print(f"{len(names)} hubs, {options.uplink}: {month.days} days from {month.sampled} sampled", markup=False)
    console.print(f"  bytes    {units.format_size(month.bytes.value)}{off}", markup=False)
    console.print(f"  fleet    {units.format_money(month.usd.value)} ({within})", markup=False)
    console.print(f"  dearest  {dearest}, {units.format_money(month.hubs[dearest])}", markup=False)
    return 0


def _print(console: Console, verdicts: list[FleetVerdict]) -> None:
    table = Table("", "objective", "measured", box=None, pad_edge=False, header_style="dim")
    for v in verdicts:
        table.add_row(screen.MARKS[v.outcome], v.title, f"{v.measured}; {v.reason}" if v.reason else v.measured)
    console.print(table)
