"""The native back end: linkd, one process for all links, in the namespace that holds their interfaces."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path

from testbed.errors import HostError, RunError
from testbed.link import fidelity, light_plan
from testbed.link.backend import Counters, DirectionCounters, LinkBackend, LinkEvent, LinkSpec
from testbed.link.control import TIMEOUT_S, Control, log_of
from testbed.link.layout import pack
from testbed.link.light_plan import LightPlan, Tallies
from testbed.link.records import read_bins as read_bins
from testbed.model.cell import Cell
from testbed.model.link import Direction


class Spin(StrEnum):
    """What the engine does before a departure: AUTO as the host lets it, NEAR it, or NEVER, where timers are exact."""

    AUTO = "auto"
    NEAR = "near"
    NEVER = "never"


LINKD = Path(__file__).resolve().parents[2] / "build" / "linkd"
MARK_DSCP, NEW_MARK_DSCP = 46, 44
"""Expedited forwarding (RFC 3246): the mark of a run's heartbeat."""
READY_S = 60.0

Spawn = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]


def spawn_here(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process in this one's own namespaces."""
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL)


class NativeBackend(LinkBackend):
    """Drives linkd through its files and control socket in `folder`, which may be empty or not exist.

    linkd ends with the thread that spawned it. A subclass may have another program with linkd's files,
    messages and evidence.
    """

    kind = "native"
    ready_s = READY_S

    def __init__(
        self,
        folder: Path,
        spawn: Spawn = spawn_here,
        *,
        linkd: Path = LINKD,
        mark_lengths: tuple[int, int] = (0, 0),
        spin: Spin = Spin.AUTO,
        xdp: bool = True,
        cells: Sequence[Cell] = (),
        fleet: LightPlan | None = None,
    ) -> None:
        """Packets with MARK_DSCP count as marked_out, those with NEW_MARK_DSCP as marked_new_out; so do frames of
        the two `mark_lengths` in bytes where they are not 0.

        With real-time priority linkd sleeps until just before a departure. Where that is refused, it
        spins while packets are inside, if `spin` is AUTO and so lets it have a core. Without `xdp` it sends by
        AF_PACKET where it could by AF_XDP. `cells` are what specs may name; a `fleet` has cells of its own in
        their place, and light hubs that use them.
        """
        self._fleet = fleet or (light_plan.plan((), {cell.name: cell for cell in cells}, (), duration_ns=0))
        self._folder, self._spawn, self._linkd, self._spin = folder, spawn, linkd, spin
        self._mark_lengths = mark_lengths
        self._xdp = xdp
        self._names: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Control | None = None
        self._certificate: fidelity.Certificate | None = None

    @property
    def records(self) -> Path:
        """Return where the 10 ms records are, for `read_bins`."""
        return self._folder / "links.bins"

    @property
    def pid(self) -> int | None:
        """Return linkd's process id, for those who measure its memory and CPU; None before `open`."""
        return self._process.pid if self._process else None

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        """Return linkd, for those who watch that it lives; None before `open`."""
        return self._process

    def last_words(self) -> str:
        """Return what linkd had to say."""
        return log_of(self._folder)

    def ended(self, timeout_s: float) -> bool:
        """Wait up to this long for linkd to end by itself, which it should not."""
        try:
            return self._process is None or self._process.wait(timeout_s) is not None
        except subprocess.TimeoutExpired:
            return False

    def open(self, links: Sequence[LinkSpec]) -> None:
        """Load the schedules, start linkd, and wait until it forwards."""
        command = self._command()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._names = [link.name for link in links]
        _write_setup(self._folder, links, [*self._marks(), f"xdp {self._xdp:d}"], self._spin)
        _write_fleet(self._folder, links, self._fleet)
        self._process = _start(self._folder, command, self._spawn, self.ready_s)
        self._control = Control(self._folder, fleet=bool(self._fleet.stations))

    def start(self, at_ns: int) -> None:
        """Play all schedules from this instant of CLOCK_REALTIME."""
        self._linkd_control().start(at_ns)

    def inject(self, name: str, direction: Direction | None, event: LinkEvent) -> None:
        """Change a live link; raises RunError for a link or a value that linkd does not take."""
        self._linkd_control().inject(name, direction, event)

    def read(self) -> Counters:
        """Return the live counters; reads shared memory, never disturbs the packets."""
        _, lanes = self._linkd_control().statistics()
        keys = [(name, direction) for name in self._names for direction in Direction]
        return {key: DirectionCounters.of(lane) for key, lane in zip(keys, lanes, strict=True)}

    def tallies(self) -> Tallies:
        """Return what became of the light hubs so far."""
        return self._fleet.tallies(self._linkd_control().fleet_evidence())

    def certificate_so_far(self) -> fidelity.Certificate:
        """Return what the certificate would be now, without ending anything."""
        run, lanes = self._linkd_control().statistics()
        return fidelity.certify(self.kind, self._names, run, lanes, (), self.capabilities.missing)

    def close(self) -> fidelity.Certificate:
        """Stop linkd and certify; a linkd that died is a fault in the certificate, not an exception.

        Closed again, it returns the same certificate.
        """
        if self._certificate is None:
            self._certificate = self._end()
        return self._certificate

    def _end(self) -> fidelity.Certificate:
        if self._process is None or self._control is None:
            return fidelity.Certificate(self.kind, (), faults=("the links were never opened",))
        faults = []
        status = self._process.poll()
        if status is None:
            self._control.stop()
            status = _wait(self._process)
        if status != 0:
            faults.append(f"linkd ended with status {status}: {log_of(self._folder)}")
        self._control.close()
        run, lanes = self._control.statistics()
        return fidelity.certify(self.kind, self._names, run, lanes, faults, self.capabilities.missing)

    def _command(self) -> list[str]:
        if not self._linkd.exists():
            raise HostError(f"{self._linkd} is not built; 'make -C testbed/link/core' builds it")
        return [str(self._linkd), str(self._folder)]

    def _marks(self) -> list[str]:
        first, second = self._mark_lengths
        return [f"mark {MARK_DSCP} {NEW_MARK_DSCP}", f"mark_length {first} {second}"]

    def _linkd_control(self) -> Control:
        if self._control is None:
            raise RunError("the links are not open")
        return self._control


