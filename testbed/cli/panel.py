"""``testbed lab panel``: a lab in the browser."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from pathlib import Path

from testbed.cli import screen
from testbed.errors import InputError
from testbed.standing import registry
from testbed.standing.registry import StandingLab

HELP = "a lab in the browser: charts of its links, and buttons for outage, loss and delay"
_DESCRIPTION = """\
Serve one page with what the lab's links carry and lose, ten times a second, and buttons to touch them; and the same as
REST, described at /openapi.json. It listens on this host's loopback alone, or on a UNIX socket that its owner alone
can open, and answers only who has the token of the address that it prints. Ctrl-C ends it; the lab goes on.

From another computer: ssh -L 8000:127.0.0.1:8000 LABHOST, and 'testbed lab panel --port 8000' here.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of ``testbed lab panel``."""
    parser.description, parser.formatter_class = _DESCRIPTION, argparse.RawDescriptionHelpFormatter
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--port", type=_port, default=0, metavar="PORT", help="listen at this one (default: a free one)")
    where.add_argument("--socket", type=Path, metavar="PATH", help="listen at a UNIX socket instead")


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or the lab's end."""
    if options.socket and options.socket.exists():
        raise InputError("--socket", f"{options.socket} is there already", "name a path that is free")
    return show(registry.find(options.lab), options.port, options.socket)


def show(entry: StandingLab, port: int = 0, path: Path | None = None) -> int:
    """Serve a lab's panel and print its address, until Ctrl-C or the lab's end."""
    from testbed.panel import server  # FastAPI takes longer to load than most commands to run

    server.serve(entry, port, path, lambda where: print(where, flush=True))
    return 0


def beside(entry: StandingLab) -> AbstractContextManager[None]:
    """Serve the panel of a run while it goes on, and say where."""
    from testbed.panel import server  # as above

    return server.beside(entry, lambda where: screen.aside(f"panel: {where}"))


def _port(text: str) -> int:
    if text.isdecimal() and int(text) < 2**16:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: write a number from 0 (a free one) to 65535")
