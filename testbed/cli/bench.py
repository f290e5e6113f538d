"""``testbed bench``: look after benches."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.campaign.dask_crew import DaskCrew
from testbed.campaign.wire import Wire
from testbed.checks.bench import check_bench
from testbed.cli import doctor, screen
from testbed.cli import options as cli_options
from testbed.errors import InputError
from testbed.lab import bench as benches
from testbed.lab import hold
from testbed.lab.bench import Chosen
from testbed.lab.hold import Holder
from testbed.model.bench import VIRTUAL, BenchFile
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed bench``."""
    bench = commands.add_parser("bench", help="look after benches: hubs that are not virtual")
    actions = bench.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="whether a bench is as its file says: NICs, cables, SSH, what is on the hub",
        description="Take the bench's NICs as a run does, look at every cable and at the hub, give them back.",
    )
    cli_options.completed(
        check.add_argument("bench", metavar="FILE", help="a bench file, or the name of one in benches/"),
        lambda: [path.stem for path in benches.listed()],
    )
    check.add_argument("--topology", default="hub-two-uplinks", help="whose hub it stands for")
    check.add_argument("--json", action="store_true", help="print JSON")
    cli_options.add_hub(check)
    check.set_defaults(func=_check)
    listing = actions.add_parser(
        "list",
        help="the hubs of benches, and who has them",
        description="List the hubs of bench files: how each is reached, by whom it is in use, since when and for what. "
        "With --on: those that campaigns have in use on the hosts of a scheduler.",
    )
    listing.add_argument("files", metavar="FILE", nargs="*", type=Path, help="bench files (default: all in benches/)")
    listing.add_argument("--on", metavar="dask://HOST:PORT", help="ask the scheduler of lab hosts")
    cli_options.add_tls(listing)
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(func=_list)


def _check(options: argparse.Namespace) -> int:
    chosen = benches.find(options.bench, options.hub)
    if chosen is None:
        raise InputError("", f"{VIRTUAL!r} is no bench to check", "name a file")
    topology_path = plan.find_topology(options.topology)
    bench, topology = benches.read(chosen), load.read(topology_path, Topology)
    if problems := list(bench.misfits(topology)):
        raise InputError.of(problems)
    with hold.held(chosen, "bench check", time.time_ns(), wait=options.wait, tell=screen.aside) as lock:
        found = check_bench(chosen, topology_path, lock)
    return doctor.show(found, options.json, "the bench is ready", "no run can use the bench")


@dataclass(frozen=True)
class _Row:
    """A hub of a bench; ``address`` is None of a closed one, ``in_use`` None where nobody has it."""

    bench: str
    hub: str
    address: str | None
    in_use: Holder | None


def _rows(files: list[Path]) -> Iterator[_Row]:
    for path in files:
        for name, bench in load.read(path, BenchFile).benches.items():
            address = f"{bench.ssh.user}@{bench.ssh.address}" if bench.ssh else None
            yield _Row(paths.shown(path), name, address, hold.holder(Chosen(path, name)))


def _list(options: argparse.Namespace) -> int:
    if options.on:
        return _list_among_hosts(options)
    rows = list(_rows(options.files or benches.listed()))
    if options.json:
        print(screen.as_json(list(map(asdict, rows))))
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("bench", "hub", "address", "in use by", "since", "for"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        used = (row.in_use.user, row.in_use.since, row.in_use.what) if row.in_use else ("–",) * 3
        table.add_row(row.bench, row.hub or "–", row.address or "closed", *used)
    Console(emoji=False, highlight=False, soft_wrap=True).print(table)
    return 0


def _list_among_hosts(options: argparse.Namespace) -> int:
    if options.files:
        raise InputError("--on", f"{options.files[0]} beside it", "files are of this host: leave one of the two away")
    with DaskCrew(Wire.parse(options.on, options.tls, "--on")) as crew:
        holders = crew.holders()
    if options.json:
        print(screen.as_json(list(map(asdict, holders))))
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("bench", "in use by", "since", "for"):
        table.add_column(heading, no_wrap=True)
    for holder in holders:
        table.add_row(holder.bench, holder.worker, holder.since, holder.what)
    Console(emoji=False, highlight=False, soft_wrap=True).print(table if holders else "no bench is in use")
    return 0
