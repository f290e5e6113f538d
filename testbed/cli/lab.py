"""``testbed lab``: a lab as a place to work in."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from testbed import paths
from testbed.cli import drawing, panel, screen
from testbed.cli import options as cli_options
from testbed.errors import HostError, InputError, TestbedError
from testbed.lab import bench
from testbed.model.bench import VIRTUAL
from testbed.model.topology import Topology
from testbed.run import job, launch, owner, plan
from testbed.standing import client, made, registry, saved, up
from testbed.standing.keeper import LabOrder
from testbed.standing.protocol import Values
from testbed.standing.registry import StandingLab
from testbed.units import format_duration, format_rate, format_share, parse_duration
from testbed.yaml import load
from testbed.yaml.overrides import Override

_DESCRIPTION = """\
Bring a lab up and work in it: look into its devices, touch its links, judge what the hub makes of it.

Where one lab stands, no command needs its name; otherwise --lab NAME says which. A lab needs root, as a
run does, and ends by itself when its time is over.
"""
_EXAMPLES = """\
examples:
  sudo testbed lab up starlink-blackout           its links, hub and traffic; its events wait for 'lab play'
  sudo testbed lab up hub-two-uplinks --for 30min  a topology: constant links, a heartbeat
  sudo testbed lab shell hub                      a shell on the hub
  sudo testbed lab exec client ping -c 3 203.0.113.10
  sudo testbed lab set starlink 'loss 5% for 30s'
  sudo testbed lab outage lte 10s
  sudo testbed lab play starlink-blackout         its events, counted from now
  sudo testbed lab graph -o lab.svg               what is connected, and what the links do
  sudo testbed lab check --last 60s               do the objectives hold?
  sudo testbed lab save mine.yaml                 what was done by hand, as a scenario
  sudo testbed lab panel                          a page in the browser, on this host alone
  sudo testbed lab down
"""
_FOR = "2h"
_SHORT_S, _DOWN_S = 5.0, 60.0

Commands = argparse._SubParsersAction


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add ``testbed lab``."""
    parser = commands.add_parser(
        "lab",
        help="bring a lab up and work in it",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_up(actions)
    _add(actions, "list", _list, "the labs that stand: what, whose, since and until when", lab=False, json=True)
    run = _add(actions, "exec", _exec, "run a command on a node; its exit status is the command's")
    _add_node(run)
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="the command and its arguments")
    _add_node(_add(actions, "shell", _shell, "a shell on a node"))
    log = _add(actions, "log", _log, "what a node's programs have written")
    _add_node(log)
    log.add_argument("-f", "--follow", action="store_true", help="go on as they write more; end with Ctrl-C")
    log.add_argument("-n", "--lines", type=_count, default=50, metavar="N", help="of each file's end (default: 50)")
    _add_touches(actions)
    graph = _add(actions, "graph", _graph, "the lab as a drawing, with what its links do now")
    told = "draw it into a PNG, SVG or PDF instead"
    graph.add_argument("-o", "--output", type=Path, metavar="FILE", help=told)
    play = _add(actions, "play", _play, "play the events of a file, counted from now")
    told = "'events:' as in a scenario, or a scenario's name or file"
    cli_options.completed(play.add_argument("events", metavar="EVENTS.yaml", help=told), plan.scenarios)
    check = _add(actions, "check", _check, "judge the objectives so far, and keep the evidence", json=True)
    check.add_argument("--last", default="", metavar="TIME", help="over the last 60s (default: since the lab is up)")
    save = _add(actions, "save", _save, "write what was done by hand as a scenario, which 'testbed run' plays")
    save.add_argument("file", type=Path, metavar="NAME.yaml")
    panel.add_options(_add(actions, "panel", panel.run, panel.HELP))
    down = _add(actions, "down", _down, "end a lab", lab=False)
    cli_options.completed(
        down.add_argument("name", nargs="?", metavar="NAME", help="which (default: the only one)"), _names
    )
    down.add_argument("--all", action="store_true", help="every lab of this host")


