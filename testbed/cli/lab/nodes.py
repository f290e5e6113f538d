"""``testbed lab exec``, ``shell`` and ``log``: a lab's nodes from within."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from testbed.cli.lab import common
from testbed.cli.lab.common import Commands
from testbed.errors import InputError
from testbed.standing import client, registry


def add_parsers(actions: Commands[argparse.ArgumentParser]) -> None:
    """Add what looks into a node."""
    run = common.add(actions, "exec", _exec, "run a command on a node; its exit status is the command's")
    common.add_node(run)
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="CMD", help="the command and its arguments")
    common.add_node(common.add(actions, "shell", _shell, "a shell on a node"))
    log = common.add(actions, "log", _log, "what a node's programs have written")
    common.add_node(log)
    log.add_argument("-f", "--follow", action="store_true", help="go on as they write more; end with Ctrl-C")
    log.add_argument("-n", "--lines", type=_count, default=50, metavar="N", help="of each file's end (default: 50)")


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


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: write a number of lines, such as 50")
    return int(text)
