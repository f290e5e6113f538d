"""Probes whose measurement is done by a Python module of this package on a device, in lines of JSON.

A script reads a line with its plan from standard input, prints ``{"ready": true}``, reads a line
``{"at_ns": ...}`` with the start in CLOCK_REALTIME ns, and prints what it measures, a line at a time. The
end of its standard input is the wish that it ends.
"""

from __future__ import annotations

import json
import subprocess
import threading
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import pyarrow as pa

from testbed.errors import RunError
from testbed.lab.lines import LineLog, ends
from testbed.lab.parts import Part
from testbed.probes import samples
from testbed.probes.probe import SECOND_NS, Live, Probe, ProbeState, Site
from testbed.probes.responder import PRIORITY

if TYPE_CHECKING:
    from testbed.lab.devices import DeviceAccess

START_S = 60.0
GRACE_S = 15.0

Row = dict[str, Any]


class Script:
    """One script on one device; ``follow(now_ns, row)`` hears each line that it prints."""

    def __init__(
        self, device: DeviceAccess, name: str, plan: Mapping[str, Any], log: Path, *, prompt: bool = False
    ) -> None:
        self._device, self._name, self._plan, self._log = device, name, plan, log
        self._follower = RowsFollower(log)
        self._prompt = prompt
        self.process: subprocess.Popen[str] | None = None
        self._lines: LineLog | None = None

    def open(self, clock: Callable[[], int], follow: Callable[[int, Row], None]) -> None:
        """Start it; it loads while the caller does other things."""
        with self._log.with_suffix(".log").open("ab") as log:
            self.process = self._device.popen_module(
                f"testbed.probes.{self._name}",
                wrapper=PRIORITY if self._prompt else (),
                stdin=subprocess.PIPE,
                stderr=log,
            )
        stream = cast(IO[str], self.process.stdout)
        self._lines = LineLog(
            stream, self._log, clock, lambda now_ns, line: follow(now_ns, json.loads(line)), awaited="ready"
        )
        self.tell(self._plan)

    def ready(self) -> bool:
        """Return whether it is ready, waiting for it."""
        return self._lines is not None and self._lines.came(START_S)

    def tell(self, message: object) -> None:
        """Send it a line of JSON."""
        with suppress(BrokenPipeError):  # one that ended is noticed by ready() and finish()
            self._stdin.write(json.dumps(message) + "\n")
            self._stdin.flush()

    def end(self, wait_s: float = 0.0) -> bool:
        """Wait for its own end at most so long, then end it; return whether it had failed by itself."""
        process = cast("subprocess.Popen[str]", self.process)
        if wait_s:
            ends(process, wait_s)
        failed = process.poll() not in (None, 0)
        with suppress(BrokenPipeError):
            self._stdin.close()
        if not ends(process, GRACE_S):
            process.kill()
            process.wait()
        if self._lines:
            self._lines.join(GRACE_S)
        return failed

    def rows(self, since_ns: int = 0) -> list[Row]:
        """Return the rows that it printed since this time after the start; a last line cut short is left out."""
        return self._follower.rows(since_ns)

    def last_words(self) -> str:
        """Return the last line that it wrote to standard error."""
        lines = self._log.with_suffix(".log").read_text(encoding="utf-8").splitlines()
        return lines[-1] if lines else "it said nothing"

    @property
    def _stdin(self) -> IO[str]:
        return cast(IO[str], cast("subprocess.Popen[str]", self.process).stdin)


