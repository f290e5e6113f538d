"""The seam of faults that are no link's: an actor makes one event happen in the lab, and takes it back."""

from __future__ import annotations

import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from testbed.errors import RunError
from testbed.lab.lines import LineLog
from testbed.lab.parts import Part, last_line
from testbed.model.event import Event
from testbed.model.topology import Topology, WireEnd
from testbed.model.uplink import Mtu
from testbed.tenant.backend import Endpoint, NewContent

if TYPE_CHECKING:
    from testbed.lab.devices import DeviceAccess
    from testbed.lab.network import Network

TABLE = "testbed_fault"
"""What the nftables tables are called that hold faults, with the actor's number; to delete one is to undo its fault."""
READY_S = 60.0


@dataclass(frozen=True)
class FaultSite:
    """Where faults are applied: the built network and the tenant's endpoint; ``logs`` is for stand-ins.

    ``mtus`` is what the path of an uplink takes when nothing is wrong, where that is not what Ethernet does.
    ``revise()`` makes the next version of the tenant's content ready; None where nobody can.
    """

    network: Network
    endpoint: Endpoint
    logs: Path
    mtus: Mapping[str, Mtu] = field(default_factory=dict)
    revise: Callable[[], NewContent] | None = None

    @property
    def topology(self) -> Topology:
        return self.network.topology

    @property
    def devices(self) -> Mapping[str, DeviceAccess]:
        return self.network.devices

    @property
    def tenant(self) -> DeviceAccess:
        return self.devices[self.topology.tenant.name]


class Actor(ABC):
    """One event's fault. ``open`` before the scenario, ``apply`` and ``undo`` at their instants, ``close`` last."""

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        """``number`` is the actor's own among those of a run: its stand-ins open on ports of their own."""
        self.event, self.site, self.number = event, site, number
        self.stand_ins: Sequence[StandIn] = ()

    @property
    def apply_ns(self) -> int:
        """When ``apply`` is due, in ns since the run's start."""
        return self.event.at

    @property
    def undo_ns(self) -> int:
        """When ``undo`` is due, in ns since the run's start."""
        return self.event.end_ns

    @property
    def cpe_port(self) -> WireEnd:
        """The port of the uplink's CPE towards the hub. Raises RunError where there is none."""
        port = self.site.topology.cpe_port(self.event.uplink)
        if port is None:
            raise RunError(f"{self.event.title}: the hub's port is wired to nothing")
        return port

    def open(self) -> None:
        """Start what the fault will need, so that ``apply`` is quick. Raises RunError."""
        for stand_in in self.stand_ins:
            stand_in.open()

    @abstractmethod
    def apply(self) -> None:
        """Make the fault happen; it has when this returns. Raises RunError."""

    @abstractmethod
    def undo(self) -> None:
        """Take the fault back; it is over when this returns. Raises RunError."""

    def parts(self) -> Iterator[Part]:
        """Yield the stand-ins that must live; ``close`` strikes them off."""
        for stand_in in self.stand_ins:
            if (process := stand_in.process) is not None:
                name = f"the stand-in of {self.event.title}"
                yield Part(name, process, partial(last_line, stand_in.log))

    def close(self) -> None:
        """End what ``open`` started."""
        for stand_in in self.stand_ins:
            stand_in.close()

    def run(self, device: DeviceAccess, *command: str) -> None:
        """Run a command on a device. Raises RunError with what it said."""
        done = device.run(command)
        if done.returncode != 0:
            raise RunError(
                f"{device.name}: {self.event.title} failed: {(done.stderr or done.stdout).strip()}"
            )

    def divert(self, device: DeviceAccess, *chains: str) -> None:
        """Give a device's firewall the table of this fault: all of its chains at once. Raises RunError."""
        rules = "\n".join(f"chain fault{number} {{ {chain} }}" for number, chain in enumerate(chains))
        self.run(device, "nft", f"table inet {self._table} {{\n{rules}\n}}")

    def restore(self, device: DeviceAccess) -> None:
        """Take the table of this fault away. Raises RunError."""
        self.run(device, "nft", f"delete table inet {self._table}")

    @property
    def _table(self) -> str:
        return f"{TABLE}_{self.number}"


class StandIn:
    """A small server that answers in place of a failed one; a module of this package, on a device."""

    def __init__(self, device: DeviceAccess, module: str, arguments: Sequence[str], log: Path) -> None:
        self._device, self._module, self._arguments, self.log = device, module, arguments, log
        self.process: subprocess.Popen[str] | None = None

    def open(self) -> None:
        """Start it and wait until it listens. Raises RunError with its last words."""
        self.process = self._device.popen_module(
            self._module, *self._arguments, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        stream = cast(IO[str], self.process.stdout)
        lines = LineLog(stream, self.log, time.time_ns, lambda _now, _line: None, awaited="ready")
        if not lines.came(READY_S):
            said = self.log.read_text(encoding="utf-8").strip().splitlines()
            raise RunError(
                f"{self._device.name}: {self._module} did not start: {said[-1] if said else 'no word'}"
            )

    def close(self) -> None:
        """End it, and with it its connections."""
        process, self.process = self.process, None  # struck off before it ends
        if process is not None:
            process.kill()
            process.wait(timeout=60)
