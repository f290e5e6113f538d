"""What the trace commands share: arguments, files, output."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from testbed import units
from testbed.errors import InputError
from testbed.model.trace import Parent, Trace
from testbed.traces import render, store

Subparsers = argparse._SubParsersAction
DURATION = "such as 90s or 1h"
T = "a trace's name ('testbed trace list'), a path below a trace folder, or a file"
OUT = f"the trace to write, ending in {store.SUFFIX}"


def command(
    commands: Subparsers[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    help: str,
    example: str,
) -> argparse.ArgumentParser:
    """Add one subcommand, whose help ends in an example of it."""
    parser = commands.add_parser(
        name, help=help, description=help, epilog=f"example: testbed trace {example}"
    )
    parser.set_defaults(func=func)
    return parser


def duration(text: str) -> int:
    """Read an argument such as 90s as ns."""
    try:
        return units.parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write {error}") from None


def load(name: str) -> tuple[Trace, Parent]:
    """Return a trace and what it is called in another one's ancestry."""
    path = Path(name) if Path(name).is_file() else store.find(name)
    return store.read(path), Parent(path.name, store.sha256(path))


def target(out: str) -> Path:
    """Return a file that may be written. Raises InputError where its folder is missing."""
    path = Path(out)
    if not path.parent.is_dir():
        raise InputError(out, "its folder does not exist", f"make it: mkdir -p {path.parent}")
    return path


def save(trace: Trace, out: str) -> int:
    """Write a trace under its file's name and say what is in it; return the exit status."""
    path = target(out)
    if path.suffix != store.SUFFIX:
        raise InputError(out, "no name of a trace", f"end it in {store.SUFFIX}")
    store.write(replace(trace, name=path.stem), path)
    content = ", ".join(sorted(trace.series)) or "context only"
    print(f"wrote {out}: {units.format_duration(trace.duration_ns)}, {content}")
    return 0


def show(lines: Iterable[str], data: Any, as_json: bool) -> int:
    """Print the words, or the data as JSON; return the exit status."""
    if as_json:
        json.dump(render.plain(data), sys.stdout, indent=2)
        print()
    else:
        print("\n".join(lines))
    return 0
