"""``testbed new``: write a first file to begin with."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from testbed import paths
from testbed.cli import options as cli_options
from testbed.draft.choices import (
    EVENTS,
    FIRST_OBJECTIVES,
    OBJECTIVES,
    PlannedEvent,
    about_event,
    about_objective,
    problems,
)
from testbed.draft.scenario import Draft, text
from testbed.errors import HostError, InputError, did_you_mean
from testbed.model.hub import FAILOVERS
from testbed.model.scenario import question
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.units import format_duration
from testbed.yaml import load

_SCHEMA = paths.ROOT / "docs" / "schemas" / "scenario.json"
_EXAMPLES = """\
examples:
  testbed new scenario                                             asks, on a terminal
  testbed new scenario storm --event brownout --event outage=25s   two faults of the preferred uplink
  testbed new scenario cell-out --event lte:outage --failover weighted --objective interruption --objective call

events:
{events}
objectives:
{objectives}
failovers:
  {failovers}
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``testbed new``."""
    new = commands.add_parser("new", help="write a scenario to begin with")
    kinds = new.add_subparsers(metavar="WHAT", required=True)
    scenario = kinds.add_parser(
        "scenario",
        help="a scenario with comments, that runs",
        description="Write a scenario with comments, that validates and runs. What is not given is asked for on a "
        "terminal; elsewhere it has its default.",
        epilog=_EXAMPLES.format(
            events="\n".join(f"  {name:18} {about_event(name)}" for name in EVENTS),
            objectives="\n".join(f"  {name:18} {about_objective(name)}" for name in OBJECTIVES),
            failovers=", ".join(FAILOVERS),
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    scenario.add_argument("name", nargs="?", metavar="NAME", help="of letters, digits and -: its file is NAME.yaml")
    cli_options.completed(
        scenario.add_argument("--topology", metavar="NAME", help="what is connected (default: hub-two-uplinks)"),
        _topologies,
    )
    scenario.add_argument("--failover", choices=FAILOVERS, metavar="NAME", help="of the hub (default: ping-tracked)")
    cli_options.completed(
        scenario.add_argument(
            "--event",
            metavar="[UPLINK:]KIND[=LENGTH]",
            action="append",
            help="what goes wrong, one after the other (default: outage of the preferred uplink); repeatable",
        ),
        lambda: EVENTS,
    )
    cli_options.completed(
        scenario.add_argument(
            "--objective",
            metavar="NAME",
            action="append",
            help=f"what is asked (default: {', '.join(FIRST_OBJECTIVES)}); repeatable",
        ),
        lambda: OBJECTIVES,
    )
    scenario.add_argument("--seed", type=int, default=7, help="default: 7")
    scenario.add_argument("--question", metavar="TEXT", default="", help="what it asks, for its first line")
    scenario.add_argument("-o", "--output", metavar="FILE", type=Path, help="default: scenarios/NAME.yaml; -: print it")
    scenario.add_argument("--force", action="store_true", help="write over a file that is there")
    scenario.set_defaults(func=_scenario)


def _topologies() -> list[str]:
    """Return the names of those with one hub."""
    found = plan.names(paths.TOPOLOGIES)
    return [name for name in found if load.read(plan.find_topology(name), Topology).fleet is None]


def _scenario(options: argparse.Namespace) -> int:
    ask = _Questions() if sys.stdin.isatty() and sys.stdout.isatty() else None
    name = options.name or (ask.text("name", "my-scenario") if ask else "my-scenario")
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise InputError("testbed new scenario", f"the name {name!r}", "use a-z, 0-9 and -, such as rain-at-noon")
    topologies = {each: question(plan.find_topology(each)) for each in _topologies()}
    topology_name = options.topology or _one(ask, "topology", topologies, "hub-two-uplinks")
    topology = load.read(plan.find_topology(topology_name), Topology)
    failover = options.failover or _one(ask, "failover", dict.fromkeys(FAILOVERS, ""), "ping-tracked")
    events = _several(options.event, ask, "events", {str(each): about_event(each) for each in EVENTS}, ["outage"])
    objectives = _several(
        options.objective, ask, "objectives", {each: about_objective(each) for each in OBJECTIVES}, FIRST_OBJECTIVES
    )
    if wrong := list(problems(events, objectives, topology)):
        raise InputError.of(wrong)
    planned = tuple(PlannedEvent.parse(event, topology) for event in events)
    draft = Draft(name, topology_name, topology, failover, planned, objectives, options.seed, options.question)
    if options.output is not None and str(options.output) == "-":
        sys.stdout.write(text(draft, os.path.relpath(_SCHEMA)))
        return 0
    path = _write(draft, options.output or paths.SCENARIOS / f"{name}.yaml", options.force)
    made = plan.make(path)  # what is wrong with it is said now
    shown, known = paths.shown(path.resolve()), path.parent.resolve() == paths.SCENARIOS
    called = name if known else shown
    print(f"{shown}: {format_duration(made.scenario.duration)}, {len(made.scenario.objectives)} objectives")
    print(f"next: testbed run {called} --dry-run; then sudo .venv/bin/testbed run {called}")
    return 0


def _write(draft: Draft, path: Path, force: bool) -> Path:
    if path.exists() and not force:
        raise InputError(paths.shown(path.resolve()), "is there already", "choose another NAME, or give --force")
    try:
        path.write_text(text(draft, os.path.relpath(_SCHEMA, path.resolve().parent)), encoding="utf-8")
    except OSError as error:
        raise HostError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _one(ask: _Questions | None, noun: str, known: Mapping[str, str], default: str) -> str:
    return ask.one(noun, known, default) if ask else default


def _several(
    given: list[str] | None, ask: _Questions | None, noun: str, known: Mapping[str, str], default: Iterable[str]
) -> tuple[str, ...]:
    if given is not None:
        return tuple(dict.fromkeys(given)) if noun == "objectives" else tuple(given)
    return tuple(ask.several(noun, known, list(default)) if ask else default)


class _Questions:
    """Asks on a terminal; an empty answer takes the default."""

    def __init__(self, read: Callable[[str], str] = input) -> None:
        self._read = read

    def text(self, noun: str, default: str) -> str:
        return self._read(f"{noun} [{default}]: ").strip() or default

    def one(self, noun: str, known: Mapping[str, str], default: str) -> str:
        _show(noun, known)
        while True:
            answer = self.text(noun, default)
            if (chosen := _named(answer, known)) in known:
                return chosen
            print(f"  unknown {answer!r}; {did_you_mean(answer, known)}")

    def several(self, noun: str, known: Mapping[str, str], default: list[str]) -> list[str]:
        _show(noun, known)
        while True:
            answer = self.text(f"{noun}, with spaces between", " ".join(default))
            chosen = [_named(word, known) for word in answer.split()]
            unknown = [word for word in chosen if word.rpartition(":")[2].partition("=")[0] not in known]
            if not unknown:
                return chosen
            print(f"  unknown {unknown[0]!r}; {did_you_mean(unknown[0], known)}")


def _show(noun: str, known: Mapping[str, str]) -> None:
    print(f"\n{noun}:")
    for number, (name, about) in enumerate(known.items(), start=1):
        print(f"  {number:2}  {name:22} {about}")


def _named(word: str, known: Mapping[str, str]) -> str:
    """Return what a number of the list stands for; a word stands for itself."""
    names = list(known)
    return names[int(word) - 1] if word.isdecimal() and 0 < int(word) <= len(names) else word
