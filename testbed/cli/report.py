"""``testbed report``: a page of one file from results."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed import paths
from testbed.cli import options as cli_options

_DESCRIPTION = """\
Write a page of one file that opens anywhere without a network: verdicts, timeline, failover, what led to what, the
emulation's certificate, provenance and logs of a run; of a campaign, or of several runs, all of them side by side.
"""
_EXAMPLES = """\
examples:
  testbed report results/20261127T142401Z-starlink-blackout           writes report.html into that folder
  testbed report results/*-starlink-blackout -o blackouts.html        several runs on one page
  testbed compare before after --json > c.json; testbed report after --comparison c.json -o review.html
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed report``."""
    parser = commands.add_parser(
        "report",
        help="write a page of one file from a run, a campaign, or several of them",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_options.add_drawn(parser, "report.html")
    parser.add_argument(
        "--comparison",
        metavar="FILE",
        type=Path,
        help="add a section with what 'testbed compare --json' printed",
    )
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    from testbed import report  # with what draws, it takes longer to load than other commands to run

    folders, out = cli_options.drawn(options, report.FILE)
    print(paths.shown(report.write(folders, out, options.comparison).resolve()))
    return 0
