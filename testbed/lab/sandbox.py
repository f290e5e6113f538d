"""A run's sandbox: namespaces made first and left last, so that clean-up is the kernel's work.

Everything of a run lives in network, PID, mount, IPC and UTS namespaces of its own. Its PID 1 is
tini, which reaps; when it ends, however it ends, the kernel removes every process, interface and
mount of the run. The chain that makes SIGKILL of ``testbed`` clean is: testbed dies -> unshare
gets SIGKILL (parent-death signal) -> PID 1 gets SIGKILL (--kill-child) -> the namespaces end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from testbed.errors import HostError

_TOOLS = {"setpriv": "util-linux", "unshare": "util-linux", "tini": "tini"}
_UNSHARE = ("--net", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child=KILL", "--mount-proc")

_BORN_S, _LOOK_S = 60.0, 0.01

_CAPABILITIES = {"NET_ADMIN": 12, "NET_RAW": 13, "SYS_ADMIN": 21}
"""Name -> number, of capabilities(7); what else root can do, containers leave it."""

SHARED = Path("/dev/shm")
"""In memory, private to the run, seen by all of its devices: the place for keys and tokens."""


def check() -> None:
    """Raise HostError where no sandbox can be made: without root or tools."""
    if os.geteuid() != 0:
        raise HostError("a run needs root for its network namespaces; start it with sudo")
    if lacking := missing_capabilities(Path("/proc/self/status").read_text(encoding="utf-8")):
        raise HostError(
            f"a run makes namespaces and mounts; this process is root without {' and '.join(lacking)}"
            f"; start the container with {' '.join(f'--cap-add {name}' for name in lacking)}, or --privileged"
        )
    for tool, package in _TOOLS.items():
        if shutil.which(tool) is None:
            raise HostError(f"{tool} is missing; install the package {package} ('testbed doctor' lists all)")


def spawn(command: Sequence[str], log: BinaryIO, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start ``command`` in a sandbox of its own; its stdin and stdout are pipes, its stderr goes to ``log``.

    The stdin pipe is the way to ask the command to end: the sandbox is a session of its own, so that a
    terminal's Ctrl-C reaches only the caller. Raises HostError without root or tools.
    """
    check()
    chain = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", *_UNSHARE, "--", "tini", "--", *command]
    return subprocess.Popen(
        chain,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def init_of(process: subprocess.Popen[bytes]) -> int:
    """Return the PID, here, of the PID 1 of a sandbox that was just spawned. Raises HostError where it has none."""
    deadline_s = time.monotonic() + _BORN_S
    while process.poll() is None and time.monotonic() < deadline_s:
        for status in Path("/proc").glob("[0-9]*/status"):
            with suppress(OSError):  # one that ended meanwhile is not it
                facts = dict(line.split(":", 1) for line in status.read_text().splitlines())
                numbers = facts.get("NSpid", "").split()
                if int(facts["PPid"]) == process.pid and "1" == numbers[-1]:
                    return int(status.parent.name)
        time.sleep(_LOOK_S)
    raise HostError(f"the sandbox did not start (exit status {process.poll()})")


def missing_capabilities(status: str) -> list[str]:
    """Return which capabilities a sandbox needs and a process has not; ``status`` is its /proc/PID/status."""
    (effective,) = (int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
    return [name for name, bit in _CAPABILITIES.items() if not effective >> bit & 1]


def prepare(shown: Mapping[str, Path] = MappingProxyType({})) -> None:
    """Make the inside of a fresh sandbox ready: loopback up, /run and /dev/shm private.

    Files and sockets of the host that must be ``shown``, wherever they lie, are then found in /dev/shm by
    the names given. Raises HostError.
    """
    opened = {name: os.open(path, os.O_PATH) for name, path in shown.items()}
    _do("ip", "link", "set", "lo", "up")
    for folder in ("/run", str(SHARED)):
        _do("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", folder)
    for name, fd in opened.items():
        (SHARED / name).touch(mode=0o600)
        # The host's path may lie below what is covered now; the open file is still there.
        _do("mount", "--no-canonicalize", "--bind", f"/proc/self/fd/{fd}", str(SHARED / name), pass_fds=[fd])
        os.close(fd)


def _do(*command: str, pass_fds: Sequence[int] = ()) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, pass_fds=pass_fds)
    if done.returncode != 0:
        raise HostError(f"{' '.join(command)}: {done.stderr.strip()}")
