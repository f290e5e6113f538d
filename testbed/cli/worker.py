"""``testbed worker``: play runs of other hosts' campaigns here."""

from __future__ import annotations

import argparse
import os

from testbed.campaign import hosts, lab_worker
from testbed.campaign.wire import Wire
from testbed.cli import options as cli_options
from testbed.cli import screen

_DESCRIPTION = """\
Play runs of campaigns on this host, as a worker of a scheduler ('testbed scheduler --help').

It tells what this host has, and gets the runs that need no more:
  root, link=native        as root: runs in real time, one at a time, since others would disturb it
  virtual-time             where 'make virtual' has built the kernel: as many runs at once as processors
  bench=shelf              as root: each hub of benches/ whose NICs are here
  --resources nic=shelf-3  whatever else a campaign may ask for with --needs nic=shelf-3

One worker a host. It executes what the scheduler sends, as the user that it runs as; a run never outlives it.
"""
_EXAMPLES = """\
examples:
  testbed worker 127.0.0.1:8786                                   on the scheduler's own host
  sudo testbed worker lab-1:8786 --tls tls --resources nic=shelf-3
  testbed campaign smoke --repeat 100 --on dask://lab-1:8786 --tls tls    what then uses it
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed worker``."""
    parser = commands.add_parser(
        "worker",
        help="play runs of campaigns on this lab host",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scheduler", metavar="HOST:PORT", help="where the scheduler listens")
    parser.add_argument("--resources", metavar="WORD,...", default="", help="what this host has beside what is found")
    parser.add_argument(
        "--places", metavar="N", type=int, default=os.cpu_count() or 1,
        help="runs at once in virtual time (default: one a processor)",
    )  # fmt: skip
    cli_options.add_tls(parser)
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    wire = Wire.parse(options.scheduler, options.tls, "HOST:PORT")
    words = [word.strip() for word in options.resources.split(",") if word.strip()]
    has = hosts.given(words)
    screen.aside(str(hosts.LabHost("this host", has, options.places)))
    lab_worker.work(wire, has, max(1, options.places), screen.aside)
    return 0