def _add(
    actions: Commands[argparse.ArgumentParser],
    name: str,
    func: Callable[[argparse.Namespace], int],
    help: str,
    *,
    lab: bool = True,
    json: bool = False,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.")
    parser.set_defaults(func=func)
    if lab:
        told = "which lab (default: the only one)"
        cli_options.completed(parser.add_argument("--lab", metavar="NAME", help=told), _names)
    if json:
        parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _add_up(actions: Commands[argparse.ArgumentParser]) -> None:
    parser = _add(actions, "up", _up, "bring a lab up and leave it standing", lab=False, json=True)
    cli_options.completed(
        parser.add_argument("what", metavar="SCENARIO|TOPOLOGY", help="a name, or a YAML file"),
        lambda: [*plan.scenarios(), *plan.names(paths.TOPOLOGIES)],
    )
    parser.add_argument("--name", help="what to call it (default: as what it is made of)")
    told = f"end it by itself after this time (default: {_FOR})"
    parser.add_argument("--for", dest="for_ns", type=_duration, default=_FOR, metavar="TIME", help=told)
    parser.add_argument(
        "--set",
        dest="changes",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="change a value of the scenario: hub.failover=none; repeatable",
    )
    cli_options.completed(
        parser.add_argument(
            "--bench", metavar="FILE", default=VIRTUAL, help="put the hub of this bench in (default: virtual)"
        ),
        lambda: [VIRTUAL, *plan.names(paths.BENCHES)],
    )
    cli_options.add_hub(parser)
    told = "where its logs and checks are written (default: results/)"
    parser.add_argument("--results", type=Path, default=paths.RESULTS, help=told)


def _add_touches(actions: Commands[argparse.ArgumentParser]) -> None:
    change = _add(actions, "set", _set, "change a link while traffic flows: lab set starlink 'loss 5% for 30s'")
    _add_link(change)
    told = "such as 'delay 25ms rate 100Mbit loss 0.1%% for 30s'; or 'schedule': what the link plays by itself"
    change.add_argument("values", metavar="VALUES", help=told)
    outage = _add(actions, "outage", _outage, "interrupt a link: lab outage lte 10s")
    _add_link(outage)
    outage.add_argument("duration", metavar="TIME")
    outage.add_argument("--hold", action="store_true", help="packets wait instead of being dropped")
    for parser in (change, outage):
        parser.add_argument("--direction", choices=["up", "down", "both"], default="both")


def _add_link(parser: argparse.ArgumentParser) -> None:
    cli_options.completed(parser.add_argument("link", metavar="LINK", help="an uplink of the topology"), _links)


def _add_node(parser: argparse.ArgumentParser) -> None:
    cli_options.completed(parser.add_argument("node", metavar="NODE", help="a node of the topology"), _nodes)


def _up(options: argparse.Namespace) -> int:
    path = made.find(options.what)
    name = options.name or path.stem
    registry.check_name(name)
    chosen = bench.find(options.bench, options.hub)
    changes = tuple(map(Override.parse, options.changes))
    with tempfile.TemporaryDirectory() as written:
        planned = made.make(path, changes, chosen, options.for_ns, Path(written))
        launch.check(planned)
        folder = launch.new_folder(options.results.resolve(), f"lab-{name}", datetime.now(UTC))
        job.pack(planned, folder)
    order = LabOrder(
        folder=str(folder),
        name=name,
        what=path.stem,
        for_ns=options.for_ns,
        exactly=options.name is not None,
        bench=str(chosen.path) if chosen else "",
        hub=chosen.hub if chosen else "",
        wait=options.wait,
    )
    try:
        with screen.choose(name, options.json) as shown:
            standing = up.up(order, shown.show)
    except (TestbedError, KeyboardInterrupt):
        owner.give(folder)
        raise
    if not options.json:
        _greet(registry.find(standing))
    return 0


def _greet(entry: StandingLab) -> None:
    print(f"lab {entry.name} stands until {_clock(entry.until_ns)}; its logs are in {paths.shown(Path(entry.folder))}/")
    print("  testbed lab shell hub | exec client ... | log hub | down")


def _list(options: argparse.Namespace) -> int:
    rows = [(entry, _carrier(entry)) for entry in registry.labs()]
    if options.json:
        fields = ("name", "what", "owner", "pid", "folder")
        print(
            screen.as_json(
                [
                    {key: getattr(entry, key) for key in fields}
                    | {"started_ns": entry.started_ns, "until_ns": entry.until_ns, "state": state}
                    for entry, state in rows
                ]
            )
        )
        return 0
    if not rows:
        print("no lab stands; 'testbed lab up NAME' brings one up")
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("lab", "made of", "owner", "since", "until", "state"):
        table.add_column(heading, no_wrap=True)
    for entry, state in rows:
        since = _clock(entry.started_ns)
        table.add_row(entry.name, entry.what, entry.owner, since, _clock(entry.until_ns), state)
    Console(emoji=False, highlight=False, soft_wrap=True).print(table)
    return 0


def _carrier(entry: StandingLab) -> str:
    """Return a lab's state in a few words."""
    try:
        state = client.ask(entry, "state", _SHORT_S)
    except TestbedError as error:
        return str(error).removeprefix(f"lab {entry.name} is ")
    touched = len(state["by_hand"])
    hands = f", touched {touched} time{'s' * (touched != 1)}" if touched else ""
    ends = f", {len(state['ends'])} of its parts ended" if state["ends"] else ""
    ends += f", {len(state['troubles'])} events could not be played" if state["troubles"] else ""
    return f"stands for {format_duration(round(max(state['t_ns'], 0), -9))}{hands}{ends}"


def _exec(options: argparse.Namespace) -> int:
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise InputError("testbed lab exec", "no command", "write one behind the node: exec hub ip route")
    return _run(options, command)


def _shell(options: argparse.Namespace) -> int:
    prompt = rf"PS1=\[\e[1m\]{options.node}\[\e[0m\] \w \$ "
    return _run(options, ["env", prompt, "bash", "--norc", *(["-i"] if sys.stdin.isatty() else [])])


def _run(options: argparse.Namespace, command: Sequence[str]) -> int:
    with client.LabClient(registry.find(options.lab)) as lab:
        line = lab.command(options.node, command)
    return client.become(line)


def _log(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    files = client.ask(entry, "log", node=options.node)["files"]
    if not files:
        print(f"{options.node} has written no log so far")
        return 0
    follow = ["-F"] if options.follow else []
    return client.become([*client.entered(entry), "tail", "-n", str(options.lines), *follow, "--", *files])


def _set(options: argparse.Namespace) -> int:
    return _touch(options, "set", values=options.values)


def _outage(options: argparse.Namespace) -> int:
    return _touch(options, "outage", duration=options.duration, hold=options.hold)


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
        print(f"{entry.name} {_since_start(event['at_ns'])}: {event['what']}")
    return 0


def _check(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    checked = client.ask(entry, "check", last=options.last)
    words = {objective["word"] for objective in checked["objectives"]}
    status = 1 if "broken" in words and "invalid" not in words else 0 if words == {"holds"} else 3
    if options.json:
        print(screen.as_json({**checked, "exit_status": status}))
        return status
    console = Console(emoji=False, highlight=False, soft_wrap=True)
    start, end = (f"{t_ns / 1e9:.1f} s" for t_ns in checked["window_ns"])
    console.print(f"{entry.name} from {start} to {end} of its time", markup=False)
    for objective in checked["objectives"]:
        console.print(screen.held(**objective))
    for said in checked["by_hand"]:
        console.print(f"  by hand: {said}", style="dim", markup=False)
    console.print(f"kept in {paths.shown(Path(checked['folder']))}/; no pass of the scenario: run it", markup=False)
    return status


def _save(options: argparse.Namespace) -> int:
    entry = registry.find(options.lab)
    found = client.ask(entry, "save")
    notes = saved.save(options.file, Path(found["scenario"]), entry.name, found["events"], found["lasted_ns"])
    for note in dict.fromkeys([*found["notes"], *notes]):
        print(f"note: {note}", file=sys.stderr)
    count = len(found["events"])
    print(f"{options.file}: {count} event{'s' * (count != 1)}; 'testbed run {options.file} --dry-run' shows them")
    return 0


def _touch(options: argparse.Namespace, what: str, **arguments: Any) -> int:
    entry = registry.find(options.lab)
    did = client.ask(entry, what, link=options.link, direction=options.direction, **arguments)
    print(f"{entry.name} {_since_start(did['t_ns'])}: {did['did']}")
    return 0


def _since_start(t_ns: int) -> str:
    """Return a time since a lab's start for people."""
    return f"at {t_ns / 1e9:.1f} s"


def _down(options: argparse.Namespace) -> int:
    if options.all and options.name:
        raise InputError("testbed lab down", "both a name and --all", "write one of them")
    entries = registry.labs() if options.all else [registry.find(options.name)]
    for entry in entries:
        with suppress(HostError):  # one that does not answer is ended all the same
            client.ask(entry, "down", _SHORT_S)
    for entry in entries:
        if not registry.wait_for_end(entry.name, _DOWN_S):
            screen.aside(f"lab {entry.name} has not ended in {_DOWN_S:g} s; it is killed")
            os.kill(entry.pid, signal.SIGKILL)  # whose lock is held, and so is its number
            registry.wait_for_end(entry.name, _DOWN_S)
        print(f"lab {entry.name} is down; its logs are in {paths.shown(Path(entry.folder))}/")
    registry.labs()  # what was killed is swept
    return 0


def _clock(t_ns: int | None) -> str:
    """Return an instant for people here."""
    if t_ns is None:
        return "–"
    moment = datetime.fromtimestamp(t_ns / 1e9).astimezone()
    return f"{moment:%H:%M:%S}" if moment.date() == datetime.now().date() else f"{moment:%d %b %H:%M}"


def _duration(text: str) -> int:
    try:
        if (duration_ns := parse_duration(text)) > 0:
            return duration_ns
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write {error}") from None
    raise argparse.ArgumentTypeError(f"{text!r}: write some time, such as 30min")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of lines, such as 50")
    return int(text)


def _names() -> Iterable[str]:
    """Yield the labs' names, for the shell to complete."""
    return (entry.name for entry in _known())


def _nodes() -> Iterable[str]:
    """Yield the nodes of the labs that stand."""
    return sorted({node for entry in _known() for node in _ask_for_words(entry)["nodes"]})


def _links() -> Iterable[str]:
    """Yield the links of the labs that stand."""
    return sorted({link for entry in _known() for link in _ask_for_words(entry)["links"]})


def _known() -> list[StandingLab]:
    try:
        return registry.labs()
    except TestbedError:
        return []


def _ask_for_words(entry: StandingLab) -> Values:
    try:
        return client.ask(entry, "state", _SHORT_S)
    except TestbedError:
        return {"nodes": {}, "links": {}}

