"""``testbed lab set``, ``outage``, ``play`` and ``graph``: a lab's links, touched and seen."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from testbed import paths
from testbed.cli import drawing
from testbed.cli import options as cli_options
from testbed.cli.lab import common
from testbed.cli.lab.common import Commands
from testbed.errors import InputError
from testbed.model.topology import Topology
from testbed.run import job, owner, plan
from testbed.standing import client, registry
from testbed.units import format_duration, format_rate, format_share
from testbed.yaml import load


def add_parsers(actions: Commands[argparse.ArgumentParser]) -> None:
    """Add what touches links while traffic flows, and what shows them."""
    _add_touches(actions)
    play = common.add(actions, "play", _play, "play the events of a file, counted from now")
    told = "'events:' as in a scenario, or a scenario's name or file"
    cli_options.completed(play.add_argument("events", metavar="EVENTS.yaml", help=told), plan.scenarios)
    graph = common.add(actions, "graph", _graph, "the lab as a drawing, with what its links do now")
    told = "draw it into a PNG, SVG or PDF instead"
    graph.add_argument("-o", "--output", type=Path, metavar="FILE", help=told)


def _add_touches(actions: Commands[argparse.ArgumentParser]) -> None:
    change = common.add(actions, "set", _set, "change a link while traffic flows: lab set starlink 'loss 5% for 30s'")
    _add_link(change)
    told = "such as 'delay 25ms rate 100Mbit loss 0.1%% for 30s'; or 'schedule': what the link plays by itself"
    change.add_argument("values", metavar="VALUES", help=told)
    outage = common.add(actions, "outage", _outage, "interrupt a link: lab outage lte 10s")
    _add_link(outage)
    outage.add_argument("duration", metavar="TIME")
    outage.add_argument("--hold", action="store_true", help="packets wait instead of being dropped")
    for parser in (change, outage):
        parser.add_argument("--direction", choices=["up", "down", "both"], default="both")


def _add_link(parser: argparse.ArgumentParser) -> None:
    cli_options.completed(parser.add_argument("link", metavar="LINK", help="an uplink of the topology"), common.links)


def _set(options: argparse.Namespace) -> int:
    return _touch(options, "set", values=options.values)


def _outage(options: argparse.Namespace) -> int:
    return _touch(options, "outage", duration=options.duration, hold=options.hold)


def _touch(options: argparse.Namespace, what: str, **arguments: Any) -> int:
    entry = registry.find(options.lab)
    did = client.ask(entry, what, link=options.link, direction=options.direction, **arguments)
    print(f"{entry.name} {common.since_start(did['t_ns'])}: {did['did']}")
    return 0


def _play(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    path = Path(options.events)
    path = path if path.is_file() else plan.find_scenario(options.events)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(paths.shown(path), f"cannot be read ({error})", "give a YAML file") from error
    played = client.ask(entry, "play", file=paths.shown(path), text=text)
    for event in played["events"]:
        print(f"{entry.name} {common.since_start(event['at_ns'])}: {event['what']}")
    return 0


def _graph(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    state = client.ask(entry, "state")
    topology = load.read(Path(entry.folder) / job.FOLDER / "topology.yaml", Topology)
    if options.output is not None:
        from testbed.plots import network  # takes longer to load than all else

        said = {link: "\n".join(_does(now)) for link, now in state["links"].items()}
        said |= {link: f"{words}\ncarries" for link, words in said.items() if link == state["carrier"]}
        owner.give(network.write(topology, f"lab {entry.name}", said, options.output))
        return 0
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    console.print(f"{drawing.draw(topology)}\n", markup=False)
    for link, now in state["links"].items():
        carries = "  carries" if link == state["carrier"] else ""
        hand = "  by hand" if any(way["by_hand"] for way in now.values()) else ""
        console.print(f"{link}: {'; '.join(_does(now))}{carries}{hand}", markup=False)
    return 0


def _does(link: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what each direction of a link does now: one line where both do the same."""
    lines = {way: _values(now) for way, now in link.items()}
    if 1 == len(set(lines.values())):
        return [next(iter(lines.values()))]
    return [f"{way} {line}" for way, line in lines.items()]


def _values(now: Mapping[str, Any]) -> str:
    if now["state"] != "up":
        return str(now["state"])
    words = [format_duration(now["delay_ns"])]
    words += [format_rate(now["rate_bps"])] if now["rate_bps"] else []
    words += [f"{format_share(now['loss'])} loss"] if now["loss"] else []
    return ", ".join(words)
