"""netem and the token bucket behind it as netlink messages, encoded by pyroute2."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl import RTM_NEWQDISC, TC_H_ROOT
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from testbed.link.layout import CERTAIN, probability
from testbed.link.netemd.steps import Setting
from testbed.model.link import QueueLimit

Options = Mapping[str, Any]

NETEM, RATE, FIFO = 0x10000, 0x20000, 0x30000
"""The handles 1:, 2: and 3:, each the child of the one before."""
FRAME_BYTES = 1600
"""An MTU of 1,500 with its header, and some room."""
UNLIMITED_BYTES_S = 2**32 - 1
_PARENTS = {"netem": TC_H_ROOT, "tbf": NETEM | 1, "pfifo": RATE | 1}
_HANDLES = {"netem": NETEM, "tbf": RATE, "pfifo": FIFO}
_TICK_NS = 64  # of the packet scheduler's clock since Linux 2.6.31; /proc/net/psched has it
_BURST_NS = 2_000_000
_LEAST_BYTES_S = 8  # below it, the time that a burst takes overflows
_QUEUE_BYTES = 256 << 20
_PACKETS_INSIDE = 200_000


def netem_options(setting: Setting) -> Options:
    """Return netem's parameters, all of them each time: it forgets what it is not told.

    With a rate, however high, netem keeps packets in order when the delay falls; without one it does not.
    """
    return {
        "delay": round(setting.delay_ns / _TICK_NS),
        "loss": CERTAIN if setting.cut else probability(setting.loss),
        "limit": _PACKETS_INSIDE,
        "attrs": [("TCA_NETEM_RATE", {"rate": UNLIMITED_BYTES_S})],
    }


def rate_options(setting: Setting, queue: QueueLimit) -> Options:
    """Return the token bucket's parameters: it may send 2 ms of its rate, or a frame, at once.

    Its limit is of the bytes that wait, or of the packets where the queue is limited in packets.
    """
    rate = max(setting.rate_bps // 8, _LEAST_BYTES_S) if setting.rate_bps else UNLIMITED_BYTES_S
    rate = min(rate, UNLIMITED_BYTES_S)
    limit = min(_QUEUE_BYTES, queue.bytes or _QUEUE_BYTES)
    if queue.time_ns and setting.rate_bps:
        limit = min(limit, max(rate * queue.time_ns // 10**9, FRAME_BYTES))
    burst_ns = max(_BURST_NS, FRAME_BYTES * 10**9 // rate + 1)
    parameters = {"rate": rate, "buffer": burst_ns // _TICK_NS + 1, "limit": queue.packets or limit}
    return {"attrs": [("TCA_TBF_PARMS", parameters)]}


def fifo_options(queue: QueueLimit) -> Options:
    """Return the parameters of the queue of packets, which takes the place of the token bucket's own."""
    return {"limit": queue.packets}


def message(kind: str, interface: int, options: Options, *, add: bool) -> bytes:
    """Return the message that adds or changes one of the queueing disciplines of an interface."""
    m = tcmsg()
    m["index"], m["handle"], m["parent"] = interface, _HANDLES[kind], _PARENTS[kind]
    m["attrs"] = [("TCA_KIND", kind), ("TCA_OPTIONS", options)]
    m["header"]["type"] = RTM_NEWQDISC
    m["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | (NLM_F_CREATE | NLM_F_EXCL if add else 0)
    m.encode()
    return bytes(m.data)


@lru_cache(maxsize=1 << 12)
def changes(interface: int, setting: Setting, queue: QueueLimit) -> tuple[bytes, ...]:
    """Return the messages that bring an interface to a setting: netem's, and the token bucket's."""
    return (
        message("netem", interface, netem_options(setting), add=False),
        message("tbf", interface, rate_options(setting, queue), add=False),
    )


class Netlink:
    """A socket for these messages: sends one, and waits for the kernel to have carried it out."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))

    def do(self, request: bytes) -> None:
        """Carry a message out. Raises NetlinkError with the kernel's reason."""
        self._socket.send(request)
        (error,) = struct.unpack_from("=i", self._socket.recv(65536), 16)  # struct nlmsgerr after its header
        if error:
            raise NetlinkError(-error, os.strerror(-error))
