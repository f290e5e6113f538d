"""What the benchmarks measure, each beside its baseline in the same run."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.link import pair
from testbed.link.backend import LinkSpec
from testbed.link.fidelity import Certificate
from testbed.link.native import NativeBackend
from testbed.link.simulated import SimulatedLink
from testbed.model.link import LinkSchedule

MS = 10**6
ROOT = Path(__file__).resolve().parents[1]
TRAFFIC = str(ROOT / "build" / "traffic")
PORT = 5000
WARM_UP_S = 0.5  # left out: neighbours are looked up first
FOREIGN_MAC = "02:00:00:00:00:99"


@dataclass(frozen=True)
class OneWay:
    """One-way errors in ns of the packets that arrived, and how many did not, or not in order."""

    error_ns: NDArray[np.int64]
    lost: int
    disordered: int

    def quantile_us(self, percent: float) -> float:
        """Return a percentile of the errors in microseconds."""
        return float(np.percentile(self.error_ns, percent)) / 1000


def traffic(where: pair.Namespace, *job: object) -> subprocess.Popen[bytes]:
    """Start one job of traffic.c in a namespace."""
    return where.spawn([TRAFFIC, *map(str, job)])


def said(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the numbers that a traffic job printed at its end."""
    return [int(word) for word in process.communicate(timeout=120)[0].split()]


def links(delay_ns: int, n: int = 1) -> AbstractContextManager[pair.Pair]:
    """Return the context of n native links with this delay each way."""
    constant = LinkSchedule.constant(delay_ns=delay_ns)
    return pair.emulated([pair.spec(i, up=constant, down=constant, seed=i) for i in range(n)], NativeBackend)


def one_way(lab: pair.Pair, delay_ns: int, rate: int, seconds: float, hosts: int = 1) -> OneWay:
    """Send UDP packets at a steady rate and compare send and arrival times."""
    file = lab.folder / "samples"
    sink = traffic(lab.right, "sink", PORT, seconds + 1.5, file)
    time.sleep(0.3)  # until it listens
    sent = said(traffic(lab.left, "stream", "10.0.0.2", PORT, 64, rate, seconds, hosts))[0]
    arrived, disordered, _ = said(sink)
    samples = np.fromfile(file, np.dtype("<u8,<i8,<i8"))
    error = (samples["f2"] - samples["f1"] - delay_ns).astype(np.int64)
    return OneWay(error[round(rate * WARM_UP_S) :], sent - arrived, disordered)


def tcp(lab: pair.Pair, flows: int, seconds: float) -> tuple[float, int]:
    """Return a TCP transfer's goodput in Mbit/s and its retransmissions."""
    accept = traffic(lab.right, "accept", PORT, flows)
    time.sleep(0.3)
    again = said(traffic(lab.left, "push", "10.0.0.2", PORT, seconds, flows))[0]
    size, ns = said(accept)
    return size * 8000 / ns, again


def started(lab: pair.Pair) -> None:
    """Start a lab's links now."""
    assert lab.backend is not None
    lab.backend.start(time.time_ns())


def closed(lab: pair.Pair) -> Certificate:
    """End a lab's links and return their certificate."""
    assert lab.backend is not None
    return lab.backend.close()


def unasked(certificate: Certificate) -> int:
    """Return how many packets were lost or reordered by the engine itself."""
    return sum(d.unasked_losses + d.unasked_reorderings for d in certificate.directions)


def offloads(lab: pair.Pair, state: str) -> None:
    """Switch the hosts' segmentation offloads ``on`` or ``off``: who cuts, their interfaces or their stacks."""
    for end in (lab.left, lab.right):
        end.run("ethtool", "-K", "e0", "tso", state, "tx-udp-segmentation", state)


def late_us(certificate: Certificate, share: float) -> float:
    """Return the lateness in microseconds that this share of all links' packets did not exceed."""
    packets: Counter[int] = Counter()
    for direction in certificate.directions:
        packets.update(direction.lateness)
    edges = sorted(packets)
    reached = np.cumsum([packets[edge] for edge in edges])
    return edges[int(np.searchsorted(reached, share * reached[-1]))] / 1000


