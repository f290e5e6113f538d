"""Record a lab's own uplink: irtt or ping, and the dish's status, on this host's clock.

The folder then holds what was said, line by line as it came, brought to the disk each second: a crash loses at
most the last second. `testbed trace import` reads irtt.txt, ping.txt and dish.txt; `trace join` makes one trace
of them. Where no dish answers the recording is made without. irtt leaves irtt.json.gz too where it ended in order:
the direction of losses, and each nanosecond. ping needs no far end of its own; it is bound to the interface, irtt to
its address.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from testbed.errors import HostError, InputError
from testbed.lab.lines import LineLog
from testbed.units import format_duration

_FASTEST_NS = 2 * 10**6
_DAY_NS = 24 * 3600 * 10**9
_SIOCGIFADDR = 0x8915  # linux/sockios.h
PROBERS = ("irtt", "ping")


@dataclass(frozen=True)
class Order:
    """What to record: from which interface, to whom, how often, how long, which dish, into which folder.

    ``prober`` is one of PROBERS; without, irtt where the far end answers it, else ping.
    """

    uplink: str
    to: str
    interval_ns: int
    duration_ns: int | None
    dish: str | None
    folder: Path
    prober: str | None = None


def record(order: Order, say: Callable[[str], None]) -> int:
    """Record until the time is over or Ctrl-C; return 0, or 3 where the prober failed.

    Raises InputError for an interface that does not exist, HostError for a tool that does not.
    """
    _check(order)
    prober = order.prober or ("irtt" if irtt_answers(order) else "ping")
    file, dish = order.folder / f"{prober}.txt", order.folder / "dish.txt"
    order.folder.mkdir(parents=True, exist_ok=True)
    every = format_duration(order.interval_ns)
    say(f"recording {order.uplink} to {order.to} every {every} with {prober}; Ctrl-C ends it")
    with ExitStack() as running:
        command = irtt_command(order) if prober == "irtt" else ping_command(order)
        stamped, grace_s = (
            (True, 300) if prober == "irtt" else (False, 2)
        )  # irtt writes its document at the end
        tools = [running.enter_context(_Tool(command, file, stamped=stamped, grace_s=grace_s))]
        if order.dish:
            tools.append(running.enter_context(_Tool(dish_command(order.dish), dish, stderr=None)))
        with suppress(KeyboardInterrupt):
            while tools[0].process.poll() is None:
                for tool in tools:
                    tool.sync()
                with suppress(subprocess.TimeoutExpired):
                    tools[0].process.wait(1)
    found = [_best(file)]
    if order.dish and dish.stat().st_size:
        found.append(dish)
    elif order.dish:
        dish.unlink()
        say(f"no dish answered at {order.dish}: recorded without it")
    say(f"wrote {order.folder}; next: testbed trace import {' '.join(map(str, found))}")
    unanswered = 1 if prober == "ping" else 0  # what ping says of a far end that never answered
    return 0 if tools[0].process.returncode in (0, unanswered) else 3


def _check(order: Order) -> None:
    if order.interval_ns < _FASTEST_NS:
        found = f"every {format_duration(order.interval_ns)}"
        raise InputError("--interval", found, f"write {format_duration(_FASTEST_NS)} or more")
    interfaces = sorted(name for _, name in socket.if_nameindex())  # of this network namespace
    if order.uplink not in interfaces:
        raise InputError("--uplink", f"no interface {order.uplink!r}", f"there are {', '.join(interfaces)}")
    if any((order.folder / f"{prober}.txt").exists() for prober in PROBERS):
        raise InputError(str(order.folder), "holds a recording already", "name another folder")
    tool = order.prober or "ping"
    if shutil.which(tool) is None:
        raise HostError(f"{tool} is not installed; 'testbed doctor' says what to install")


def _best(lines: Path) -> Path:
    document = lines.with_suffix(".json.gz")
    return document if document.exists() and document.stat().st_size else lines


def irtt_answers(order: Order) -> bool:
    """Say whether irtt is installed and the far end answers it from the uplink's address."""
    if shutil.which("irtt") is None:
        return False
    command = ["irtt", "client", "-Q", "-n", "-4", *_local(order.uplink), "--timeouts=1s,1s", order.to]
    return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def irtt_command(order: Order) -> list[str]:
    """Return the irtt that records, from the uplink's address; a day where no duration is given."""
    duration_ns = _DAY_NS if order.duration_ns is None else order.duration_ns
    options = ["-4", "-i", f"{order.interval_ns}ns", "-d", f"{duration_ns}ns", *_local(order.uplink)]
    return ["irtt", "client", *options, "-o", str(order.folder / "irtt.json.gz"), order.to]


def _local(interface: str) -> list[str]:
    """Return irtt's option to send from an interface's first IPv4 address; none where it has none."""
    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
        answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
        return [f"--local={socket.inet_ntoa(answer[20:24])}"]
    return []


def ping_command(order: Order) -> list[str]:
    """Return the ping that records: -D for receive times, -O so that a loss shows at once."""
    command = ["ping", "-D", "-O", "-n", "-I", order.uplink, "-i", f"{order.interval_ns / 1e9:g}"]
    if order.duration_ns is not None:
        command += ["-w", f"{max(1, -(-order.duration_ns // 10**9))}"]
    return [*command, order.to]


def dish_command(address: str) -> list[str]:
    """Return the program that asks the dish at ``address``; it has a process of its own, as the prober has."""
    return [sys.executable, "-m", "testbed.traces.dish", address]


class _Tool:
    """A tool whose output goes to a file; it ends with the recording."""

    def __init__(
        self,
        command: list[str],
        path: Path,
        *,
        stamped: bool = False,
        grace_s: float = 2,
        stderr: int | None = subprocess.STDOUT,
    ) -> None:
        self._grace_s = grace_s
        self._file = path.open("ab", buffering=0)
        self.process = subprocess.Popen(  # line-buffered, so that a line comes when it was said
            ["stdbuf", "-oL", *command],
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            text=True,
        )
        # Whole lines only, and a pipe whose end ends the tool: neither half a line nor an orphan is left by a kill.
        stream = cast(IO[str], self.process.stdout)
        self._lines = LineLog(stream, path, time.time_ns, lambda *_: None, stamped=stamped)

    def sync(self) -> None:
        """Have the disk hold what was said so far."""
        os.fdatasync(self._file.fileno())

    def __enter__(self) -> _Tool:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(self._grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._lines.join(2)
        self.sync()
        self._file.close()
