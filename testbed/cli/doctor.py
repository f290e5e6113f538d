"""``testbed doctor``: what this host can and cannot do."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from testbed.checks.check import Ability, Check
from testbed.checks.host import checks
from testbed.errors import HostError


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed doctor`` to the command line."""
    doctor = commands.add_parser(
        "doctor",
        help="what this host can and cannot do",
        description="Check what runs need: permissions, kernel, tools, builds. Exit status 3 if one is missing.",
    )
    doctor.add_argument("--json", action="store_true", help="print JSON")
    doctor.set_defaults(func=_show)


def _show(options: argparse.Namespace) -> int:
    return show(checks(), options.json, "this host can run scenarios", "no run can start")


def show(found: Sequence[Check], as_json: bool, fine: str, not_fine: str) -> int:
    """Print what was found, and what it comes to; return the exit status."""
    missing = [check for check in found if check.state is Ability.MISSING]
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in found], indent=2))
    else:
        _print(found, f"{len(missing)} missing: {not_fine}" if missing else fine)
    return HostError.exit_status if missing else 0


def _print(found: Sequence[Check], verdict: str) -> None:
    console = Console(emoji=False, highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "what", "found", "what to do"):
        table.add_column(heading, no_wrap=heading == "what", overflow="fold")
    for check in found:
        colour = {Ability.OK: "green", Ability.LIMITED: "yellow", Ability.MISSING: "red"}[check.state]
        table.add_row(f"[{colour}]{check.state}[/]", check.name, check.found, check.advice)
    console.print(table)
    console.print(f"\n{verdict}")
