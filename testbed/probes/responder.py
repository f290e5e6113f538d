"""What answers a heartbeat: irtt's server in the tenant, and an anchor at each end.

See core/anchor.c for why: without it a hub's change of uplink, or one ICMP error, ends the measurement.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from testbed.errors import HostError, RunError
from testbed.lab.lines import LineLog
from testbed.lab.parts import Part, last_line
from testbed.paths import BUILD

if TYPE_CHECKING:
    from testbed.lab.devices import DeviceAccess
    from testbed.probes.probe import Site

ANCHOR = BUILD / "anchor"
FIRST_PORT = 2112
DSCP_EF = 46
"""Expedited forwarding (RFC 3246): the mark by which the links' counters tell a heartbeat."""
READY_S = 60.0
PRIORITY = ("nice", "-n", "-15")
"""Runs a command before the ordinary processes of the host. Real-time priority would be more exact still, but a Go
program such as irtt spins while its threads wait for each other, and with that priority it can hold a processor
for good: seen for ten minutes on a machine of two."""


@dataclass(frozen=True)
class Move:
    """The far end saw the client's address change; times in CLOCK_REALTIME ns."""

    at_ns: int
    seq: int
    old: str
    new: str


def promptly(command: Sequence[str]) -> list[str]:
    """Return the command with a priority above ordinary processes; ``nice`` runs it as it is where it may not."""
    return [*PRIORITY, *command]


def read_moves(log: Path) -> Iterator[Move]:
    """Yield the changes of address from an anchor's log."""
    for line in log.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if "moved" in words:
            facts = dict(word.split("=", 1) for word in words if "=" in word)
            yield Move(int(words[0]), int(facts["seq"]), facts["from"], facts["to"])


class Responder:
    """The three processes of one heartbeat beside its client; ``target`` is where irtt's client sends."""

    def __init__(self, site: Site, name: str) -> None:
        self._site, self._name = site, name
        self._port = FIRST_PORT + site.index
        self._processes: dict[str, tuple[subprocess.Popen[str], LineLog]] = {}
        self.target = f"127.0.0.1:{self._port}"

    def open(self) -> None:
        """Begin to start the processes. Raises HostError."""
        if not ANCHOR.is_file():
            raise HostError(f"{ANCHOR} is not built; run 'make build'")
        address = self._site.tenant_address
        public = f"[{address}]:{self._port}" if ":" in address else f"{address}:{self._port}"
        # No limits: a session lives through any silence, and no packet is "too early" after a pause.
        server = ["irtt", "server", "-b", self.target, "-i", "0", "-d", "0", "--timeout=0"]
        self._start("server", self._site.tenant, server, "ListenerStart")
        self._start("anchor", self._site.tenant, _anchor(public, self.target), "ready")
        self._start("client-anchor", self._site.client, _anchor(self.target, public), "ready")

    def ready(self) -> None:
        """Return when all processes listen. Raises RunError."""
        for what, (_, lines) in self._processes.items():
            if not lines.came(READY_S):
                said = self._log(what).read_text(encoding="utf-8").strip()
                raise RunError(f"{self._name}: its {what} did not start: {said or 'it said nothing'}")

    def parts(self) -> Iterator[Part]:
        """Yield the processes, which must live."""
        for what, (process, _) in self._processes.items():
            yield Part(
                f"the {what} of {self._name}", process, partial(last_line, self._log(what)), self._name
            )

    def close(self) -> None:
        """End the processes."""
        for process, _ in self._processes.values():
            process.kill()
            process.wait(timeout=60)
        self._processes.clear()

    def _start(self, what: str, device: DeviceAccess, command: Sequence[str], awaited: str) -> None:
        process = device.popen(
            promptly(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        )
        stream = cast(IO[str], process.stdout)
        lines = LineLog(stream, self._log(what), self._site.clock, lambda _now, _line: None, awaited=awaited)
        self._processes[what] = (process, lines)

    def _log(self, what: str) -> Path:
        return self._site.logs / f"{self._name}-{what}.log"


def _anchor(listen: str, to: str) -> list[str]:
    return [str(ANCHOR), "--listen", listen, "--to", to, "--dscp", str(DSCP_EF)]
