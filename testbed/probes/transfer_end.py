"""One end of a long TCP connection: ``transfer_end.py`` on the client or in the tenant.

The plan: end (client or tenant), address, port, tos (the IP header's octet), and for the client direction (up
or down), rate_bps (0: as fast as the path takes it), timeout_ns, duration_ns; see ``script.py`` for how it
comes. The client tells the tenant the rest in the session's first line.

Standard output: a line of JSON for each event of a session, columns of ``samples.TRANSFER``; progress
every 100 ms, where there was any.
"""

from __future__ import annotations

import errno
import fcntl
import json
import select
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from testbed.probes import handshake

TICK_NS = 100_000_000
PACE_NS = 10_000_000
CHUNK = memoryview(bytes(256 * 1024))
CONNECT_S = 5.0
AGAIN_S = 1.0
"""After a session ended, and after an attempt that failed, the client waits this long."""
_SIOCOUTQ = 0x5411  # bytes that the other end has not acknowledged (tcp(7))
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset, do not send what is left


class Exchange:
    """One connection, as one end sees it; ``run`` returns when it is over."""

    def __init__(
        self, plan: Mapping[str, Any], connection: socket.socket, stop: int, over: Callable[[], bool]
    ) -> None:
        self._plan, self._connection, self._stop, self._over = plan, connection, stop, over
        self._sends = (plan["end"] == "client") == (plan["direction"] == "up")
        self._number = plan["session"]
        self._moved = 0  # bytes received, or handed to the kernel
        self._told = 0
        self._last_progress_ns = self._begun_ns = time.time_ns()
        self._buffer = bytearray(256 * 1024)
        # A paced sender wakes every 10 ms, not for every byte that it has earned.
        self._quantum = min(len(CHUNK), max(1, plan["rate_bps"] * PACE_NS // (8 * 10**9)))

    def tell(self, event: str, reason: str | None = None) -> None:
        """Print an event of this session."""
        tell(self._plan, self._number, event, self.progressed(), reason)

    def progressed(self) -> int:
        """Return the bytes that arrived: here, or by the other end's acknowledgement."""
        if not self._sends:
            return self._moved
        with suppress(OSError):
            waiting = struct.unpack("i", fcntl.ioctl(self._connection, _SIOCOUTQ, b"\0\0\0\0"))[0]
            return max(self._told, self._moved - int(waiting))
        return self._told

    def run(self, received: int = 0) -> None:
        """Move data until the end, a reset or a standstill."""
        self._moved = received
        self._connection.setblocking(False)
        poller = select.poll()
        poller.register(self._stop, select.POLLHUP)
        tick_ns = time.time_ns()
        try:
            while not self._over():
                now_ns = time.time_ns()
                if now_ns >= tick_ns:
                    tick_ns = now_ns - now_ns % TICK_NS + TICK_NS
                    if self._stands_still(now_ns):
                        return
                wait_ns = self._arm(poller, now_ns, tick_ns)
                for descriptor, event in poller.poll(wait_ns / 1e6):
                    if descriptor == self._stop:
                        return
                    if event & (select.POLLIN | select.POLLHUP | select.POLLERR) and not self._receive():
                        return
                    if event & select.POLLOUT:
                        self._send(time.time_ns())
        except OSError as error:
            name = errno.errorcode.get(error.errno or 0, "")
            self.tell("reset", f"{name}: {error.strerror}")
        finally:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self._connection.close()

    def _stands_still(self, now_ns: int) -> bool:
        """Tell of progress; return whether there was none for so long that the session is given up."""
        progressed = self.progressed()
        if progressed > self._told:
            self._told, self._last_progress_ns = progressed, now_ns
            self.tell("progress")
            return False
        still_ns = now_ns - self._last_progress_ns
        if self._plan["end"] == "tenant" or still_ns < self._plan["timeout_ns"]:
            return False
        self.tell("gave up", f"no progress for {self._plan['timeout_ns'] / 1e9:g} s")
        return True

    def _arm(self, poller: select.poll, now_ns: int, tick_ns: int) -> int:
        """Ask for the events that matter now; return how long to wait for them."""
        due = self._sends and self._budget(now_ns) >= self._quantum
        poller.register(self._connection, select.POLLIN | (select.POLLOUT if due else 0))
        wait_ns = max(0, tick_ns - now_ns)
        return wait_ns if due or not self._sends else min(wait_ns, PACE_NS)

    def _budget(self, now_ns: int) -> int:
        """Return how many bytes may be sent now."""
        if not self._plan["rate_bps"]:
            return len(CHUNK)
        earned = self._plan["rate_bps"] * (now_ns - self._begun_ns) // (8 * 10**9)
        return int(min(earned - self._moved, len(CHUNK)))

    def _send(self, now_ns: int) -> None:
        with suppress(BlockingIOError):
            self._moved += self._connection.send(CHUNK[: self._budget(now_ns)])

    def _receive(self) -> bool:
        """Take what came; return whether the other end is still there."""
        with suppress(BlockingIOError):
            count = self._connection.recv_into(self._buffer)
            if not count:
                self.tell("closed", "by the other end")
                return False
            if not self._sends:
                self._moved += count
        return True


def tell(
    plan: Mapping[str, Any], session: int, event: str, count: int = 0, reason: str | None = None
) -> None:
    """Print an event of a session."""
    t_ns = time.time_ns() - plan["at_ns"]
    row = {
        "t_ns": t_ns,
        "session": session,
        "end": plan["end"],
        "direction": plan["direction"],
        "event": event,
        "bytes": count,
        "reason": reason,
    }
    print(json.dumps(row), flush=True)


def prepare(connection: socket.socket, plan: Mapping[str, Any]) -> None:
    """Give a socket the plan's mark."""
    connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, plan["tos"])


def connect(plan: Mapping[str, Any]) -> socket.socket:
    """Open a session and introduce it. Raises OSError."""
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    prepare(connection, plan)
    connection.settimeout(CONNECT_S)
    try:
        connection.connect((plan["address"], plan["port"]))
        connection.sendall(json.dumps(plan).encode() + b"\n")
    except OSError:
        connection.close()
        raise
    return connection


def as_client(plan: dict[str, Any]) -> None:
    """Keep a session open until the end: connect again when it is lost."""
    stop = sys.stdin.fileno()
    end_ns = plan["at_ns"] + plan["duration_ns"]
    number = 0
    _rest(stop, (plan["at_ns"] - time.time_ns()) / 1e9)
    while (left_ns := end_ns - time.time_ns()) > 0:
        plan["session"] = number
        try:
            connection = connect(plan)
        except OSError as error:
            tell(plan, number, "unreachable", 0, error.strerror or str(error))
        else:
            session = Exchange(plan, connection, stop, lambda: time.time_ns() >= end_ns)
            session.tell("connected")
            session.run()
            number += 1
        if _rest(stop, min(AGAIN_S, left_ns / 1e9)):
            return


def _rest(stop: int, seconds: float) -> bool:
    """Wait; return whether standard input ended meanwhile."""
    return bool(select.select([stop], [], [], max(0.0, seconds))[0])


def as_tenant(plan: Mapping[str, Any], listener: socket.socket) -> None:
    """Serve every session until standard input ends; a session that lost its client stays open, as it would."""
    stop = sys.stdin.fileno()
    while stop not in select.select([listener, stop], [], [])[0]:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(plan, connection, stop), daemon=True).start()


def _serve(plan: Mapping[str, Any], connection: socket.socket, stop: int) -> None:
    connection.settimeout(CONNECT_S)
    prepare(connection, plan)
    head = b""
    with suppress(OSError):
        while b"\n" not in head and (part := connection.recv(4096)):
            head += part
    first, _, rest = head.partition(b"\n")
    if not first:
        return
    session = Exchange({**json.loads(first), "end": "tenant"}, connection, stop, lambda: False)
    session.tell("connected")
    session.run(len(rest))


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    listener = None
    if plan["end"] == "tenant":
        listener = socket.create_server((plan["address"], plan["port"]))
        prepare(listener, plan)  # its answer to a SYN bears the mark already
    at_ns = handshake.start()
    if at_ns is not None and listener:
        as_tenant(plan, listener)
    elif at_ns is not None:
        as_client(plan | {"at_ns": at_ns})


if __name__ == "__main__":
    main()