class RowsFollower:
    """Reads a script's log again and again while it grows: each byte of it once, whoever asks.

    Rows from before what was asked for last are forgotten: with ``t_ns`` of earlier, or without any.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()  # two may ask a standing lab at once
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._read_bytes, self._forgotten_ns, self._rows = 0, 0, list[Row]()

    def rows(self, since_ns: int = 0) -> list[Row]:
        """Return the rows since this time after the start, as they were printed; a last line cut short is left out.

        All of them since 0: a script may tell of the time before the start.
        """
        with self._lock:
            if since_ns < self._forgotten_ns:
                self._begin_anew()
            with self._log.open("rb") as log:
                log.seek(self._read_bytes)
                whole, end, _ = log.read().rpartition(b"\n")
            self._read_bytes += len(whole) + len(end)
            self._rows += read(iter(whole.decode().splitlines()))
            if since_ns:
                self._rows = [row for row in self._rows if row.get("t_ns", -1) >= since_ns]
            self._forgotten_ns = since_ns
            return list(self._rows)


def both_ends(
    name: str, traffic: str, plan: Mapping[str, Any], site: Site, *, prompt: bool = False
) -> list[Script]:
    """Return one script on both ends of a path, each with its ``end`` in the plan: tenant, client."""
    return [
        Script(device, name, {**plan, "end": end}, site.logs / f"{traffic}-{end}.jsonl", prompt=prompt)
        for end, device in (("tenant", site.tenant), ("client", site.client))
    ]


class ScriptedProbe(Probe):
    """A probe whose ``scripts`` measure: those of the tenant first, the client's last.

    The subclass makes the scripts, turns what they print into samples and says what a line means.
    """

    schema: pa.Schema
    noun = "its script"
    patience_s = 0.0
    """How long after the scenario's end the client's script may still have something to wait for."""

    def __init__(self, name: str, site: Site, scripts: Sequence[Script]) -> None:
        self._name, self._site, self._scripts = name, site, scripts
        self._started_ns = 0
        self._lock = threading.Lock()
        self._recent: deque[tuple[int, bool]] = deque()  # time and success of the last second's events
        self._last_ns: int | None = None
        self._total = 0

    def open(self) -> None:
        for script in self._scripts:
            script.open(self._site.clock, self._follow)

    def ready(self) -> None:
        for script in self._scripts:
            if not script.ready():
                raise RunError(f"{self._name}: {self.noun} did not start: {script.last_words()}")

    def start(self, at_ns: int) -> None:
        self.ready()
        self._started_ns = at_ns
        for script in self._scripts:
            script.tell({"at_ns": at_ns})

    def poll(self) -> Live:
        with self._lock:
            since_ns = self._site.clock() - SECOND_NS
            while self._recent and self._recent[0][0] < since_ns:
                self._recent.popleft()
            good = sum(well for _, well in self._recent)
            live = Live(self._state(), self._last_ns, good, len(self._recent) - good, self._total)
        return self.told(live)

    def parts(self) -> Iterator[Part]:
        due_ns = self._started_ns + self.done_from_ns
        client, *others = reversed(self._scripts)
        if client.process is not None:
            yield Part(f"{self.noun} of {self._name}", client.process, client.last_words, self._name, due_ns)
        for script in others:
            if script.process is not None:
                name = f"the tenant's end of {self._name}"
                yield Part(name, script.process, script.last_words, self._name)

    @property
    def done_from_ns(self) -> int:
        """From when, in ns since the start, the client's script may have done all it has to."""
        return self._site.duration_ns

    def so_far(self, since_ns: int = 0) -> pa.Table:
        return samples.table(self.rows(since_ns), self.schema)

    def finish(self) -> Path:
        if any(script.process is None for script in self._scripts):
            raise RunError(f"{self._name}: finished before it was opened")
        over = self._site.clock() >= self._started_ns + self._site.duration_ns > self._site.duration_ns
        client, *others = reversed(self._scripts)
        broken = [client] if client.end(self.patience_s + GRACE_S if over else 0.0) else []
        broken += [script for script in others if script.end()]
        rows = self.rows()
        path = self._site.samples / f"{self._name}.parquet"
        try:
            rows = self.checked(rows)
        finally:
            samples.write(rows, self.schema, path)
        if broken:
            raise RunError(f"{self._name}: {self.cut_short(rows)}: {broken[0].last_words()}")
        return path

    def cut_short(self, rows: Sequence[Row]) -> str:
        """Return in a few words that a script failed."""
        return f"{self.noun} ended before its time"

    @abstractmethod
    def rows(self, since_ns: int = 0) -> list[Row]:
        """Return the samples that the scripts' lines amount to so far, in the order of time.

        Those of before ``since_ns`` may be left out; not where a session is made of all its rows.
        """

    @abstractmethod
    def heard(self, row: Row) -> bool | None:
        """Return whether a script's line tells of a success or a failure; None: of neither."""

    def told(self, live: Live) -> Live:
        """Return the state with what there is to say beyond counts."""
        return live

    def checked(self, rows: list[Row]) -> list[Row]:
        """Return the samples with what can only be known when the measurement is over."""
        return rows

    def _follow(self, now_ns: int, row: Row) -> None:
        with self._lock:
            well = self.heard(row)
            if well is not None:
                self._recent.append((now_ns, well))
                self._total += 1

    def _state(self) -> ProbeState:
        process = self._scripts[-1].process
        status = process.poll() if process else None
        if status is not None:
            return ProbeState.FAILED if status else ProbeState.ENDED
        if not self._started_ns or self._site.clock() < self._started_ns:
            return ProbeState.STARTING
        return ProbeState.RUNNING if self._recent else ProbeState.SILENT


def sent_since(since_ns: int, packets: Iterable[Row]) -> Iterator[Row]:
    """Yield the packets sent since then, all of them since 0: the earliest are sent before the start.

    A line is told after what it tells of, so that the lines since then have what became of these; not of
    others in the first of the lines.
    """
    return (packet for packet in packets if packet["t_ns"] >= since_ns or not since_ns)


def read(lines: Iterator[str]) -> Iterator[Row]:
    """Yield the rows in lines of JSON, without the word that the script was ready."""
    for line in lines:
        with suppress(json.JSONDecodeError):
            row = json.loads(line)
            if "ready" not in row:
                yield row
