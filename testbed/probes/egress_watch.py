"""Watches what leaves the hub: tcpdump where each uplink's link takes in what its CPE sends."""

from __future__ import annotations

import heapq
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path

import dpkt
from dpkt.pcapng import EnhancedPacketBlockLE, InterfaceDescriptionBlockLE, PcapngOptionLE

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.metrics.egress import SAMPLES
from testbed.probes import samples
from testbed.probes.departures import departures

KEPT = "egress.pcapng"
_SNAP = 1514
"""Bytes of a packet that are looked at: names are in the first data of a connection, which fill its packets."""
_HEADERS = 54
"""Bytes of a packet that are kept: of Ethernet, IPv4 and TCP without options. Nothing that a user sent."""
_IF_NAME = 2
_ENDS_S = 30.0
_DROPPED = re.compile(rb"(\d+) packets? dropped by kernel")


class EgressWatch:
    """The captures of a run, one for each link; ``folder`` must be the run's own, in memory."""

    def __init__(self, emulator: DeviceAccess, ports: Mapping[str, str], folder: Path, logs: Path) -> None:
        """``ports`` has each link's port towards the hub."""
        self._emulator, self._ports, self._folder, self._logs = emulator, ports, folder, logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def open(self) -> None:
        """Begin to watch; returns when every link is watched. Raises RunError."""
        for link, port in self._ports.items():
            command = ["tcpdump", "-i", port, "-n", "-U", "-s", str(_SNAP), "-B", "16384", "-Q", "in"]
            command += ["--immediate-mode", "--time-stamp-precision=nano", "-Z", "root", "-w", str(self._file(link))]
            with self._log(link).open("wb") as log:
                self._processes[link] = self._emulator.popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
        for link, process in self._processes.items():
            while not self._file(link).exists() or not self._file(link).stat().st_size:
                try:
                    process.wait(timeout=0.02)
                except subprocess.TimeoutExpired:
                    continue
                raise RunError(f"nobody watches what leaves by {link}: {self._log(link).read_text().strip()}")

    def finish(self, started_ns: int, into: Path, kept: Path) -> Path:
        """Write the flows that left to ``into``, and headers alone to ``kept``; return the samples' path.

        Raises RunError where not all of it was seen.
        """
        missed = [link for link, process in self._processes.items() if process.poll() is not None]
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
        for link, process in self._processes.items():
            process.wait(timeout=_ENDS_S)
            dropped = _DROPPED.search(self._log(link).read_bytes())
            if dropped is None or int(dropped[1]):
                missed.append(link)
        rows = [
            {**row, "t_ns": row["t_ns"] - started_ns, "end_ns": row["end_ns"] - started_ns}
            for link in self._processes
            for row in (found.row() for found in departures(_packets(self._file(link)), link))
        ]
        self._keep(kept)
        if missed:
            raise RunError(f"not all that left by {', '.join(missed)} was seen")
        return samples.write(sorted(rows, key=itemgetter("t_ns")), samples.DEPARTURES, into / f"{SAMPLES}.parquet")

    def close(self) -> None:
        """End it, if it has not ended."""
        for process in self._processes.values():
            process.kill()
            process.wait()

    def _keep(self, path: Path) -> None:
        names = [PcapngOptionLE(code=_IF_NAME, data=link.encode()) for link in self._processes]
        ports = [InterfaceDescriptionBlockLE(snaplen=_HEADERS, opts=[name, PcapngOptionLE()]) for name in names]
        seen = (((*packet, number) for packet in _packets(self._file(link))) for number, link in enumerate(self._ports))
        with path.open("wb") as file:
            writer = dpkt.pcapng.Writer(file, idb=ports)
            for t_ns, frame, number in heapq.merge(*seen):
                head = frame[:_HEADERS]
                kept = EnhancedPacketBlockLE(
                    iface_id=number, caplen=len(head), pkt_len=len(frame), pkt_data=head
                )
                writer.writepkt(kept, t_ns / 1e9)

    def _file(self, link: str) -> Path:
        return self._folder / f"egress-{link}.pcap"

    def _log(self, link: str) -> Path:
        return self._logs / f"tcpdump-{link}.log"


def _packets(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the packets of a capture with their times in ns."""
    with path.open("rb") as file:
        for time_s, frame in dpkt.pcap.Reader(file):
            yield int(time_s * 10**9), frame
