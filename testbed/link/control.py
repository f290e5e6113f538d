"""A connection to a running linkd: its control socket and its live statistics (core/control.h)."""

from __future__ import annotations

import mmap
import os
import socket
from contextlib import suppress
from pathlib import Path

import numpy as np

from testbed.errors import RunError
from testbed.link.backend import LinkEvent, Restore
from testbed.link.layout import COUNTERS, RUN_STATS, STATS_MAGIC, probability
from testbed.link.records import Records
from testbed.model.link import Direction

TIMEOUT_S = 60.0
_FIELDS = ("delay", "rate", "loss", "state")


class Control:
    """Talks to the linkd of a folder. Raises RunError where none runs there, or it refuses something."""

    def __init__(self, folder: Path, *, fleet: bool = False) -> None:
        """``fleet``: it has cells, or light hubs, whose evidence is to be had."""
        self._folder = folder
        self._socket = _connect(folder / "linkd.sock")
        self._memory = self._map_statistics()
        self._fleet_memory = self._map("fleet") if fleet else None

    def start(self, at_ns: int) -> None:
        """Play all schedules from this instant of CLOCK_REALTIME."""
        self._ask(f"start {at_ns}")

    def inject(self, name: str, direction: Direction | None, event: LinkEvent) -> None:
        """Change a live link, or all of them (`*`)."""
        for field, value, for_ns in _orders(event):
            self._ask(f"change {name} {direction or 'both'} {field} {value} {for_ns}")

    def statistics(self) -> tuple[np.void, Records]:
        """Return the run's statistics and each lane's, dtypes layout.RUN_STATS and layout.COUNTERS.

        They are shared memory: reading disturbs no packet, and works after linkd has died.
        """
        data = bytes(self._memory)
        run: np.void = np.frombuffer(data, RUN_STATS, 1)[0]
        return run, np.frombuffer(data, COUNTERS, offset=RUN_STATS.itemsize)

    def stop(self) -> None:
        """Tell linkd to end; one that has just died has nothing to be told."""
        with suppress(OSError):
            self._socket.send(b"stop")

    def close(self) -> None:
        """Hang up; the statistics stay readable."""
        self._socket.close()

    def _ask(self, message: str) -> None:
        try:
            self._socket.send(message.encode())
            answer = self._socket.recv(512).decode()
        except OSError as error:
            raise RunError(f"linkd is gone ({error}): {log_of(self._folder)}") from error
        if answer != "ok":
            raise RunError(f"linkd refused {message!r}: {answer or log_of(self._folder)}")

    def fleet_evidence(self) -> bytes:
        """Return what the light hubs have left so far (fleet.h)."""
        return bytes(self._fleet_memory or b"")

    def _map_statistics(self) -> mmap.mmap:
        memory = self._map("stats")
        if not memory[:8].startswith(STATS_MAGIC):
            raise RunError(
                f"the link engine counts as another version does ({memory[:7]!r}); run 'make build'"
            )
        return memory

    def _map(self, message: str) -> mmap.mmap:
        """Ask for memory that linkd shares, and map it."""
        try:
            self._socket.send(message.encode())
            answer, descriptors, _, _ = socket.recv_fds(self._socket, 512, 1)
        except OSError as error:
            raise RunError(f"linkd is gone ({error}): {log_of(self._folder)}") from error
        if not descriptors:
            raise RunError(f"linkd refused {message!r}: {answer.decode() or log_of(self._folder)}")
        try:
            return mmap.mmap(descriptors[0], 0, access=mmap.ACCESS_READ)
        finally:
            os.close(descriptors[0])


def _connect(path: Path) -> socket.socket:
    """Connect through the folder's descriptor: a socket's own path may have 107 bytes only."""
    if not path.exists():
        raise RunError(f"no link runs in {path.parent}")
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(TIMEOUT_S)
    try:
        client.connect(f"/proc/self/fd/{folder}/{path.name}")
    except OSError as error:
        client.close()
        raise RunError(f"no link runs in {path.parent}: {error.strerror}") from error
    finally:
        os.close(folder)
    return client


def _orders(event: LinkEvent) -> list[tuple[str, int, int]]:
    """Return an event as linkd's fields: name, value, duration (0: the schedule's again, -1: for good)."""
    if isinstance(event, Restore):
        return [(field, 0, 0) for field in _FIELDS]
    for_ns = -1 if event.for_ns is None else event.for_ns
    loss = None if event.loss is None else probability(event.loss)
    values = zip(_FIELDS, (event.delay_ns, event.rate_bps, loss, event.state), strict=True)
    return [(name, int(value), for_ns) for name, value in values if value is not None]


def log_of(folder: Path) -> str:
    """Return what linkd had to say."""
    log = folder / "linkd.log"
    return log.read_text().strip() if log.exists() else "it wrote no log"
