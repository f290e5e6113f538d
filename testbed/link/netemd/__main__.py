"""``python -m testbed.link.netemd FOLDER``: linkd's part played with netem.

It reads FOLDER/linkd.conf, answers on FOLDER/linkd.sock and leaves the same evidence (see linkd.c); it
changes netem over netlink where linkd forwards packets. It ends when it is told to, or with its parent.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from testbed.errors import TestbedError
from testbed.link.netemd.player import NetemPlayer, Setup

_FIFO_PRIORITY = 10
_PR_SET_PDEATHSIG = 1


def serve(player: NetemPlayer, path: Path, wake: socket.socket) -> None:
    """Play and answer until `stop` or a signal, which writes to `wake`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    listener.listen(8)
    _tell_ready()
    clients: list[socket.socket] = []
    while True:
        left_s = max(player.due_ns - time.monotonic_ns(), 0) / 1e9
        readable, _, _ = select.select([wake, listener, *clients], [], [], min(left_s, 1.0))
        player.act()
        for ready in readable:
            if ready is wake:
                return
            if ready is listener:
                clients.append(listener.accept()[0])
            elif not (message := ready.recv(512).decode()):
                clients.remove(ready)
                ready.close()
            elif message == "stop":
                return
            else:
                _answer(player, ready, message)


def _answer(player: NetemPlayer, client: socket.socket, message: str) -> None:
    word, *words = message.split()
    with suppress(OSError):  # it has hung up
        if word == "stats":
            player.look()
            socket.send_fds(client, [b"ok"], [player.evidence.descriptor])
        elif word == "start":
            player.start(int(words[0]))
            client.send(b"ok")
        elif word == "change":
            link, direction, field, value, duration = words
            client.send(player.change(link, direction, field, int(value), int(duration)).encode())
        else:
            client.send(f"error: unknown message '{message:.60}'".encode())


def _tell_ready() -> None:
    with suppress(OSError):  # nobody waits for it
        pipe = os.open("linkd.ready", os.O_WRONLY | os.O_NONBLOCK)
        os.write(pipe, b"ready\n")
        os.close(pipe)


def _signals() -> socket.socket:
    """Return a socket that becomes readable with SIGINT or SIGTERM, as which the parent's death comes."""
    wake, write = socket.socketpair()
    write.setblocking(False)
    signal.set_wakeup_fd(write.detach())
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return wake


def main(folder: str) -> int:
    """Play the links of a folder; return the exit status."""
    os.chdir(folder)
    log = os.open("linkd.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, sys.stderr.fileno())
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    try:
        with IPRoute() as ip, ExitStack() as stack:
            player = NetemPlayer(ip, Setup.read(Path("linkd.conf")), stack, Path("links.bins"))
            with suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_FIFO_PRIORITY))
                player.evidence.real_time()
            # not before: pyroute2 forks to look into namespaces, and a child's signal would wake this process
            serve(player, Path("linkd.sock"), _signals())
            player.look()
    except (TestbedError, NetlinkError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
