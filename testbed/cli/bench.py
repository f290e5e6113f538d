"""``testbed bench``: look after benches."""

from __future__ import annotations

import argparse

from testbed.checks.bench import check_bench
from testbed.cli import doctor
from testbed.errors import InputError
from testbed.lab import bench as benches
from testbed.model.bench import VIRTUAL
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
    check.add_argument("bench", metavar="FILE", help="a bench file, or the name of one in benches/")
    check.add_argument("--topology", default="hub-two-uplinks", help="whose hub it stands for")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    path = benches.find(options.bench)
    if path is None:
        raise InputError("", f"{VIRTUAL!r} is no bench to check", "name a file")
    topology_path = plan.find_topology(options.topology)
    bench, topology = benches.read(path), load.read(topology_path, Topology)
    if problems := list(bench.misfits(topology)):
        raise InputError.of(problems)
    found = check_bench(path, topology_path)
    return doctor.show(found, options.json, "the bench is ready", "no run can use the bench")
