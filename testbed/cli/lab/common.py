"""What the commands of ``testbed lab`` share: options, words for the shell to complete, times for people."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from datetime import datetime

from testbed.cli import options as cli_options
from testbed.errors import TestbedError
from testbed.standing import client, registry
from testbed.standing.protocol import Values
from testbed.standing.registry import StandingLab

Commands = argparse._SubParsersAction
SHORT_S = 5.0
"""For a lab that is only asked how it is."""


def add(
    actions: Commands[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    help: str,
    *,
    lab: bool = True,
    json: bool = False,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help.replace("%", "%%"), description=f"{help[0].upper()}{help[1:]}.")
    parser.set_defaults(func=func)
    if lab:
        told = "which lab (default: the only one)"
        cli_options.completed(parser.add_argument("--lab", metavar="NAME", help=told), names)
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def add_node(parser: argparse.ArgumentParser) -> None:
    cli_options.completed(parser.add_argument("node", metavar="NODE", help="a node of the topology"), nodes)


def clock(t_ns: int | None) -> str:
    """Return an instant for people here."""
    if t_ns is None:
        return "–"
    moment = datetime.fromtimestamp(t_ns / 1e9).astimezone()
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now().date() else f"{moment:%d %b %H:%M}"


def since_start(t_ns: int) -> str:
    """Return a time since a lab's start for people."""
    return f"at {t_ns / 1e9:.1f} s"


def names() -> Iterable[str]:
    """Yield the labs' names, for the shell to complete."""
    return (entry.name for entry in _known())


def nodes() -> Iterable[str]:
    """Yield the nodes of the labs that stand."""
    return sorted({node for entry in _known() for node in _ask_for_words(entry)["nodes"]})


def links() -> Iterable[str]:
    """Yield the links of the labs that stand."""
    return sorted({link for entry in _known() for link in _ask_for_words(entry)["links"]})


def _known() -> list[StandingLab]:
    try:
        return registry.labs()
    except TestbedError:
        return []


def _ask_for_words(entry: StandingLab) -> Values:
    try:
        return client.ask(entry, "state", SHORT_S)
    except TestbedError:
        return {"nodes": {}, "links": {}}
