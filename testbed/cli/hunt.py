"""``testbed hunt``: the smallest event that breaks an objective."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from testbed import paths
from testbed.campaign.hunting import Hunt, HuntAnswer, Vary, go, told
from testbed.cli import options as cli_options
from testbed.cli import screen
from testbed.errors import InputError
from testbed.lab import bench, hold
from testbed.model.scenario import Scenario
from testbed.result.store import Result
from testbed.run import launch, owner, plan
from testbed.units import format_duration
from testbed.yaml.overrides import Override

_DESCRIPTION = """\
Look for the smallest event that breaks an objective of a scenario, by running it. Needs root, but in virtual time.

It explores until the objective is broken somewhere, halves what is to be small until one step lies between what breaks
and what holds, and looks whether something smaller breaks elsewhere. A run that is inconclusive or invalid tells
nothing: it is played again, and its point counts neither as broken nor as good. In real time a bound that is nearly
reached may fall either way; --time virtual gives the same answer each time.

What was asked is kept in hunt.json at once. Ctrl-C ends it; --resume goes on, and plays nothing again.
"""
_EXAMPLES = """\
examples:
  testbed hunt starlink-blackout                    its first event, shorter and shorter, anywhere in the 15 s slot
  testbed hunt starlink-blackout --time virtual --objective interruption:heartbeat:at_most
  testbed hunt flapping-starlink --shrink "events.0.outage=100 ms..20 s/100 ms" --vary "shift=0 s..14 s/1 s" --runs 40
  testbed hunt starlink-blackout --shrink hub.timers.fall=1..8/1
  testbed hunt results/20261127T101500Z-hunt-starlink-blackout --resume

Exit status: 0 nothing broke it, 1 something did, 2 bad input, 3 no run could tell.
"""
_STEP_NS = 100 * 10**6


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed hunt``."""
    parser = commands.add_parser(
        "hunt",
        help="look for the smallest event that breaks an objective",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_options.add_running(parser)
    for option, word in (
        ("--shrink", "what is to be as small as it can be (default: how long the first event lasts, from 100 ms)"),
        ("--vary", "what may be anywhere (default, where nothing is given: shift=0 s..14 s/1 s, the slot's phases)"),
    ):
        parser.add_argument(
            option, action="append", default=[], metavar="KEY=FROM..TO/STEP", help=f"{word}; repeatable"
        )
    parser.add_argument("--objective", metavar="KEY", default="", help="which (default: the scenario's first)")
    parser.add_argument("--runs", metavar="N", type=int, default=60, help="at most so many points (default: 60)")
    parser.add_argument("--tries", metavar="N", type=int, default=2, help="runs for one point (default: 2)")
    parser.add_argument("--seed", metavar="N", type=int, default=1, help="of the exploration (default: 1)")
    parser.add_argument("--set", dest="changes", metavar="KEY=VALUE", action="append", default=[],
                        help="change a value of the scenario in all runs; repeatable")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="check all, say what is hunted; start nothing")
    parser.add_argument("--resume", action="store_true", help="SCENARIO is a hunt's folder: go on with it")
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    folder = Hunt.find(options.scenario, options.results) if options.resume else None
    hunting = Hunt.read(folder) if folder else _begin(options)
    path, chosen = plan.find_scenario(hunting.scenario), bench.find(options.bench, options.hub)

    def planned(changes: tuple[Override, ...]) -> plan.Plan:
        return plan.make(path, changes, chosen, options.link, hunting.time)

    corners = [planned(hunting.overrides(point)) for point in hunting.corners()]
    if options.dry_run:
        for vary in hunting.varied:
            each, word = vary.dimension, "as small as it can be" if vary.dimension.size else "anywhere"
            low, high, step = map(vary.text, (each.low, each.at(1), each.step))
            console.print(f"{each.key}: {low} to {high} by {step}, {word}")
        longest = format_duration(max(made.scenario.duration for made in corners) * hunting.runs)
        console.print(f"{hunting.objective}: at most {hunting.runs} points, {longest} of scenario time")
        return 0
    launch.check(corners[0])
    if folder is None:
        folder = launch.new_folder(options.results.resolve(), f"hunt-{path.stem}", datetime.now(UTC))
        (folder / "logs").rmdir()  # each run has its own
        hunting.write(folder)

    def show(now: Hunt, asked: HuntAnswer) -> None:
        if options.json:
            line = {"point": [str(change) for change in now.overrides(asked.point)], "margin": asked.margin}
            print(screen.as_json(line | {"told": asked.told, "runs": asked.runs}), flush=True)
            return
        console.print(f"{len(now.asked):3d}/{now.runs}  {now.said(asked.point)}: {asked.told}", markup=False)

    what = f"hunt {path.stem}"
    with hold.held(chosen, what, time.time_ns(), wait=options.wait, tell=screen.aside) as lock:

        def play(changes: tuple[Override, ...], into: Path) -> Result:
            (into / "logs").mkdir(parents=True)
            with screen.choose(path.stem, False) as shown:
                launch.run(planned(changes), into, (lambda _: None) if options.json else shown.show, lock)
            return Result.load(into)

        try:
            hunting = go(hunting, folder, play, show)
        except KeyboardInterrupt:
            screen.aside(f"ended; go on with: testbed hunt {paths.shown(folder)} --resume")
            raise
        finally:
            owner.give(folder)
    if not options.json:
        console.rule(align="left")
        for line in told(hunting, folder):
            console.print(line, markup=False)
        console.print(f"results in {paths.shown(folder)}/", markup=False)
    if all(asked.margin is None for asked in hunting.asked):
        return 3
    return 1 if hunting.hunted.found else 0


def _begin(options: argparse.Namespace) -> Hunt:
    """Return what the command line asks for. Raises InputError."""
    if options.runs < 1 or options.tries < 1:
        raise InputError("--runs" if options.runs < 1 else "--tries", "too few", "write 1 or more")
    path = plan.find_scenario(options.scenario)
    scenario = plan.make(path, tuple(map(Override.parse, options.changes)), None, options.link, options.time).scenario
    keys = [objective.key for objective in scenario.objectives]
    objective = options.objective or keys[0]
    if objective not in keys:
        raise InputError("--objective", repr(objective), f"write one of {', '.join(keys)}")
    sizes = [Vary.parse(text, "--shrink", size=True) for text in options.shrink]
    places = [Vary.parse(text, "--vary", size=False) for text in options.vary]
    if not sizes:
        sizes = [_first_event(scenario)]
        places = places or [Vary.parse("shift=0 s..14 s/1 s", "--vary", size=False)]
    return Hunt(
        scenario=str(path) if options.scenario.endswith(".yaml") else options.scenario,
        objective=objective,
        varied=(*sizes, *places),
        seed=options.seed,
        runs=options.runs,
        tries=options.tries,
        changes=tuple(options.changes),
        time=options.time,
    )


def _first_event(scenario: Scenario) -> Vary:
    if not scenario.events:
        expected = "say what is to be small: --shrink KEY=FROM..TO/STEP"
        raise InputError("testbed hunt", "the scenario has no event", expected)
    event = scenario.events[0]
    span = f"{_STEP_NS} ns..{event.duration_ns} ns/{_STEP_NS} ns"
    return Vary.parse(f"events.0.{event.kind}={span}", "--shrink", size=True)
