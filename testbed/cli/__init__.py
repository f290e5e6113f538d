"""The ``testbed`` command: one module a subcommand; this one dispatches."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import argcomplete
from rich.console import Console

from testbed import __version__
from testbed.cli import (
    affected,
    baseline,
    bench,
    calibrate,
    campaign,
    compare,
    doctor,
    explain,
    fleet,
    history,
    hunt,
    lab,
    link,
    new,
    plot,
    report,
    results,
    role,
    run,
    scenario,
    scheduler,
    schema,
    tenant,
    topology,
    trace,
    worker,
)
from testbed.errors import TestbedError

_COMMANDS = (
    *(run, campaign, hunt, results, explain, report, plot, compare, baseline, affected, history, scenario, new),
    *(lab, topology, fleet, trace, link, schema, doctor, calibrate, bench, role, tenant, worker, scheduler),
)
_DESCRIPTION = """\
Carry a community hub through what Starlink and its neighbours do to it, and judge how it did.

A scenario (scenarios/*.yaml) names a topology, the traces that its uplinks play, the traffic, the
faults and the objectives. A run leaves its evidence and verdicts in results/.
"""
_EXAMPLES = """\
examples:
  testbed doctor                                  what this host can and cannot do
  testbed scenario list                           the questions that can be asked
  testbed run starlink-blackout --dry-run         check everything, print the timeline
  sudo testbed run starlink-blackout              run it
  sudo testbed lab up starlink-blackout           the same lab to work in: shell, log, set, outage, check
  testbed compare results/A results/B             better, same or worse, objective by objective
  testbed explain NAME                            why a run failed, in sentences
  testbed results open NAME                       the report of a run, in a browser
  testbed topology show hub-two-uplinks           what is connected, every address

exit status: 0 all objectives pass, 1 an objective failed, 2 bad input, 3 could not run, inconclusive or invalid
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command."""
    top = argparse.ArgumentParser(
        prog="testbed",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"testbed {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit status."""
    command = parser()
    argcomplete.autocomplete(command)
    options = command.parse_args(arguments)
    try:
        return int(options.func(options))
    except TestbedError as error:
        Console(emoji=False, stderr=True, highlight=False, soft_wrap=True).print(f"testbed: {error}", markup=False)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone; so do we
        return 141
