"""One end of a stream of new flows: ``new_flows_end.py`` on the client or in the tenant.

The plan: end (client or tenant), address, port, size, tos, every_ns, duration_ns; see ``script.py`` for how it
comes. Standard output, twice a second: a line of JSON with its time, t_ns, and what happened since the last one: the
client's ``sent``, [[seq, t_ns], ...], and ``answered``, [[seq, rtt_ns], ...]; the tenant's ``received``, [seq, ...].

Each packet leaves from a port of its own, one after the other through PORTS: a port that comes again was silent for so
long that no hub remembers it (Linux forgets an answered UDP flow after 120 s). The kernel would draw ports at random,
and one in ten would belong to a flow that the hub still knows. Sockets are unconnected: an ICMP error ends nothing.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import cycle
from typing import Any

from testbed.probes import handshake

LEAD_NS = 500_000_000
"""The client begins so long before the start: then there is a carrier at the start."""
WAIT_NS = 1_000_000_000
"""So long a flow's socket waits for its answer."""
REPORT_NS = 500_000_000
PORTS = range(10_000, 32_768)
"""Below those that the kernel gives away (ip_local_port_range), so that nobody else has one."""
_HEADER = struct.Struct("!QQQ")  # the stream, sequence number, time of sending
_SO_TIMESTAMPNS = 35  # socket(7); Python has no name for it
_TIMESPEC = struct.Struct("qq")


def opened(tos: int, address: str) -> socket.socket:
    """Return a socket for the family of an address that marks what it sends and stamps what it receives."""
    six = ":" in address
    made = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    if six:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tos)
    else:
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, tos)
    made.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
    made.setblocking(False)
    return made


class NewFlowsClient:
    """Sends a packet at each beat from a new port, and hears the answers."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self._plan, self._ports = plan, cycle(PORTS)
        self._far = (plan["address"], plan["port"])
        self._filling = bytes(plan["size"] - _HEADER.size)
        self._at_ns = self._seq = 0
        self._poller = select.poll()
        self._waiting: dict[int, tuple[int, socket.socket]] = {}  # by descriptor, in order of sending
        self._sent: list[tuple[int, int]] = []
        self._answered: list[tuple[int, int]] = []

    def run(self, at_ns: int) -> None:
        """Send from the start to the end; listen until the last one is over, or standard input ends."""
        self._at_ns, stop = at_ns, sys.stdin.fileno()
        self._poller.register(stop, select.POLLIN)
        begin_ns, end_ns = at_ns - LEAD_NS, at_ns + self._plan["duration_ns"]
        every_ns, report_ns = self._plan["every_ns"], at_ns
        while (now_ns := time.time_ns()) < end_ns + WAIT_NS:
            if now_ns < end_ns and now_ns >= begin_ns + self._seq * every_ns:
                self._send(now_ns)
                # A beat that a busy machine misses is not sent.
                self._seq = max(self._seq + 1, (now_ns - begin_ns) // every_ns)
            self._forget(now_ns)
            if now_ns >= report_ns:
                self._report()
                report_ns = now_ns + REPORT_NS
            wake_ns = min(report_ns, begin_ns + self._seq * every_ns if now_ns < end_ns else report_ns)
            ready = self._poller.poll(max(0, wake_ns - time.time_ns()) / 1e6)
            for descriptor, _ in ready:
                if descriptor == stop:
                    self._report()
                    return
                self._listen(descriptor)
        self._report()

    def _send(self, now_ns: int) -> None:
        self._sent.append((self._seq, now_ns - self._at_ns))
        flow = opened(self._plan["tos"], self._plan["address"])
        for port in self._ports:
            with suppress(OSError):  # somebody has this one
                flow.bind(("", port))
                break
        self._waiting[flow.fileno()] = now_ns, flow
        self._poller.register(flow, select.POLLIN)
        with suppress(OSError):  # what the network refuses to send is lost, as anywhere else on the path
            flow.sendto(_HEADER.pack(self._at_ns, self._seq, now_ns) + self._filling, self._far)

    def _listen(self, descriptor: int) -> None:
        sent_ns, flow = self._waiting[descriptor]
        with suppress(OSError):
            packet, ancillary, _, sender = flow.recvmsg(2048, 64)
            if len(packet) < _HEADER.size or not ancillary or sender[:2] != self._far:
                return
            stream, seq, _ = _HEADER.unpack_from(packet)
            if stream == self._at_ns:
                seconds, nanoseconds = _TIMESPEC.unpack_from(ancillary[0][2])
                self._answered.append((seq, seconds * 10**9 + nanoseconds - sent_ns))
                self._close(descriptor)

    def _forget(self, now_ns: int) -> None:
        """Close the sockets that have waited for long enough."""
        for descriptor in list(self._overdue(now_ns)):
            self._close(descriptor)

    def _overdue(self, now_ns: int) -> Iterator[int]:
        for descriptor, (sent_ns, _) in self._waiting.items():
            if now_ns < sent_ns + WAIT_NS:
                return
            yield descriptor

    def _close(self, descriptor: int) -> None:
        self._poller.unregister(descriptor)
        _, flow = self._waiting.pop(descriptor)
        flow.close()

    def _report(self) -> None:
        told = {"t_ns": time.time_ns() - self._at_ns, "sent": self._sent, "answered": self._answered}
        print(json.dumps(told), flush=True)
        self._sent, self._answered = [], []


def as_tenant(at_ns: int, listener: socket.socket) -> None:
    """Send every packet back to where it came from, until standard input ends."""
    stop, received, report_ns = sys.stdin.fileno(), list[int](), time.time_ns() + REPORT_NS
    while True:
        ready = select.select([listener, stop], [], [], max(0, report_ns - time.time_ns()) / 1e9)[0]
        if listener in ready:
            with suppress(OSError):
                packet, sender = listener.recvfrom(2048)
                if len(packet) >= _HEADER.size:
                    received.append(_HEADER.unpack_from(packet)[1])
                    listener.sendto(packet, sender)
        if stop in ready or time.time_ns() >= report_ns:
            print(json.dumps({"t_ns": time.time_ns() - at_ns, "received": received}), flush=True)
            received, report_ns = [], time.time_ns() + REPORT_NS
        if stop in ready:
            return


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    listener = None
    if plan["end"] == "tenant":
        listener = opened(plan["tos"], plan["address"])
        listener.bind((plan["address"], plan["port"]))
    at_ns = handshake.start()
    if at_ns is not None and listener:
        as_tenant(at_ns, listener)
    elif at_ns is not None:
        NewFlowsClient(plan).run(at_ns)


if __name__ == "__main__":
    main()
