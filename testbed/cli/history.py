"""``testbed history``: the figures of kept results over time."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import screen
from testbed.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from testbed.result.history import SeriesOfRuns

_DESCRIPTION = """\
Show each objective of the kept results in the order of time, and where it changed: a step that is more than chance,
with the commit at which it shows, and what else changed there (a trace, the hub, its roles).
"""
_BARS = "▁▂▃▄▅▆▇█"
_DRAWN = 40


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed history``."""
    parser = commands.add_parser(
        "history",
        help="the figures of kept results over commits, and where they changed",
        description=_DESCRIPTION,
        epilog="example: testbed history results --scenario smoke",
    )
    parser.add_argument(
        "folders", metavar="FOLDER", nargs="*", type=Path, default=[paths.RESULTS], help="default: results/"
    )
    parser.add_argument("--scenario", metavar="NAME", help="of this scenario only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(func=_command)


def _command(options: argparse.Namespace) -> int:
    from testbed.result import observed
    from testbed.result.history import history

    kept = observed.read_all(options.folders)
    runs = [run for run in kept if options.scenario in (None, run.scenario)]
    if not runs:
        there = {run.scenario for run in kept}
        raise InputError("--scenario", f"no run of {options.scenario!r}", did_you_mean(options.scenario, there))
    found = history(runs)
    if options.json:
        print(screen.as_json([asdict(series) for series in found]))
        return 0
    console = Console(emoji=False, highlight=False)
    for scenario, several in groupby(found, key=lambda series: series.scenario):
        console.print(f"[bold]{scenario}[/]")
        console.print(_table(list(several)))
    console.print(f"{len(found)} series of {len(runs)} runs, {sum(len(s.changes) for s in found)} steps")
    return 0


def _table(several: list[SeriesOfRuns]) -> Table:
    from testbed.model.objective import format_value

    shown = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("objective", "runs", "latest", "over time", "steps"):
        shown.add_column(heading, justify="right" if heading in ("runs", "latest") else "left", overflow="fold")
    for series in several:
        steps = [
            f"[{'green' if step.better else 'bold red'}]{format_value(step.before, series.unit)} -> "
            f"{format_value(step.after, series.unit)}[/] at {step.source}, {step.run}"
            + (f" ({', '.join(step.parts)} changed)" if step.parts else "")
            for step in series.changes
        ]
        latest = format_value(series.values[-1], series.unit)
        shown.add_row(series.title, str(len(series.values)), latest, bars(series.values), "\n".join(steps) or "–")
    return shown


def bars(values: tuple[float, ...]) -> str:
    """Return the latest values as bars, from the least to the most."""
    latest = values[-_DRAWN:]
    least, most = min(latest), max(latest)
    if least == most:
        return _BARS[0] * len(latest)
    return "".join(_BARS[round((value - least) / (most - least) * (len(_BARS) - 1))] for value in latest)

