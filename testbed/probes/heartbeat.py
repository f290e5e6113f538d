"""The heartbeat: a small UDP packet at a fixed interval from a client of the hub to the tenant and back."""

from __future__ import annotations

import gzip
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from testbed.errors import RunError
from testbed.lab.lines import LineLog, ends
from testbed.lab.parts import Part
from testbed.model.traffic import HEARTBEAT_BYTES, UdpEcho
from testbed.probes import irtt, samples
from testbed.probes.probe import SECOND_NS, Live, Probe, ProbeState, Site
from testbed.probes.responder import Responder, promptly
from testbed.traces.formats.irtt_reply import parse_reply

REPLY_WAIT_NS = SECOND_NS
"""How long irtt waits for replies after its last packet."""
GRACE_S = 15.0


class Heartbeat(Probe):
    """irtt from ``site.client`` to ``site.tenant``; its samples are those of ``samples.HEARTBEAT``."""

    def __init__(self, traffic: UdpEcho, site: Site) -> None:
        self._traffic, self._site = traffic, site
        self._responder = Responder(site, traffic.name)
        self._document = site.logs / f"{traffic.name}.json"
        self._lines = site.logs / f"{traffic.name}.txt"
        self._started_ns = 0
        self._process: subprocess.Popen[str] | None = None
        self._reader: LineLog | None = None
        self._lock = threading.Lock()
        self._recent: deque[int] = deque()  # arrivals of the last second
        self._last_rtt_ns: int | None = None
        self._total = 0

    def open(self) -> None:
        self._responder.open()

    def ready(self) -> None:
        self._responder.ready()

    def start(self, at_ns: int) -> None:
        self.ready()
        self._started_ns = at_ns
        command = ["irtt", "client", *self._options(), self._responder.target]
        with self._document.open("wb") as document:  # "-o -": the document on stdout, the lines on stderr
            self._process = self._site.client.popen(
                promptly(command),
                stdin=subprocess.DEVNULL,
                stdout=document,
                stderr=subprocess.PIPE,
                text=True,
                process_group=0,
            )
        stream = cast(IO[str], self._process.stderr)
        self._reader = LineLog(stream, self._lines, self._site.clock, self._follow, stamped=True)

    def poll(self) -> Live:
        with self._lock:
            self._forget()
            answered = len(self._recent)
            state = self._state(answered)
            expected = SECOND_NS // self._traffic.every if self._total else 0
            failed = max(0, expected - answered) if state is not ProbeState.ENDED else 0
            return Live(state, self._last_rtt_ns, answered, failed, self._total)

    def parts(self) -> Iterator[Part]:
        yield from self._responder.parts()
        if self._process is not None:
            name = self._traffic.name
            yield Part(f"irtt of {name}", self._process, self._last_words, name, due_ns=self._end_ns)

    def so_far(self, since_ns: int = 0) -> pa.Table:
        packets = irtt.salvage_since(self._lines, self._started_ns, since_ns)
        return samples.table([p.row() for p in (*packets, *self._unanswered(packets))], samples.HEARTBEAT)

    def finish(self) -> Path:
        if self._process is None or self._reader is None:
            self._responder.close()
            raise RunError(f"{self._traffic.name}: finished before it was started")
        interrupted = self._end()
        self._reader.join(GRACE_S)
        self._responder.close()
        packets, complete = self._packets(), self._process.returncode == 0 and not interrupted
        if not complete:
            packets = irtt.answered_in_time(packets, REPLY_WAIT_NS)
        path = self._site.samples / f"{self._traffic.name}.parquet"
        samples.write([packet.row() for packet in packets], samples.HEARTBEAT, path)
        if not complete and not interrupted:
            raise RunError(f"{self._traffic.name}: irtt ended before its time: {self._last_words()}")
        return path

    def _unanswered(self, packets: Sequence[irtt.Echo]) -> Iterator[irtt.Echo]:
        """Yield the packets sent since the last reply and too long ago to be still on their way."""
        if packets:
            last, now_ns = packets[-1], min(self._site.clock(), self._end_ns) - self._started_ns
            sent = range(last.t_ns + self._traffic.every, now_ns - REPLY_WAIT_NS, self._traffic.every)
            yield from (irtt.Echo(last.seq + n, t_ns, None, "unknown") for n, t_ns in enumerate(sent, 1))

    @property
    def _end_ns(self) -> int:
        return self._started_ns + self._site.duration_ns

    def _options(self) -> list[str]:
        duration_ns = self._end_ns - self._site.clock()
        options = ["-4", "-i", f"{self._traffic.every}ns", "-d", f"{duration_ns}ns", "-o", "-"]
        options += ["-l", str(HEARTBEAT_BYTES)]
        return [*options, "--timeouts=2s,4s", f"--wait={REPLY_WAIT_NS}ns"]

    def _follow(self, now_ns: int, line: str) -> None:
        reply = parse_reply(line)
        if reply:
            with self._lock:
                self._recent.append(now_ns)
                self._last_rtt_ns = reply[1]
                self._total += 1

    def _forget(self) -> None:
        since_ns = self._site.clock() - SECOND_NS
        while self._recent and self._recent[0] < since_ns:
            self._recent.popleft()

    def _state(self, answered: int) -> ProbeState:
        status = self._process.poll() if self._process else None
        if status is not None:
            return ProbeState.FAILED if status else ProbeState.ENDED
        if not self._total:
            return ProbeState.STARTING
        return ProbeState.RUNNING if answered else ProbeState.SILENT

    def _end(self) -> bool:
        """Wait for irtt where its time is over, else interrupt it; return whether it was interrupted."""
        process = cast("subprocess.Popen[str]", self._process)
        early = self._site.clock() < self._end_ns
        if not early and ends(process, REPLY_WAIT_NS / SECOND_NS + GRACE_S):
            return False
        if process.poll() is not None:
            return False
        process.send_signal(signal.SIGINT)
        if not ends(process, GRACE_S):
            process.kill()  # the lines in the log remain
            process.wait()
        return True

    def _packets(self) -> list[irtt.Echo]:
        document = self._document.read_bytes()
        Path(f"{self._document}.gz").write_bytes(gzip.compress(document, 1))
        self._document.unlink()
        try:
            return irtt.echoes(document, self._started_ns)
        except ValueError:  # irtt died before it wrote its document, or while it did
            with self._lines.open(encoding="utf-8") as lines:
                return irtt.salvage(lines, self._started_ns)

    def _last_words(self) -> str:
        lines = self._lines.read_text(encoding="utf-8").splitlines()
        return lines[-1].partition(" ")[2] if lines else "nothing"
