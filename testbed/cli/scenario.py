"""``testbed scenario``: the questions that can be asked."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import screen
from testbed.model.scenario import question
from testbed.run import plan


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed scenario``."""
    scenario = commands.add_parser("scenario", help="list the scenarios and what they ask")
    actions = scenario.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every scenario with its question")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(func=_list_scenarios)


def _list_scenarios(options: argparse.Namespace) -> int:
    questions = {name: question(paths.SCENARIOS / f"{name}.yaml") for name in plan.scenarios()}
    if options.json:
        print(screen.as_json(questions))
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("scenario", no_wrap=True)
    table.add_column("question")
    for name, text in questions.items():
        table.add_row(name, text)
    Console(emoji=False, highlight=False).print(table)
    return 0
