"""The workload: requests for the catalogue's objects through the hub's cache, at times drawn in advance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa

from testbed.errors import RunError
from testbed.model.traffic import HttpGet
from testbed.paths import ROOT
from testbed.probes import samples
from testbed.probes.demand import draw
from testbed.probes.lines import LineLog
from testbed.probes.probe import SECOND_NS, Live, Probe, ProbeState, Site

REQUESTS_AT_ONCE = 256
"""More in flight than this are refused: a client's own ports and memory are finite too."""
START_S = 10.0
GRACE_S = 5.0


class Workload(Probe):
    """Open-loop requests from ``site.client`` to ``site.url``; it writes ``samples.REQUESTS``."""

    def __init__(self, traffic: HttpGet, site: Site) -> None:
        self._traffic, self._site = traffic, site
        self._log = site.logs / f"{traffic.name}.jsonl"
        self._requests = draw(
            f"{site.seed}/{traffic.name}", traffic.rate, site.duration_ns, tuple(site.objects)
        )
        self._started_ns = 0
        self._process: subprocess.Popen[str] | None = None
        self._reader: LineLog | None = None
        self._lock = threading.Lock()
        self._recent: deque[tuple[int, bool]] = deque()  # end and success of the last second's requests
        self._last_ttfb_ns: int | None = None
        self._total = 0

    def open(self) -> None:
        """Start the client; it loads, which takes half a second, while the caller does other things."""
        with (self._site.logs / f"{self._traffic.name}.log").open("ab") as log:
            self._process = self._site.client.popen(
                [sys.executable, "-m", "testbed.probes.http_client"],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                process_group=0,
            )
        stream = cast(IO[str], self._process.stdout)
        self._reader = LineLog(stream, self._log, self._site.clock, self._follow, awaited="ready")
        self._tell(self._plan())

    def ready(self) -> None:
        if self._reader is None or not self._reader.came(START_S):
            raise RunError(f"{self._traffic.name}: the HTTP client did not start: {self._last_words()}")

    def start(self, at_ns: int) -> None:
        self.ready()
        self._started_ns = at_ns
        self._tell({"at_ns": at_ns})

    def poll(self) -> Live:
        with self._lock:
            since_ns = self._site.clock() - SECOND_NS
            while self._recent and self._recent[0][0] < since_ns:
                self._recent.popleft()
            good = sum(well for _, well in self._recent)
            return Live(self._state(), self._last_ttfb_ns, good, len(self._recent) - good, self._total)

    def so_far(self) -> pa.Table:
        return samples.table(self._rows(), samples.REQUESTS)

    def finish(self) -> Path:
        if self._process is None or self._reader is None:
            raise RunError(f"{self._traffic.name}: finished before it was opened")
        interrupted = self._end()
        self._reader.join(GRACE_S)
        path = self._site.samples / f"{self._traffic.name}.parquet"
        rows = self._rows()
        samples.write(rows, samples.REQUESTS, path)
        if not interrupted and len(rows) < len(self._requests):
            raise RunError(
                f"{self._traffic.name}: the HTTP client ended after {len(rows)} of {len(self._requests)} "
                f"requests: {self._last_words()}"
            )
        return path

    def _rows(self) -> list[dict[str, Any]]:
        with self._log.open(encoding="utf-8") as lines:
            return read_rows(lines, self._site.client.name)

    def _plan(self) -> dict[str, object]:
        stored = self._site.stored
        return {
            "url": self._site.url,
            "timeout_s": self._traffic.timeout / SECOND_NS,
            "at_once": REQUESTS_AT_ONCE,
            "requests": [
                [r.at_ns, r.object, stored[r.object].size, stored[r.object].sha256] for r in self._requests
            ],
        }

    def _tell(self, message: object) -> None:
        pipe = cast(IO[str], cast("subprocess.Popen[str]", self._process).stdin)
        with suppress(BrokenPipeError):  # a client that ended is noticed by start() and finish()
            pipe.write(json.dumps(message) + "\n")
            pipe.flush()

    def _follow(self, now_ns: int, line: str) -> None:
        row = json.loads(line)
        if "t_ns" in row:
            with self._lock:
                self._recent.append((now_ns, row["error"] is None and row["status"] == 200))
                self._last_ttfb_ns = row.get("ttfb_ns", self._last_ttfb_ns)
                self._total += 1

    def _state(self) -> ProbeState:
        status = self._process.poll() if self._process else None
        if status is not None:
            return ProbeState.FAILED if status else ProbeState.ENDED
        if not self._started_ns or self._site.clock() < self._started_ns:
            return ProbeState.STARTING
        return ProbeState.RUNNING if self._recent else ProbeState.SILENT

    def _end(self) -> bool:
        """Let the last requests end or time out where the duration has passed, else interrupt; say which."""
        process = cast("subprocess.Popen[str]", self._process)
        over = self._site.clock() >= self._started_ns + self._site.duration_ns > self._site.duration_ns
        try:
            if over:
                process.wait(timeout=self._traffic.timeout / SECOND_NS + GRACE_S)
        except subprocess.TimeoutExpired:
            over = False
        with suppress(BrokenPipeError):
            cast(IO[str], process.stdin).close()
        try:
            process.wait(timeout=GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return not over

    def _last_words(self) -> str:
        log = self._site.logs / f"{self._traffic.name}.log"
        lines = log.read_text(encoding="utf-8").splitlines()
        return lines[-1] if lines else "it said nothing"


def read_rows(lines: Iterable[str], client: str) -> list[dict[str, Any]]:
    """Return the samples in a client's output, in the order of their schedule.

    A last line that a kill cut short is left out.
    """
    rows = []
    for line in lines:
        with suppress(json.JSONDecodeError):
            row = json.loads(line)
            if "t_ns" in row:
                rows.append(row | {"client": client})
    return sorted(rows, key=lambda row: row["t_ns"])
