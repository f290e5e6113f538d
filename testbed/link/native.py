"""The native back end: linkd, one process for all links, in the namespace that holds their interfaces."""

from __future__ import annotations

import mmap
import os
import select
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from testbed.errors import HostError, RunError
from testbed.link import fidelity
from testbed.link.backend import Change, Counters, DirectionCounters, Event, LinkBackend, LinkSpec, Restore
from testbed.link.layout import BIN, COUNTERS, RUN_STATS, pack, probability
from testbed.model.link import Direction

LINKD = Path(__file__).resolve().parents[2] / "build" / "linkd"
MARK_DSCP = 46
READY_S = 20.0
CLOSE_S = 10.0

Spawn = Callable[[Sequence[str]], "subprocess.Popen[bytes]"]


def spawn_here(argv: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process in this one's own namespaces."""
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL)


class NativeBackend(LinkBackend):
    """Drives linkd through its files and control socket in `folder` (see core/control.h)."""

    def __init__(
        self,
        folder: Path,
        spawn: Spawn = spawn_here,
        *,
        linkd: Path = LINKD,
        mark: int = MARK_DSCP,
        spin: str = "auto",
    ) -> None:
        """`mark` is the DSCP counted as marked_out; `spin` is auto, never, near or always: how linkd
        waits while packets are inside (see core/engine.h)."""
        self._folder, self._spawn, self._linkd, self._mark, self._spin = folder, spawn, linkd, mark, spin
        self._names: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def records(self) -> Path:
        """Return where the 10 ms records are, for `read_bins`."""
        return self._folder / "links.bins"

    @property
    def running(self) -> bool:
        """Whether linkd is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Return linkd's process id, for those who measure its memory and CPU."""
        return self._process.pid if self._process else None

    def open(self, links: Sequence[LinkSpec]) -> None:
        """Load the schedules, start linkd, and wait until it forwards."""
        if not self._linkd.exists():
            raise HostError(f"{self._linkd} is not built; 'make -C testbed/link/core' builds it")
        self._names = [link.name for link in links]
        _write_setup(self._folder, links, self._mark, self._spin)
        self._process = _start(self._folder, [str(self._linkd), str(self._folder)], self._spawn)
        self._socket = _connect(self._folder / "linkd.sock")
        self._statistics = _map_statistics(self._socket)

    def start(self, at_ns: int) -> None:
        """Play all schedules from this instant of CLOCK_REALTIME."""
        self._ask(f"start {at_ns}")

    def inject(self, name: str, direction: Direction | None, event: Event) -> None:
        """Change a live link; raises RunError for a link or a value that linkd does not take."""
        for field, value, for_ns in _fields(event):
            self._ask(f"change {name} {direction or 'both'} {field} {value} {for_ns}")

    def read(self) -> Counters:
        """Return the live counters; reads shared memory, never disturbs the packets."""
        _, lanes = _statistics(self._statistics)
        keys = [(name, direction) for name in self._names for direction in Direction]
        return {key: DirectionCounters.of(lane) for key, lane in zip(keys, lanes, strict=True)}

    def close(self) -> fidelity.Fidelity:
        """Stop linkd and certify; a linkd that died is a fault in the certificate, not an exception."""
        faults = []
        if self._process is None:
            raise RunError("the links were never opened")
        died = self._process.poll()
        if died is None:
            self._socket.send(b"stop")
            died = _wait(self._process)
        if died != 0:
            faults.append(f"linkd ended with status {died}: {_log(self._folder)}")
        self._socket.close()
        run, lanes = _statistics(self._statistics)
        return fidelity.certify("native", self._names, run, lanes, faults)

    def _ask(self, message: str) -> None:
        try:
            self._socket.send(message.encode())
            answer = self._socket.recv(512).decode()
        except OSError as error:
            raise RunError(f"linkd is gone ({error}): {_log(self._folder)}") from error
        if answer != "ok":
            raise RunError(f"linkd refused {message!r}: {answer or _log(self._folder)}")


