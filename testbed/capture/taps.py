"""The processes that capture: one tcpdump for each port, in its node's namespaces, watched so that they harm no run."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from testbed.capture.points import Point
from testbed.capture.weave import Raw
from testbed.errors import HostError, RunError
from testbed.lab.devices import DeviceAccess
from testbed.model.capture import CaptureWish
from testbed.units import format_size

TOOL = "tcpdump"
FOLDER = "capture"
_BUFFER_KIB = 16_384  # of each port, in the kernel: what comes in while tcpdump does not run
_READY_S, _END_S = 20.0, 20.0
GATHERS_NS = 1_200_000_000
"""How long the kernel gathers frames before tcpdump reads them, its time-out and some; what it has not read is lost."""
_SPARE_BYTES = 256 * 2**20  # of the disk, for the run's own evidence
_DROPPED = re.compile(r"^(\d+) packets? dropped by kernel", re.MULTILINE)
_PLAIN = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")
"""Frames of the wire, with their checksums, in place of the large ones that hosts hand each other."""


def fault_of_host() -> str:
    """Return why nothing can be captured here; empty: it can."""
    return "" if shutil.which(TOOL) else f"--capture needs {TOOL}: apt install {TOOL}, or make setup"


@dataclass
class _Tap:
    point: Point
    address: bytes
    path: Path
    process: subprocess.Popen[bytes]
    said: str = ""
    asked: bool = False

    @property
    def size(self) -> int:
        with suppress(OSError):
            return self.path.stat().st_size
        return 0


class Taps:
    """A run's capture while it lasts. Raises HostError where the host cannot."""

    def __init__(self, wish: CaptureWish, points: Sequence[Point], folder: Path) -> None:
        if fault := fault_of_host():
            raise HostError(fault)
        self.wish, self._points, self._folder = wish, points, folder / FOLDER
        self._taps: list[_Tap] = []
        self._began_ns = 0
        self._asked_ns = 0
        self.stopped_ns: int | None = None
        self.reason = ""

    def prepare(self, devices: Mapping[str, DeviceAccess]) -> None:
        """Let the captured ports show frames as the wire has them; before the links open. Raises RunError."""
        for point in self._points:
            _do(devices[point.end.node], "ethtool", "-K", point.end.port, *_PLAIN)

    def open(self, devices: Mapping[str, DeviceAccess]) -> None:
        """Start to capture; on return every port is. Raises RunError."""
        self._folder.mkdir()
        for number, point in enumerate(self._points):
            device = devices[point.end.node]
            (shown,) = json.loads(_do(device, "ip", "-json", "link", "show", "dev", point.end.port))
            path = self._folder / f"{number}.pcap"  # the ending that AppArmor lets tcpdump write, where it is confined
            command = ["prlimit", f"--fsize={self.wish.limit}", TOOL, "-i", point.end.port, "-w", str(path)]
            command += ["-s", str(self.wish.snap), "-B", str(_BUFFER_KIB), "-Z", "root", "-n"]
            command += ["--time-stamp-precision=nano"]
            process = device.popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, process_group=0)
            address = bytes.fromhex(shown["address"].replace(":", ""))
            self._taps.append(_Tap(point, address, path, process))
        for tap in self._taps:
            _listening(tap)
        self._began_ns = time.time_ns()

    def watch(self, now_ns: int) -> str:
        """Look after the capture; return why it has just ended, if it has."""
        if self.reason or not self._taps:
            return ""
        size = sum(tap.size for tap in self._taps)
        free = shutil.disk_usage(self._folder).free
        dead = [tap for tap in self._taps if tap.process.poll() is not None]
        if size > self.wish.limit:
            self.reason = f"the capture's limit of {format_size(self.wish.limit)} was reached"
        elif free < size + _SPARE_BYTES:  # it is written once more, woven into one file
            self.reason = f"the disk has {format_size(free)} left"
        elif dead:
            self.reason = f"tcpdump at {dead[0].point.end} ended by itself"
        if self.reason:
            self.stopped_ns = now_ns
            self.stop()
        return self.reason

    @property
    def ended_ns(self) -> int:
        """Until when all is surely captured, CLOCK_REALTIME; of what passed later tcpdump may not have read all."""
        return self._asked_ns - GATHERS_NS

    def stop(self) -> None:
        """End the capture; what was captured is on disk then."""
        self._asked_ns = self._asked_ns or time.time_ns()
        for tap in self._taps:
            tap.asked = tap.asked or tap.process.poll() is None
            with suppress(ProcessLookupError):
                tap.process.send_signal(signal.SIGINT)
        for tap in self._taps:
            if tap.process.stderr is None or tap.process.stderr.closed:
                continue
            try:
                tap.said += (tap.process.communicate(timeout=_END_S)[1] or b"").decode(errors="replace")
            except subprocess.TimeoutExpired:
                tap.process.kill()
                tap.process.wait()

    def raws(self) -> list[Raw]:
        """Return what was captured, port by port, since every port was."""
        began_ns = self._began_ns
        return [Raw(tap.point, tap.path, tap.address, _dropped(tap.said), began_ns) for tap in self._taps if tap.size]

    def clear(self) -> None:
        """Remove the ports' own files."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _dropped(said: str) -> int | None:
    match = _DROPPED.search(said)
    return int(match[1]) if match else None


def _listening(tap: _Tap) -> None:
    """Wait until tcpdump has its socket, or has died."""
    deadline_s = time.monotonic() + _READY_S
    pipe = tap.process.stderr
    while pipe is not None and "listening on" not in tap.said:
        ready, _, _ = select.select([pipe], [], [], max(0.0, deadline_s - time.monotonic()))
        piece = os.read(pipe.fileno(), 4096) if ready else b""
        if not piece:
            tap.process.kill()
            raise RunError(f"{tap.point.end} cannot be captured: {tap.said.strip() or 'no word of tcpdump'}")
        tap.said += piece.decode(errors="replace")


def _do(device: DeviceAccess, *command: str) -> str:
    done = device.run(command)
    if done.returncode != 0:
        raise RunError(f"{device.name}: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
