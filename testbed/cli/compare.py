"""``testbed compare``: two sides of runs, pair by pair."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import screen
from testbed.errors import HostError, InputError
from testbed.link.backends import BACKENDS
from testbed.model.threshold import DEFAULT, Thresholds
from testbed.model.times import REAL, TIMES
from testbed.run import launch, owner
from testbed.yaml import load

if TYPE_CHECKING:
    from testbed.result.compare import Comparison

# What compares is imported where it is used: scipy takes longer to load than other commands to run.

_DESCRIPTION = """\
Compare two sides of runs. Runs are paired by scenario, changes, seed, phase and repetition; both runs of a pair met
the same trace, losses and requests, so that the difference of a pair is the hub's, and not the weather's.

Each objective gets one word: better, same, worse, or inconclusive.
"""
_EXAMPLES = """\
examples:
  testbed compare results/20261127T101500Z-smoke results/20261127T103000Z-smoke
  testbed compare results/campaign-of-main results/campaign-of-branch --markdown --junit compare.xml
  sudo testbed compare --rev main --rev HEAD smoke starlink-blackout --repeat 5
  testbed compare --rev main --rev HEAD smoke --repeat 1 --time virtual
  testbed compare before after --across 'link of starlink'     the trace was changed on purpose

exit status: 0 same or better, 1 something is worse, 2 bad input or nothing alike, 3 it could not be told
"""
_STYLES = {"better": "green", "same": "dim", "worse": "bold red", "inconclusive": "yellow"}


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed compare``."""
    parser = commands.add_parser(
        "compare",
        help="compare runs, campaigns or folders of them, pair by pair",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "what",
        metavar="BASE CANDIDATE",
        nargs="+",
        help="two folders, each a run, a campaign, or a folder of them; with --rev, scenarios",
    )
    revisions = parser.add_argument_group("two revisions, run now by turns (needs root)")
    revisions.add_argument(
        "--rev", metavar="REV", action="append", default=[], help="a commit or branch; twice: base, then candidate"
    )
    revisions.add_argument("--repeat", metavar="N", type=int, default=5, help="pairs of runs (default: 5)")
    revisions.add_argument(
        "--link", choices=list(BACKENDS), default="native", help="what emulates the links (default: native)"
    )
    revisions.add_argument(
        "--time", choices=TIMES, default=REAL, help="virtual: exact from one pair on, without root (default: real)"
    )
    revisions.add_argument(
        "--results", type=Path, default=paths.RESULTS, help="where to write (default: results/)"
    )
    add_output(parser)
    parser.set_defaults(func=_command)


def add_output(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is told, and by what it is judged."""
    parser.add_argument(
        "--thresholds", metavar="FILE", type=Path, help="YAML: from which difference on a metric matters"
    )
    parser.add_argument(
        "--across",
        metavar="PART",
        action="append",
        default=[],
        help="compare although this part of what the hub meets differs, such as 'link of starlink'; repeatable",
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--markdown", action="store_true", help="print Markdown, for a pull request")
    how.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--junit", metavar="FILE", type=Path, help="write JUnit: one test case for each objective")


def thresholds(options: argparse.Namespace) -> Thresholds:
    """Return the thresholds that the user names, or the usual ones. Raises InputError."""
    return load.read(options.thresholds, Thresholds) if options.thresholds else DEFAULT


def tell(comparison: Comparison, base: str, candidate: str, options: argparse.Namespace) -> int:
    """Print and write a comparison as the user asks; return its exit status."""
    from testbed.result import comparison as told

    if options.junit:
        from xml.etree import ElementTree

        tree = ElementTree.ElementTree(told.suites(comparison))
        ElementTree.indent(tree)
        tree.write(options.junit, encoding="utf-8", xml_declaration=True)
    if options.json:
        print(screen.as_json(told.to_json(comparison)))
    elif options.markdown:
        print(told.markdown(comparison, base, candidate), end="")
    else:
        _print(comparison, base, candidate)
    return comparison.exit_status


def _command(options: argparse.Namespace) -> int:
    from testbed.result import observed
    from testbed.result.compare import compare

    wanted = thresholds(options)
    if options.rev:
        names, folders = _run_revisions(options)
    elif 2 == len(options.what):
        names, folders = options.what, [Path(folder) for folder in options.what]
    else:
        found = f"{len(options.what)} folders"
        raise InputError("testbed compare", found, "name two, BASE and CANDIDATE, or scenarios with --rev A --rev B")
    base, candidate = (observed.read(folder) for folder in folders)
    comparison = compare(base, candidate, wanted, options.across)
    return tell(comparison, names[0], names[1], options)


def _run_revisions(options: argparse.Namespace) -> tuple[Sequence[str], Sequence[Path]]:
    """Run both revisions, and return their names and folders."""
    from testbed.campaign import revisions

    if 2 != len(options.rev) or options.repeat < 1:
        place = "--rev" if options.repeat > 0 else "--repeat"
        raise InputError(place, "not two revisions, once each or more", "write --rev A --rev B --repeat 5")
    if options.time == REAL and os.geteuid() != 0:
        raise HostError("a run needs root for its network namespaces; start it with sudo")
    with revisions.checked_out(options.rev) as found:
        folder = launch.new_folder(options.results.resolve(), f"compare-{options.what[0]}", datetime.now(UTC))
        chosen = [*("--link", options.link), *(() if options.time == REAL else ("--time", options.time))]
        try:
            revisions.play(found, options.what, options.repeat, folder, chosen, _say)
        finally:
            owner.give(folder)
        _say(f"results in {paths.shown(folder)}/")
        return list(map(str, found)), [folder / side for side in revisions.SIDES]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _print(comparison: Comparison, base: str, candidate: str) -> None:
    from testbed.result import comparison as told

    console = Console(emoji=False, highlight=False, soft_wrap=True)
    console.print(f"base       {base}\ncandidate  {candidate}", markup=False)
    for warning in told.warnings(comparison):
        console.print(f"! {warning}", style="bold", markup=False)
    for note in comparison.notes:
        console.print(f"  {note}", markup=False)
    for scenario, rows in groupby(comparison.rows, key=lambda row: row.scenario):
        console.print(f"\n{scenario}", style="bold", markup=False)
        found = list(rows)
        lines = [(str(row.word), row.reason, told.cells(row)) for row in found]
        Console(emoji=False, highlight=False).print(_table(told.HEADINGS, lines))
    console.print(f"\n{told.summary(comparison)}")


def _table(headings: Sequence[str], rows: Sequence[tuple[str, str, tuple[str, ...]]]) -> Table:
    shown = Table(box=None, pad_edge=False, header_style="dim")
    shown.add_column("", no_wrap=True)
    for heading in headings:
        shown.add_column(heading, justify="left" if heading == "objective" else "right")
    for word, reason, (title, *rest) in rows:
        shown.add_row(f"[{_STYLES[word]}]{word}[/]", f"{title}\n[dim]{reason}[/]" if reason else title, *rest)
    return shown
