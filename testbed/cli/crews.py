"""Who plays a campaign, by the user's word, and what a person sees of it: a line a run, a bar on a terminal."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.text import Text

from testbed.campaign.crew import LOCAL, LocalCrew
from testbed.campaign.dask_crew import DaskCrew
from testbed.campaign.spread import Headway
from testbed.campaign.wire import Wire
from testbed.cli import screen
from testbed.errors import InputError
from testbed.model.bench import VIRTUAL
from testbed.result import shelf
from testbed.units import format_duration

DISTURBED = "several runs in real time at once disturb each other; one that was disturbed is invalid, and says so"


def choose(options: argparse.Namespace) -> LocalCrew | DaskCrew | None:
    """Return the crew that ``--on`` names; None: this host, run by run. Raises InputError."""
    where = options.on
    if where.startswith("dask://"):
        return DaskCrew(Wire.parse(where, options.tls, "--on"))
    if options.needs or options.tls:
        raise InputError("--needs" if options.needs else "--tls", f"--on {where}", "they are of --on dask://HOST:PORT")
    if where == LOCAL:
        return None
    name, _, count = where.partition(":")
    if name != LOCAL or not count.isdecimal() or not 0 < int(count) <= 1000:
        raise InputError("--on", f"{where!r}", "write local, local:N or dask://HOST:PORT")
    if options.bench != VIRTUAL and int(count) > 1:
        raise InputError("--on", f"{count} runs at once, and a bench has one", "write local or local:1")
    return LocalCrew(int(count))


@contextmanager
def shown(folder: Path, as_json: bool) -> Iterator[Callable[[Headway], None]]:
    """Give what shows where a campaign is."""
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    if as_json:
        yield lambda standing: _print_json(folder, standing)
    elif not sys.stdout.isatty():
        yield lambda standing: _print(folder, standing, console)
    else:
        with Status("…", console=console) as status:

            def show(standing: Headway) -> None:
                _print(folder, standing, console)
                status.update(escape(f"{standing.done} of {standing.of}, {standing.at_work} at work{_left(standing)}"))

            yield show


def _print(folder: Path, standing: Headway, console: Console) -> None:
    for said in standing.said:
        console.print(said, style="dim", markup=False)
    over = standing.over
    if over is None:
        return
    told = Text(f"{over.name} of {standing.of}  ")
    if over.lost:
        told.append(f"lost: {over.lost.splitlines()[0]}", style="yellow")
    else:
        told.append(screen.marked(_word(folder, over.name, over.died)))
        told.append(f"  {over.where}; {standing.done} done{_left(standing)}", style="dim")
    console.print(told)


def _print_json(folder: Path, standing: Headway) -> None:
    for said in standing.said:
        print(json.dumps({"event": "waits", "said": said}), flush=True)
    over = standing.over
    if over is not None:
        word = "lost" if over.lost else _word(folder, over.name, over.died)
        line = {"event": "run", "run": over.name, "word": word, "where": over.where, "why": over.lost or over.died}
        rest = {"done": standing.done, "of": standing.of, "left_s": standing.left_s}
        print(json.dumps({**line, **rest}), flush=True)


def _word(folder: Path, name: str, died: str) -> str:
    return "failed" if died else shelf.read(folder / name).word


def _left(standing: Headway) -> str:
    if standing.left_s is None or standing.done == standing.of:
        return ""
    return f", about {format_duration(round(standing.left_s) * 10**9)} left"