def _write_setup(folder: Path, links: Sequence[LinkSpec], settings: Sequence[str], spin: Spin) -> None:
    lines = [*settings, f"spin {spin}"]
    for i, link in enumerate(links):
        files = []
        for direction in Direction:
            files.append(f"{i}.{direction}.schedule")
            pack(link.schedule(direction), link.impairments(direction)).tofile(folder / files[-1])
        ends = f"{link.hub_interface} {link.net_interface}"
        lines.append(f"link {link.name} {ends} {link.seed % 2**64} {' '.join(files)}")
    (folder / "linkd.conf").write_text("\n".join(lines) + "\n")


def _write_fleet(folder: Path, links: Sequence[LinkSpec], fleet: LightPlan) -> None:
    """Write the plan of cells and light hubs, and which links share which cell. Raises RunError for an unknown one."""
    if not fleet.stations:
        return
    fleet.block.tofile(folder / "fleet.plan")
    lines = ["fleet fleet.plan"]
    for link in links:
        for direction, cell in ((Direction.UP, link.up_cell), (Direction.DOWN, link.down_cell)):
            if cell and cell not in fleet.stations:
                raise RunError(f"no cell {cell!r}; there are: {', '.join(fleet.stations)}")
            lines += [f"share {link.name} {direction} {fleet.stations.index(cell)}"] if cell else []
    with (folder / "linkd.conf").open("a") as setup:
        setup.writelines(line + "\n" for line in lines)


def _start(folder: Path, argv: Sequence[str], spawn: Spawn, ready_s: float) -> subprocess.Popen[bytes]:
    """Start linkd and wait until it says that it is ready, or has died."""
    pipe = folder / "linkd.ready"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    ready = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        process = spawn(argv)
        said = _first_words(process, ready, ready_s)
    finally:
        os.close(ready)
        pipe.unlink()
    if said != b"ready\n":
        process.kill()
        raise RunError(f"linkd did not start (status {process.wait()}): {log_of(folder)}")
    return process


def _first_words(process: subprocess.Popen[bytes], ready: int, ready_s: float) -> bytes:
    death = os.pidfd_open(process.pid)
    try:
        select.select([ready, death], [], [], ready_s)
        return os.read(ready, 16)
    except BlockingIOError:
        return b""
    finally:
        os.close(death)


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
