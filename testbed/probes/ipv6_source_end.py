"""Asks the kernel of a client, at each beat, which address a packet to the tenant would have.

The plan: address, every_ns, duration_ns; see ``script.py`` for how it comes. Standard output: a line of JSON for each
beat, with ``t_ns`` and ``address``, null where there is none or no route. To connect a UDP socket sends nothing.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from testbed.probes import handshake

_PORT = 9  # discard (RFC 863); nothing is sent to it


def source(destination: str) -> str | None:
    """Return the address that this host would send from; None where it could not send."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((destination, _PORT))
        except OSError:
            return None
        return str(asking.getsockname()[0])


def watch(plan: Mapping[str, Any], at_ns: int) -> None:
    """Ask from the start to the end, or until standard input ends. A beat that a busy machine misses is not asked."""
    beat, end_ns = 0, at_ns + plan["duration_ns"]
    while (due_ns := at_ns + beat * plan["every_ns"]) < end_ns:
        wait_s = max(0, due_ns - time.time_ns()) / 1e9
        if select.select([sys.stdin], [], [], wait_s)[0]:
            return
        t_ns = time.time_ns() - at_ns
        print(json.dumps({"t_ns": t_ns, "address": source(plan["address"])}), flush=True)
        beat = max(beat + 1, t_ns // plan["every_ns"] + 1)


def main() -> None:
    """Hear the plan and the start, run."""
    plan = handshake.plan()
    if (at_ns := handshake.start()) is not None:
        watch(plan, at_ns)


if __name__ == "__main__":
    main()
