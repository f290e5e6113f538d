"""``testbed role``: look after failover roles."""

from __future__ import annotations

import argparse
import sys

from testbed.checks.check import Check
from testbed.checks.role import check_role
from testbed.cli import doctor
from testbed.cli import options as cli_options
from testbed.errors import InputError
from testbed.model.hub import FAILOVERS
from testbed.run import plan

_EXAMPLES = """\
examples:
  testbed role check ./my-role          a role of your own: a folder with tasks/main.yml (docs/roles.md)
  testbed role check ping-tracked       one that comes with the testbed
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed role``."""
    role = commands.add_parser("role", help="look after failover roles: what configures a hub")
    actions = role.add_subparsers(metavar="ACTION", required=True)
    check = actions.add_parser(
        "check",
        help="whether a role keeps the contract: it ends well, leaves a dead uplink, goes again",
        description="Try a failover role on a hub in a small lab, and say what of the contract it keeps "
        "(docs/roles.md). Takes a minute or less. Needs root. Exit status 3 where it breaks the contract.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = [name for name in FAILOVERS if name != "none"]
    role_argument = check.add_argument("role", metavar="FOLDER", help=f"a role's folder, or {' | '.join(words)}")
    cli_options.completed(role_argument, lambda: words)
    check.add_argument("--topology", default="hub-two-uplinks", help="whose hub it is tried on")
    check.add_argument("--json", action="store_true", help="print JSON")
    check.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    name = options.role.rstrip("/")
    if name == "none":
        raise InputError("", "'none' is no failover", "name a role's folder, or a failover that comes along")
    if name not in FAILOVERS and "/" not in name:
        name = f"./{name}"
    found = check_role(name, plan.find_topology(options.topology), _told if sys.stderr.isatty() else _nothing)
    return doctor.show(found, options.json, "the role keeps the contract", "the role breaks the contract")


def _told(check: Check) -> None:
    print(f"{check.state}: {check.name}: {check.found.splitlines()[0]}", file=sys.stderr)


def _nothing(check: Check) -> None:
    pass
