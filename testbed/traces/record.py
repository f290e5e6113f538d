"""Record a lab's own uplink: ping bound to an interface, and the dish's status, on this host's clock.

The folder then holds what the tools said, line by line as it came, brought to the disk each second: a crash
loses at most the last second. `testbed trace import` reads ping.txt and dish.txt; `trace join` makes one
trace of them. ping needs no far end of its own and runs everywhere; its limits are named by `trace lint`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.errors import HostError, InputError
from testbed.units import format_duration

_FASTEST_NS = 2 * 10**6
_STATUS = "SpaceX.API.Device.Device/Handle"


@dataclass(frozen=True)
class Order:
    """What to record: from which interface, to whom, how often, how long, which dish, into which folder."""

    uplink: str
    to: str
    interval_ns: int
    duration_ns: int | None
    dish: str | None
    folder: Path


def record(order: Order, say: Callable[[str], None]) -> int:
    """Record until the time is over or Ctrl-C; return the exit status of ping.

    Raises InputError for an interface that does not exist, HostError for a tool that does not.
    """
    _check(order)
    order.folder.mkdir(parents=True, exist_ok=True)
    say(f"recording {order.uplink} to {order.to} every {format_duration(order.interval_ns)}; Ctrl-C ends it")
    with ExitStack() as running:
        tools = [running.enter_context(_Tool(ping_command(order), order.folder / "ping.txt"))]
        if order.dish:
            tools.append(running.enter_context(_Tool(dish_command(order), order.folder / "dish.txt")))
        with suppress(KeyboardInterrupt):
            while tools[0].process.poll() is None:
                for tool in tools:
                    tool.sync()
                with suppress(subprocess.TimeoutExpired):
                    tools[0].process.wait(1)
    say(f"wrote {order.folder}; next: testbed trace import {order.folder / 'ping.txt'}")
    return 0 if (tools[0].process.returncode or 0) in (0, 1) else 3


def _check(order: Order) -> None:
    if order.interval_ns < _FASTEST_NS:
        found = f"every {format_duration(order.interval_ns)}"
        raise InputError("--interval", found, f"write {format_duration(_FASTEST_NS)} or more")
    interfaces = sorted(name for _, name in socket.if_nameindex())  # of this network namespace
    if order.uplink not in interfaces:
        raise InputError("--uplink", f"no interface {order.uplink!r}", f"there are {', '.join(interfaces)}")
    if (order.folder / "ping.txt").exists():
        raise InputError(str(order.folder), "holds a recording already", "name another folder")
    for tool in ("ping", "grpcurl") if order.dish else ("ping",):
        if shutil.which(tool) is None:
            raise HostError(f"{tool} is not installed; 'testbed doctor' says what to install")


def ping_command(order: Order) -> list[str]:
    """Return the ping that records: -D for receive times, -O so that a loss shows at once."""
    command = ["ping", "-D", "-O", "-n", "-I", order.uplink, "-i", f"{order.interval_ns / 1e9:g}"]
    if order.duration_ns is not None:
        command += ["-w", f"{max(1, -(-order.duration_ns // 10**9))}"]
    return [*command, order.to]


def dish_command(order: Order) -> list[str]:
    """Return the shell loop that asks the dish twice a second and puts the times of both ends in front."""
    ask = f"grpcurl -plaintext -max-time 1 -d '{{\"get_status\":{{}}}}' {order.dish} {_STATUS}"
    stamp = "date +%Y-%m-%dT%H:%M:%S.%6N%:z"
    told = f'echo "req: $q | res: $({stamp}) | data: $d"'
    return ["sh", "-c", f'while :; do q=$({stamp}); d=$({ask} | tr -d "\\n") && {told}; sleep 0.5; done']


class _Tool:
    """A tool whose output goes to a file; it ends with the recording."""

    def __init__(self, command: list[str], path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self.process = subprocess.Popen(  # line-buffered, so that the file has what was said
            ["stdbuf", "-oL", *command], stdout=self._file, stderr=subprocess.STDOUT, start_new_session=True
        )

    def sync(self) -> None:
        """Have the disk hold what was said so far."""
        os.fdatasync(self._file.fileno())

    def __enter__(self) -> _Tool:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.sync()
        self._file.close()
