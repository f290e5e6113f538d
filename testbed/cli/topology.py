"""``testbed topology``: what is connected."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import drawing, screen
from testbed.cli import options as cli_options
from testbed.model.scenario import question
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed topology``."""
    topology = commands.add_parser("topology", help="look up what is connected")
    actions = topology.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="a topology as a drawing and a table of every port and address")
    cli_options.completed(
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
