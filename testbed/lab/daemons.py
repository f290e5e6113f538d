"""Programs that roles have left running on a device: where that is no hub, they are parts of the testbed."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from testbed.lab.devices import DeviceAccess, NamespaceAccess
from testbed.lab.parts import Part


@dataclass(frozen=True, eq=False)
class Daemon:
    """A process of somebody else's: whether it lives can be told, not how it ended."""

    pid: int
    pidfd: int
    returncode: int | None = None

    def poll(self) -> int | None:
        """Return None while it lives; what is returned then is no exit status."""
        looking = select.poll()
        looking.register(self.pidfd, select.POLLIN)
        return 0 if looking.poll(0) else None


def left_running(device: DeviceAccess) -> Iterator[Part]:
    """Yield the daemons (PID 1 adopted them) in a device's network namespace; of a device elsewhere none."""
    if not isinstance(device, NamespaceAccess):
        return
    home = os.readlink(f"/proc/{device.pid}/ns/net")
    for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        try:
            if _parent(folder) != 1 or os.readlink(folder / "ns/net") != home:
                continue
            name = (folder / "comm").read_text().strip()
            pid = int(folder.name)
            pidfd = os.pidfd_open(pid)
        except OSError:  # it ended meanwhile, or is the kernel's
            continue
        yield Part(f"{name} of {device.name}", Daemon(pid, pidfd))


def _parent(folder: Path) -> int:
    """Return the parent of a process by its folder in /proc; its name may hold anything, brackets too."""
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
