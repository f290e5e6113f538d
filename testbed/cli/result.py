"""``testbed result``: read a run again, or draw its figure again."""

from __future__ import annotations

import argparse
from pathlib import Path

from testbed.result.store import Result


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed result``."""
    result = commands.add_parser("result", help="read a run's result again, or draw its figure again")
    actions = result.add_subparsers(metavar="ACTION", required=True)
    show = actions.add_parser("show", help="the verdicts of a run, finished or killed")
    show.set_defaults(func=_show_result)
    plot = actions.add_parser("plot", help="draw timeline.png from the run's folder alone")
    plot.add_argument("--svg", action="store_true", help="write timeline.svg as well")
    plot.set_defaults(func=_plot_result)
    for action in (show, plot):
        action.add_argument("folder", type=Path, help="a folder below results/")


def _show_result(options: argparse.Namespace) -> int:
    record = Result.load(options.folder).record
    print(f"{record.title}: {record.question}\n{record.state}{': ' if record.error else ''}{record.error}")
    for verdict in record.verdicts:
        print(f"  {verdict.line}")
    return record.exit_status


def _plot_result(options: argparse.Namespace) -> int:
    from testbed import plots  # matplotlib takes longer to load than the other commands take to run

    print(plots.write(Result.load(options.folder), svg=options.svg))
    return 0
