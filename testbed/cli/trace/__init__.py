"""`testbed trace ...`: what the user types, and what is done for it."""

from __future__ import annotations

import argparse

from testbed.cli.trace.common import Subparsers
from testbed.cli.trace.editing import add_editing
from testbed.cli.trace.getting import add_getting
from testbed.cli.trace.making import add_making
from testbed.cli.trace.reading import add_reading


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Add `trace` and its subcommands; each sets ``func(args) -> int``."""
    parser = subparsers.add_parser(
        "trace",
        help="import, check, understand, make and cut traces",
        description="Recordings and synthetic traces: what a link plays. T is a trace's name, a path below a "
        "trace folder, or a file; a recording is imported on the fly.",
        epilog="example: testbed trace info starlink-bent-pipe",
    )
    commands = parser.add_subparsers(dest="trace_command", required=True, metavar="COMMAND")
    for add in (add_reading, add_editing, add_making, add_getting):
        add(commands)
