"""A run's machine in virtual time: user-mode Linux, whose clock is simulated and moves only when nothing is left to do.

It stands where a sandbox stands in real time, and needs no root: the machine is one process of the user's, sees the
host's files read-only, and keeps what it writes in memory but for the run's folder. Its processors take no time, but
whoever looks at the clock in a loop sees it move. See docs/virtual-time.md.
"""

from __future__ import annotations

import compileall
import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from testbed import paths
from testbed.errors import HostError

KERNEL = paths.BUILD / "virtual" / "linux"
START_NS = 1_767_600_000 * 10**9
"""When every machine is switched on: 2026-01-05 08:00:00 UTC, a Monday morning."""

GIVEN = Path("/dev/testbed")
"""Where the machine has the files that were given to it."""

FOLDER = GIVEN / "run"
"""Where it has the run's folder: however that is called, what the machine does is the same."""

PROJECT = GIVEN / "project"
"""Where it has the project's folder, wherever that lies on the host."""

PYTHON = GIVEN / "python" / "bin" / "python{}.{}".format(*sys.version_info)
"""Its Python, which is the one that started it, by a name that is the same each time."""

SETTLED_NS = START_NS + 2 * 10**9
"""When its lab begins to come up, however much of the host's it had to read before."""

_STATE = Path("/var/lib/nginx")
"""What nginx left on the host; where that may not be read, a hub's cache would fail, and not for the hub's sake."""

_INIT = Path(__file__).with_name("machine-init.sh")
_MEMORY = "3G"  # at most: what is not touched is not taken from the host
_HERE = "/proc/self/cwd"  # of the host: where the kernel's process was started
_LOOK_S = 0.1
_ABSOLUTE = 1  # TIMER_ABSTIME
_SHARED = "/dev/shm"
_WARDEN = 'read -r _; until rm -rf -- "$1"; do sleep 0.1; done'
"""Waits for the end of who started it, however it comes; the machine may still be writing then."""


def fault_of_host() -> str:
    """Return why no machine can be started here; empty: one can."""
    if not KERNEL.exists():
        return f"{paths.shown(KERNEL)} is missing; 'make virtual' builds it in about 15 minutes on two processors"
    for tool in ("setpriv", "setarch"):
        if shutil.which(tool) is None:
            return f"{tool} is missing; install the package util-linux"
    hidden = [path for path in _STATE.glob("*") if not os.access(path, os.R_OK | os.X_OK)]
    if hidden:
        return f"{hidden[0]} is not yours to read, and the hub's nginx writes there: start it as root"
    return ""


def settle() -> None:
    """Wait until SETTLED_NS, to the nanosecond; called in a machine."""
    until = _Timespec(*divmod(SETTLED_NS, 10**9))
    ctypes.CDLL(None).clock_nanosleep(time.CLOCK_REALTIME, _ABSOLUTE, ctypes.byref(until), None)


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class Machine:
    """A machine that executes one command; what the command writes to its standard output is read by ``lines``."""

    def __init__(self, process: subprocess.Popen[bytes], output: BinaryIO) -> None:
        self._process, self._output, self._rest = process, output, b""

    def lines(self) -> Iterator[bytes]:
        """Yield the command's output line by line, from where it was left, until the machine is off."""
        over = False
        while not over:
            over = self._process.poll() is not None
            self._rest += self._output.read()
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                yield line
            if not over:
                time.sleep(_LOOK_S)

    def ask(self, line: bytes) -> None:
        """Write to the command's standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def kill(self) -> None:
        """Switch it off, with all that it executes."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def running(
    command: Sequence[str], folder: Path, log: BinaryIO, seed: int, files: Mapping[str, bytes]
) -> Iterator[Machine]:
    """Start a machine that executes ``command`` as root and may write into ``folder`` alone, its FOLDER; end it after.

    Its console goes to ``log``. All randomness in it follows from ``seed``. ``files`` are given to it, in
    GIVEN. Raises HostError where this host has no such machine.
    """
    if fault := fault_of_host():
        raise HostError(fault)
    for code in (paths.ROOT / "testbed", paths.PLAYBOOKS):  # whether it is compiled would change what the machine does
        compileall.compile_dir(code, quiet=2)
    with own_folder() as shared:
        shutil.copyfile(_INIT, shared / "init")
        (shared / "out").mkdir()
        (shared / "given").mkdir()
        (shared / "out" / "stdout").touch()
        (shared / "run").symlink_to(folder.resolve())
        (shared / "project").symlink_to(paths.ROOT)
        (shared / "python").symlink_to(Path(sys.prefix).resolve())
        for file, content in files.items():
            (shared / "given" / file).write_bytes(content)
        (shared / "job").write_text(f"COMMAND={shlex.quote(shlex.join(command))}\n")
        process = subprocess.Popen(
            _chain(),
            cwd=shared,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(shared),
                "TMPDIR": str(shared),
                "TESTBED_SEED": str(seed % 2**64),
            },
        )
        with (shared / "out" / "stdout").open("rb") as output:
            machine = Machine(process, output)
            try:
                yield machine
            finally:
                machine.kill()


@contextmanager
def own_folder() -> Iterator[Path]:
    """Make a folder of one's own, in memory where there is one; it is removed at the end, or at one's death."""
    folder = tempfile.mkdtemp(prefix="testbed-", dir=_SHARED if os.access(_SHARED, os.W_OK) else None)
    with subprocess.Popen(
        ["sh", "-c", _WARDEN, "sh", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ):  # which closes its standard input, and waits for it
        yield Path(folder)


def _chain() -> list[str]:
    """Return the command that starts a machine: it dies with its starter, and lies at the same addresses each time."""
    start = f"time-travel-start={START_NS}"
    console = ("con=null", "con0=fd:0,fd:1", "loglevel=4", "devtmpfs.mount=0")
    root = ("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "norandmaps")
    uml = [str(KERNEL), f"mem={_MEMORY}", "time-travel=inf-cpu", start, *console, *root, "init=/bin/sh"]
    return [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--",
        "setarch",
        "-R",
        *uml,
        "--",
        # no name that is different each time: the kernel's randomness takes its arguments in
        f"{_HERE}/init",
    ]
