"""An interface belongs to one link, of whichever back end (core/claim.h): the same abstract socket claims it."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from testbed.errors import RunError


def claim(name: str, index: int) -> socket.socket:
    """Claim the interface until the socket or this process ends. Raises RunError that names its owner."""
    address = f"\0testbed-link-{index}"
    claimed = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        claimed.bind(address)
    except OSError:
        claimed.close()
        raise RunError(_owner(name, address)) from None
    claimed.listen(1)
    return claimed


def _owner(name: str, address: str) -> str:
    pid, folder = 0, Path("elsewhere")
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.connect(address)
        pid, _, _ = struct.unpack("iII", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        folder = Path(f"/proc/{pid}/cwd").readlink()
    if pid == os.getpid():
        return f"interface {name}: named twice, expected a link between two interfaces, each in one link"
    return f"interface {name}: in use by another link, of process {pid} in {folder}"