def _write_setup(folder: Path, links: Sequence[LinkSpec], mark: int, spin: str) -> None:
    lines = [f"mark {mark}", f"spin {spin}"]
    for i, link in enumerate(links):
        files = []
        for direction in Direction:
            files.append(f"{i}.{direction}.schedule")
            pack(link.schedule(direction), link.impairments(direction)).tofile(folder / files[-1])
        ends = f"{link.hub_interface} {link.net_interface}"
        lines.append(f"link {link.name} {ends} {link.seed % 2**64} {' '.join(files)}")
    (folder / "linkd.conf").write_text("\n".join(lines) + "\n")


def _start(folder: Path, argv: Sequence[str], spawn: Spawn) -> subprocess.Popen[bytes]:
    """Start linkd and wait until it says that it is ready, or has died."""
    pipe = folder / "linkd.ready"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    ready = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        process = spawn(argv)
        death = os.pidfd_open(process.pid)
        try:
            select.select([ready, death], [], [], READY_S)
            said = os.read(ready, 16)
        except BlockingIOError:
            said = b""
        finally:
            os.close(death)
    finally:
        os.close(ready)
        pipe.unlink()
    if said != b"ready\n":
        process.kill()
        raise RunError(f"linkd did not start (status {process.wait()}): {_log(folder)}")
    return process


def _connect(path: Path) -> socket.socket:
    """Connect through the folder's descriptor: a socket's own path may have 107 bytes only."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(CLOSE_S)
    try:
        client.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError as error:
        client.close()
        raise RunError(f"{path}: {error.strerror}; is a linkd running there?") from error
    finally:
        os.close(folder)
    return client


def _map_statistics(client: socket.socket) -> mmap.mmap:
    client.send(b"stats")
    _, descriptors, _, _ = socket.recv_fds(client, 16, 1)
    try:
        return mmap.mmap(descriptors[0], 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptors[0])


def _statistics(memory: mmap.mmap) -> tuple[np.void, np.ndarray[tuple[int], np.dtype[np.void]]]:
    data = bytes(memory)
    run = np.frombuffer(data, RUN_STATS, 1)[0]
    return run, np.frombuffer(data, COUNTERS, offset=RUN_STATS.itemsize)


def _fields(event: Event) -> list[tuple[str, int, int]]:
    """Return an event as linkd's fields: name, value, duration (0: the schedule's again, -1: for good)."""
    if isinstance(event, Restore):
        return [(field, 0, 0) for field in ("delay", "rate", "loss", "state")]
    for_ns = -1 if event.for_ns is None else event.for_ns
    loss = None if event.loss is None else probability(event.loss)
    values = (("delay", event.delay_ns), ("rate", event.rate_bps), ("loss", loss), ("state", event.state))
    return [(name, int(value), for_ns) for name, value in values if value is not None]


def _wait(process: subprocess.Popen[bytes]) -> int:
    try:
        return process.wait(CLOSE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _log(folder: Path) -> str:
    log = folder / "linkd.log"
    return log.read_text().strip() if log.exists() else "it wrote no log"


def read_bins(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """Return linkd's 10 ms records as a table; without `names`, those in the linkd.conf beside the file.

    Columns: t_ns (since the start), link, direction, then the counters of layout.BIN. A record that a
    kill cut short is left out.
    """
    if names is None:
        setup = (path.parent / "linkd.conf").read_text().splitlines()
        names = [line.split()[1] for line in setup if line.startswith("link ")]
    data = path.read_bytes()
    return bins_table(np.frombuffer(data[: len(data) // BIN.itemsize * BIN.itemsize], BIN), names)


def bins_table(bins: np.ndarray[tuple[int], np.dtype[np.void]], names: Sequence[str]) -> pa.Table:
    """Return records of dtype layout.BIN as a table, in order of time, link and direction."""
    bins = bins[np.lexsort((bins["direction"], bins["link"], bins["t_ns"]))]
    columns: dict[str, pa.Array] = {"t_ns": pa.array(bins["t_ns"])}
    for column, words in (("link", list(names)), ("direction", [str(d) for d in Direction])):
        index = pa.array(bins[column].astype(np.int32))
        columns[column] = pa.DictionaryArray.from_arrays(index, pa.array(words, pa.string())).cast(pa.string())
    for name in BIN.names or ():
        if name not in ("t_ns", "link", "direction", "unused"):
            columns[name] = pa.array(bins[name])
    return pa.table(columns)
