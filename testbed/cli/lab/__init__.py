"""``testbed lab``: a lab as a place to work in."""

from __future__ import annotations

import argparse

from testbed.cli import panel
from testbed.cli.lab import common, evidence, life, links, nodes

_DESCRIPTION = """\
Bring a lab up and work in it: look into its devices, touch its links, judge what the hub makes of it.

Where one lab stands, no command needs its name; otherwise --lab NAME says which. A lab needs root, as a
run does, and ends by itself when its time is over.
"""
_EXAMPLES = """\
examples:
  sudo testbed lab up starlink-blackout           its links, hub and traffic; its events wait for 'lab play'
  sudo testbed lab up hub-two-uplinks --for 30min  a topology: constant links, a heartbeat
  sudo testbed lab shell hub                      a shell on the hub
  sudo testbed lab exec client ping -c 3 203.0.113.10
  sudo testbed lab set starlink 'loss 5% for 30s'
  sudo testbed lab outage lte 10s
  sudo testbed lab play starlink-blackout         its events, counted from now
  sudo testbed lab graph -o lab.svg               what is connected, and what the links do
  sudo testbed lab check --last 60s               do the objectives hold?
  sudo testbed lab save mine.yaml                 what was done by hand, as a scenario
  sudo testbed lab panel                          a page in the browser, on this host alone
  sudo testbed lab down
"""


def add_parser(commands: common.Commands[argparse.ArgumentParser]) -> None:
    """Add ``testbed lab`` and its commands; each sets ``func(options) -> int``."""
    parser = commands.add_parser(
        "lab",
        help="bring a lab up and work in it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for group in (life, nodes, links, evidence):
        group.add_parsers(actions)
    panel.add_options(common.add(actions, "panel", panel.run, panel.HELP))
