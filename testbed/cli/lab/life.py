"""``testbed lab up``, ``list`` and ``down``: labs come, are seen and go."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import options as cli_options
from testbed.cli import panel, screen
from testbed.cli.lab import common
from testbed.cli.lab.common import Commands
from testbed.errors import HostError, InputError, TestbedError
from testbed.lab import bench
from testbed.model.bench import VIRTUAL
from testbed.run import job, launch, owner, plan
from testbed.standing import client, made, registry, up
from testbed.standing.keeper import LabOrder
from testbed.standing.registry import StandingLab
from testbed.units import format_duration, parse_duration
from testbed.yaml.overrides import Override

_FOR = "2h"
_DOWN_S = 60.0


def add_parsers(actions: Commands[argparse.ArgumentParser]) -> None:
    """Add what brings labs up, lists and ends them."""
    _add_up(actions)
    common.add(actions, "list", _list, "the labs that stand: what, whose, since and until when", lab=False, json=True)
    down = common.add(actions, "down", _down, "end a lab", lab=False)
    cli_options.completed(
        down.add_argument("name", nargs="?", metavar="NAME", help="which (default: the only one)"), common.names
    )
    down.add_argument("--all", action="store_true", help="every lab of this host")


def _add_up(actions: Commands[argparse.ArgumentParser]) -> None:
    parser = common.add(actions, "up", _up, "bring a lab up and leave it standing", lab=False, json=True)
    cli_options.completed(
        parser.add_argument("what", metavar="SCENARIO|TOPOLOGY", help="a name, or a YAML file"),
        lambda: [*plan.scenarios(), *plan.names(paths.TOPOLOGIES)],
    )
    parser.add_argument("--name", help="what to call it (default: as what it is made of)")
    told = f"end it by itself after this time (default: {_FOR})"
    parser.add_argument("--for", dest="for_ns", type=_duration, default=_FOR, metavar="TIME", help=told)
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a value of the scenario: hub.failover=none; repeatable",
    )
    cli_options.completed(
        parser.add_argument(
            "--bench", metavar="FILE", default=VIRTUAL, help="put the hub of this bench in (default: virtual)"
        ),
        lambda: [VIRTUAL, *plan.names(paths.BENCHES)],
    )
    cli_options.add_hub(parser)
    cli_options.add_tenant(parser)
    told = "show it in the browser, as 'lab panel' does, until Ctrl-C; the lab stands on"
    parser.add_argument("--panel", action="store_true", help=told)
    told = "where its logs and checks are written (default: results/)"
    parser.add_argument("--results", type=Path, default=paths.RESULTS, help=told)


def _up(options: argparse.Namespace) -> int:
    path = made.find(options.what)
    name = options.name or path.stem
    registry.check_name(name)
    chosen = bench.find(options.bench, options.hub)
    changes = tuple(map(Override.parse, options.changes))
    with tempfile.TemporaryDirectory() as written:
        planned = made.make(path, changes, chosen, options.for_ns, Path(written), plan.find_tenant(options.tenant))
        launch.check(planned)
        folder = launch.new_folder(options.results.resolve(), f"lab-{name}", datetime.now(UTC))
        job.pack(planned, folder)
    order = LabOrder(
        folder=str(folder),
        name=name,
        what=path.stem,
        for_ns=options.for_ns,
        exactly=options.name is not None,
        bench=str(chosen.path) if chosen else "",
        hub=chosen.hub if chosen else "",
        wait=options.wait,
    )
    try:
        with screen.choose(name, options.json) as shown:
            standing = up.up(order, shown.show)
    except (TestbedError, KeyboardInterrupt):
        owner.give(folder)
        raise
    if not options.json:
        _greet(registry.find(standing))
    return panel.show(registry.find(standing)) if options.panel else 0


def _greet(entry: StandingLab) -> None:
    logs = paths.shown(Path(entry.folder))
    print(f"lab {entry.name} stands until {common.clock(entry.until_ns)}; its logs are in {logs}/")
    print("  testbed lab shell hub | exec client ... | log hub | down")


def _list(options: argparse.Namespace) -> int:
    rows = [(entry, _carrier(entry)) for entry in registry.labs()]
    if options.json:
        fields = ("name", "what", "owner", "pid", "folder")
        print(
            screen.as_json(
                [
                    {key: getattr(entry, key) for key in fields}
                    | {"started_ns": entry.started_ns, "until_ns": entry.until_ns, "state": state}
                    for entry, state in rows
                ]
            )
        )
        return 0
    if not rows:
        print("no lab stands; 'testbed lab up NAME' brings one up")
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("lab", "made of", "owner", "since", "until", "state"):
        table.add_column(heading, no_wrap=True)
    for entry, state in rows:
        since = common.clock(entry.started_ns)
        table.add_row(entry.name, entry.what, entry.owner, since, common.clock(entry.until_ns), state)
    Console(emoji=False, highlight=False, soft_wrap=True).print(table)
    return 0


def _carrier(entry: StandingLab) -> str:
    """Return a lab's state in a few words."""
    try:
        state = client.ask(entry, "state", common.SHORT_S)
    except TestbedError as error:
        return str(error).removeprefix(f"lab {entry.name} is ")
    touched = len(state["by_hand"])
    hands = f", touched {touched} time{'s' * (touched != 1)}" if touched else ""
    ends = f", {len(state['ends'])} of its parts ended" if state["ends"] else ""
    ends += f", {len(state['troubles'])} events could not be played" if state["troubles"] else ""
    word = "stands for" if state["hands"] else "a run, at"
    return f"{word} {format_duration(round(max(state['t_ns'], 0), -9))}{hands}{ends}"


def _down(options: argparse.Namespace) -> int:
    if options.all and options.name:
        raise InputError("testbed lab down", "both a name and --all", "write one of them")
    entries = registry.labs() if options.all else [registry.find(options.name)]
    for entry in entries:
        with suppress(HostError):  # one that does not answer is ended all the same
            client.ask(entry, "down", common.SHORT_S)
    for entry in entries:
        if not registry.wait_for_end(entry.name, _DOWN_S):
            screen.aside(f"lab {entry.name} has not ended in {_DOWN_S:g} s; it is killed")
            os.kill(entry.pid, signal.SIGKILL)  # whose lock is held, and so is its number
            registry.wait_for_end(entry.name, _DOWN_S)
        print(f"lab {entry.name} is down; its logs are in {paths.shown(Path(entry.folder))}/")
    registry.labs()  # what was killed is swept
    return 0


def _duration(text: str) -> int:
    try:
        if (duration_ns := parse_duration(text)) > 0:
            return duration_ns
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write {error}") from None
    raise argparse.ArgumentTypeError(f"{text!r}: write some time, such as 30min")
