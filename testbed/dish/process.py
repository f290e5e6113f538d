"""A dish's API as a part of a lab: a program on the uplink's CPE."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, cast

import msgspec

from testbed.dish.settings import Settings
from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.lab.lines import LineLog, ends
from testbed.lab.parts import Part, last_line

READY_S = 60.0
_END_S = 10.0


class DishProcess:
    """open, ready, start at the run's first instant, close; ``folder`` is the run's own, in memory."""

    def __init__(self, cpe: DeviceAccess, settings: Settings, folder: Path, logs: Path) -> None:
        self._cpe, self._settings, self._folder = cpe, settings, folder
        self._log = logs / f"dish-{settings.name}.log"
        self._process: subprocess.Popen[str] | None = None
        self._lines: LineLog | None = None

    def open(self) -> None:
        """Begin to start it. Raises RunError where its node cannot have the address."""
        path = self._folder / f"dish-{self._settings.name}.json"
        path.write_bytes(msgspec.json.encode(self._settings))
        address = self._settings.address.rpartition(":")[0]
        done = self._cpe.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"])
        if done.returncode != 0:
            raise RunError(f"{self._cpe.name}: no address for the dish: {done.stderr.strip()}")
        self._process = self._cpe.popen_module(
            "testbed.dish.server", str(path), stdin=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        stream = cast(IO[str], self._process.stdout)
        self._lines = LineLog(stream, self._log, time.time_ns, lambda _now, _line: None, awaited="ready")

    def ready(self) -> None:
        """Wait until it answers. Raises RunError with its last words."""
        if self._lines is None or not self._lines.came(READY_S):
            raise RunError(f"the dish of {self._settings.name} did not start: {last_line(self._log)}")

    def start(self, start_ns: int) -> None:
        """Tell it the run's first instant, CLOCK_REALTIME. Raises RunError where it is gone."""
        process = cast("subprocess.Popen[str]", self._process)
        stdin = cast(IO[str], process.stdin)
        try:
            stdin.write(f"start {start_ns}\n")
            stdin.flush()
        except OSError as error:
            raise RunError(f"the dish of {self._settings.name} is gone: {last_line(self._log)}") from error

    def parts(self) -> Iterator[Part]:
        """Yield the process, which must live."""
        if self._process is not None:
            yield Part(f"dish of {self._settings.name}", self._process, partial(last_line, self._log))

    def close(self) -> None:
        """End it."""
        process, self._process = self._process, None  # struck off before it ends
        if process is None:
            return
        cast(IO[str], process.stdin).close()
        if not ends(process, _END_S):
            process.kill()
            process.wait(timeout=60)
