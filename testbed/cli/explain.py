"""``testbed explain``: why a run failed, in sentences."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from testbed import paths
from testbed.cli import options as cli_options
from testbed.cli import screen
from testbed.errors import InputError
from testbed.result import campaign, shelf
from testbed.result.store import Result

if TYPE_CHECKING:
    from testbed.explain.explanation import Explanation, Missed

_SURE, _LIKELY = 0.9, 0.6
_EXAMPLES = """\
examples:
  testbed explain $(testbed results list --verdict fail --names | head -1)     the newest that failed
  testbed explain 20261127T142401Z-starlink-blackout --json                    causes with their keys and weights

It reads the run's folder alone: verdicts, samples, links' records, logs of the hub's daemons. A cause is a judgement by
rules, with what speaks for it; `testbed results open` shows all there is. Exit status: that of the run's verdicts.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed explain``."""
    explain = commands.add_parser(
        "explain",
        help="say why a run failed, in sentences",
        description="Say why a run failed: what was missed by how much, what preceded it, what the hub did, the "
        "likeliest cause first, and what it was not.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    cli_options.add_results(
        explain.add_argument("result", metavar="RESULT", help="a name from 'testbed results list', or a folder")
    )
    explain.add_argument("--json", action="store_true", help="print JSON")
    explain.add_argument(
        "--results", type=Path, default=paths.RESULTS, help="where results lie (default: results/)"
    )
    explain.set_defaults(func=_explain)


def _explain(options: argparse.Namespace) -> int:
    from testbed.explain.explanation import (
        explain,  # with what reads samples, it takes longer to load than to run
    )

    folder = shelf.find(options.result, options.results)
    if (folder / campaign.FILE).exists():
        raise InputError(str(folder), "a campaign", "name one of its runs")
    result = Result.load(folder)
    explained = explain(result)
    if options.json:
        print(screen.as_json(asdict(explained)))
    else:
        console = Console(emoji=False, highlight=False, soft_wrap=True)
        for line in lines(explained):
            console.print(line)
    return result.record.exit_status


def lines(explained: Explanation) -> Iterator[Text]:
    """Yield what is printed for people."""
    yield Text.assemble((explained.title, "bold"), ": ", screen.marked(explained.outcome))
    if explained.outcome == "pass":
        yield Text("All objectives passed: there is nothing to explain.")
    if explained.own:
        yield Text("This says nothing of the hub: the testbed's own part in it comes first.")
    if explained.causes:
        yield Text()
        yield Text("Why", style="bold")
        for number, cause in enumerate(explained.causes[:3], start=1):
            sure = "" if number == 1 and cause.weight >= _SURE else _likely(number, cause.weight)
            yield Text(f"  {number}. {sure}{cause.sentence}")
            yield from (Text(f"       {ground}", style="dim") for ground in cause.grounds)
    elif explained.missed:
        yield Text("None of the causes that are known fits: `testbed results open` shows all there is.")
    for missed in explained.missed:
        yield from _objective(missed)
    if explained.ruled_out:
        yield Text()
        yield Text("Ruled out", style="bold")
        yield from (Text(f"  {sentence}") for sentence in explained.ruled_out)


def _objective(missed: Missed) -> Iterator[Text]:
    yield Text()
    yield Text.assemble(("✘ ", "bold red"), missed.sentence)
    if missed.preceded:
        yield Text(f"  preceded by {'; '.join(missed.preceded)}")
    yield from (Text(f"    {line}", style="dim") for line in missed.did)


def _likely(number: int, weight: float) -> str:
    if number > 1:
        return "Also: " if weight >= _LIKELY else "Perhaps: "
    return "Probably: " if weight >= _LIKELY else "Perhaps: "
