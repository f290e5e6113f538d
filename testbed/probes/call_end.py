"""One end of a call: ``call_end.py`` on the client or in the tenant.

The plan: end (client or tenant), address, port, size, tos, every_ns, duration_ns; see ``script.py`` for how it
comes. Standard output, twice a second: a line of JSON with its time, t_ns, what was sent since the last one, [[seq,
t_ns], ...], and what arrived, [[seq, sent t_ns, arrived t_ns], ...].

All namespaces of a host share its clock, so the difference of two stamps is the one-way delay; the arrival
is the kernel's, so that a late wake-up of this process adds nothing to it. Sockets are unconnected: an ICMP
error ends nothing. The tenant answers to where the newest packet came from, as media gateways do for
callers behind address translation (latching, RFC 7362).
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from testbed.probes import handshake

LEAD_NS = 500_000_000
"""The client speaks so long before the start: then the tenant knows where to answer."""
LISTEN_NS = 1_000_000_000
"""For so long the client hears what was still on its way when the call ended."""
REPORT_NS = 500_000_000
_HEADER = struct.Struct("!QQQ")  # the call, sequence number, time of sending
_SO_TIMESTAMPNS = 35  # socket(7); Python has no name for it
_TIMESPEC = struct.Struct("qq")


class CallEnd:
    """One end of the call."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, plan["tos"])
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)
        far = (plan["address"], plan["port"])
        self._peer: tuple[str, int] | None = far if plan["end"] == "client" else None
        if plan["end"] == "tenant":
            self._socket.bind(far)
        self._filling = bytes(plan["size"] - _HEADER.size)
        self._at_ns = self._newest = self._seq = 0
        self._sent: list[tuple[int, int]] = []
        self._received: list[tuple[int, int, int]] = []

    def run(self, at_ns: int) -> None:
        """Speak from the start to the end and listen until standard input ends, the client a second longer at most."""
        self._at_ns, stop = at_ns, sys.stdin.fileno()
        begin_ns = at_ns - (LEAD_NS if self._plan["end"] == "client" else 0)
        end_ns, every_ns = at_ns + self._plan["duration_ns"], self._plan["every_ns"]
        report_ns = at_ns
        while True:
            now_ns = time.time_ns()
            if begin_ns <= now_ns < end_ns and now_ns >= begin_ns + self._seq * every_ns:
                self._speak(now_ns)
                # A beat that a busy machine misses is not sent.
                self._seq = max(self._seq + 1, (now_ns - begin_ns) // every_ns)
            if now_ns >= report_ns:
                self._report()
                report_ns = now_ns + REPORT_NS
            wake_ns = begin_ns + self._seq * every_ns if now_ns < end_ns else report_ns
            wait_s = max(0, min(wake_ns, report_ns) - time.time_ns()) / 1e9
            ready = select.select([self._socket, stop], [], [], wait_s)[0]
            if self._socket in ready:
                self._listen()
            if stop in ready or (self._plan["end"] == "client" and now_ns > end_ns + LISTEN_NS):
                self._report()
                return

    def _speak(self, now_ns: int) -> None:
        if self._peer is None:
            return
        self._sent.append((self._seq, now_ns - self._at_ns))
        packet = _HEADER.pack(self._at_ns, self._seq, now_ns) + self._filling
        with suppress(OSError):  # what the network refuses to send is lost, as anywhere else on the path
            self._socket.sendto(packet, self._peer)

    def _listen(self) -> None:
        with suppress(BlockingIOError):
            while True:
                packet, ancillary, _, sender = self._socket.recvmsg(2048, 64)
                if len(packet) < _HEADER.size or not ancillary:
                    continue
                call, seq, sent_ns = _HEADER.unpack_from(packet)
                if call != self._at_ns:
                    continue
                seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
                arrived_ns = seconds * 10**9 + nanoseconds
                self._received.append((seq, sent_ns - self._at_ns, arrived_ns - self._at_ns))
                self._follow(seq, sender)

    def _follow(self, seq: int, sender: tuple[str, int]) -> None:
        if self._plan["end"] == "tenant" and seq >= self._newest:
            if self._peer not in (None, sender):
                print(json.dumps({"moved_to": sender, "t_ns": time.time_ns() - self._at_ns}), flush=True)
            self._newest, self._peer = seq, sender

    def _report(self) -> None:
        told = {"t_ns": time.time_ns() - self._at_ns, "sent": self._sent, "received": self._received}
        print(json.dumps(told), flush=True)
        self._sent, self._received = [], []


def main() -> None:
    """Hear the plan and the start, run."""
    end = CallEnd(handshake.plan())
    if (at_ns := handshake.start()) is not None:
        end.run(at_ns)


if __name__ == "__main__":
    main()
