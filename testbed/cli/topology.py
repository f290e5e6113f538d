"""``testbed topology``: what is connected."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import drawing, screen
from testbed.cli import options as cli_options
from testbed.errors import InputError
from testbed.model.fleet import Fleet
from testbed.model.scenario import question
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.units import format_duration
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
    show.add_argument(
        "--hub", type=int, metavar="N", help="hub N of the topology's fleet: addresses, ports, cells, users"
    )
    show.add_argument("--json", action="store_true", help="print JSON")
    show.set_defaults(func=_show_topology)


def _show_topology(options: argparse.Namespace) -> int:
    path = plan.find_topology(options.topology)
    topology = load.read(path, Topology)
    if options.hub is not None:
        return _show_hub(topology, options.hub, path.stem, as_json=options.json)
    rows = drawing.table(topology)
    headings = ("node", "kind", "port", "address", "wired to")
    if options.json:
        print(screen.as_json([dict(zip(headings, row, strict=True)) for row in rows]))
        return 0
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    console.print(f"{path.stem}: {question(path)}\n\n{drawing.draw(topology)}\n", markup=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    before = ""
    for row in rows:
        table.add_row("" if row[0] == before else row[0], *row[1:])
        before = row[0]
    console.print(table)
    if topology.fleet is not None:
        console.print(f"\n{_summary(topology.fleet, path.stem)}", markup=False)
    return 0


def _summary(fleet: Fleet, name: str) -> str:
    """Return the fleet in a line or two."""
    cells = ", ".join(f"{count} cells of {uplink}" for uplink, count in fleet.cells.items()) or "no shared cells"
    return (
        f"fleet: {fleet.hubs} hubs ({fleet.real} real) in {cells}; LANs from {fleet.lan}, "
        f"uplinks from {fleet.wan}\n'testbed topology show {name} --hub 1' looks one up"
    )


def _show_hub(topology: Topology, number: int, name: str, *, as_json: bool) -> int:
    if topology.fleet is None:
        raise InputError("--hub", f"topology {name} has one hub and no fleet", "add 'fleet: {hubs: 450}' to it")
    try:
        hub = topology.fleet_hub(number)
    except IndexError:
        known = f"write 1 to {topology.fleet.hubs}"
        raise InputError("--hub", f"topology {name} has no hub {number}", known) from None
    if as_json:
        print(screen.as_json(asdict(hub) | {"traces": dict(hub.traces)}))
        return 0
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    facts = {
        "profile": f"{hub.profile}, {hub.users} users" + (f", catalogue {hub.catalogue}" if hub.catalogue else ""),
        "phase": f"{format_duration(hub.phase_ns)} into its traces",
        "LAN": f"{hub.lan}, the hub is {hub.lan_address.partition('/')[0]}",
    }
    console.print(f"{hub.name} of {name}", markup=False)
    for key, text in facts.items():
        console.print(f"  {key:<8} {text}", markup=False)
    headings = ("uplink", "port", "address", "gateway", "cell", "links")
    rows = [
        (key, u.port, u.address, u.gateway, u.cell or "its own", " ".join(u.interfaces))
        for key, u in hub.uplinks.items()
    ]
    console.print(_columns(headings, rows))
    return 0


def _columns(headings: Iterable[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table