def small_packets(rate: int, seconds: float, state: str) -> tuple[float, int]:
    """Send 64-byte frames one way; return packets a second that left the link, and unasked losses.

    The far end drops them at its door: they carry a MAC address that is not its own. What a receiver
    does with packets would otherwise be done on the engine's processor, inside its send call.
    """
    with links(0) as lab:
        offloads(lab, state)
        lab.left.run("ip", "neighbour", "replace", "10.0.0.2", "lladdr", FOREIGN_MAC, "dev", "e0")
        started(lab)
        cores = sorted(os.sched_getaffinity(0))
        for thread in _threads(lab):
            os.sched_setaffinity(int(thread.name), {cores[-1]})
        # the sender is the instrument: on a busy host it must not be what is measured
        first = ["taskset", "--cpu-list", str(cores[0]), "nice", "--adjustment=-20"]
        job = ("stream", "10.0.0.2", PORT, 18, rate, seconds)
        said(lab.left.spawn([*first, TRAFFIC, *map(str, job)]))
        certificate = closed(lab)
        return certificate.directions[0].packets / seconds, unasked(certificate)


def most_small_packets(rates: list[int], seconds: float, state: str) -> float:
    """Return the highest rate of 64-byte frames that the engine carried without losing one; see offloads()."""
    tries = map(partial(small_packets, seconds=seconds, state=state), rates)
    passed = [got for got, lost in tries if lost == 0]
    return max(passed, default=0.0)


def cpu_ns(lab: pair.Pair) -> int:
    """Return the CPU time of linkd's packet thread."""
    return max(int((thread / "schedstat").read_text().split()[0]) for thread in _threads(lab))


def _threads(lab: pair.Pair) -> list[Path]:
    assert isinstance(lab.backend, NativeBackend)
    return list(Path(f"/proc/{lab.backend.pid}/task").iterdir())


def simulated_hour() -> tuple[float, bool]:
    """Simulate an hour at 100 packets/s twice; return seconds for one, and whether both are the same."""
    t = np.arange(360_000, dtype=np.int64) * 10 * MS
    schedule = LinkSchedule.constant(delay_ns=25 * MS, loss=0.01, rate_bps=10**7)
    evidence, seconds = [], 0.0
    for _ in range(2):
        began = time.perf_counter()
        link = SimulatedLink(schedule, 7)
        link.start(0)
        transit = link.send(t, 1000)
        evidence.append(transit.fate.tobytes() + transit.depart_ns.tobytes() + link.bins().tobytes())
        seconds = time.perf_counter() - began
    return seconds, evidence[0] == evidence[1]


def long_schedule() -> tuple[float, float]:
    """Open a link of 6 h in 10 ms steps; return seconds until it forwards and linkd's memory in MB."""
    n = 6 * 3600 * 100
    rng = np.random.default_rng(0)
    schedule = LinkSchedule(
        t_ns=np.arange(n, dtype=np.int64) * 10 * MS,
        delay_ns=rng.integers(10 * MS, 60 * MS, n).astype(np.int64),
        loss=np.zeros(n),
        rate_bps=np.zeros(n, np.int64),
        state=np.zeros(n, np.uint8),
        end_ns=n * 10 * MS,
    )
    spec = pair.spec(up=schedule, down=LinkSchedule.constant())
    with pair.emulated([spec], _Timed) as lab:
        assert isinstance(lab.backend, _Timed)
        status = Path(f"/proc/{lab.backend.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return lab.backend.seconds, int(resident.split()[1]) * 1024 / 1e6


class _Timed(NativeBackend):
    seconds = 0.0

    def open(self, links: Sequence[LinkSpec]) -> None:
        began = time.perf_counter()
        super().open(links)
        self.seconds = time.perf_counter() - began
