"""`python -m benchmarks.load [NAME...]`: more than a link or a hub is made for; does the certificate hold, or say not?

Needs root. 1 Gbit/s of UDP offered to a link of 200 Mbit/s for a minute; 100 TCP flows through one of 200 Mbit/s
for half a minute; 10,000 requests in a minute, of 20 kB at most, through a hub's cache (a whole run). Prints what came
of each beside its bar, and every fault that the certificate names.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from benchmarks import measure
from benchmarks.__main__ import Row
from benchmarks.measure import MS
from benchmarks.program import TESTBED
from testbed import paths
from testbed.link import pair
from testbed.link.fidelity import Certificate
from testbed.link.native import NativeBackend
from testbed.model.link import LinkSchedule, QueueLimit
from testbed.result.store import Result

RATE_BPS, DELAY_NS, QUEUE_NS = 200_000_000, 20 * MS, 100 * MS
PAYLOAD, HEADERS = 1400, 42  # Ethernet, IPv4 and UDP: a link's rate counts frames
OFFERED_BPS, FLOOD_S = 1_000_000_000, 60.0
FLOWS, FLOWS_S = 100, 30.0
REQUESTS, REQUESTS_S = 10_000, 60
SCENARIO = f"""\
# load.yaml: do {REQUESTS:,} requests in {REQUESTS_S} s get their answers?
topology: hub-two-uplinks
duration: {REQUESTS_S} s
seed: 7
uplinks:
  starlink: {{fixed: {{delay: 20 ms, rate: 200 Mbit/s}}}}
  lte: {{fixed: {{delay: 30 ms, rate: 40 Mbit/s}}}}
hub: {{failover: ping-tracked, cache: on}}
traffic:
  heartbeat: {{kind: udp-echo, from: client, to: tenant, every: 20 ms}}
  lessons: {{kind: http-get, from: client, catalogue: school-day, range: 20 kB, rate: {REQUESTS / REQUESTS_S:.4g}/s}}
objectives:
  - {{metric: packets_lost, of: heartbeat, at_most: 0}}
  - {{metric: availability, of: lessons, at_least: 100 %}}
"""


def link() -> AbstractContextManager[pair.Pair]:
    """Return the context of one link of 200 Mbit/s each way, whose queue holds 100 ms."""
    queue = QueueLimit(time_ns=QUEUE_NS)
    schedule = LinkSchedule.constant(delay_ns=DELAY_NS, rate_bps=RATE_BPS, queue=queue)
    return pair.emulated([pair.spec(0, up=schedule, down=schedule, seed=7)], NativeBackend)


def certified(name: str, certificate: Certificate) -> Iterator[Row]:
    """Yield what a certificate says, and print its faults."""
    faults = certificate.faults_against()
    print(*(f"{name}: {fault}" for fault in faults or ["the certificate is kept"]), sep="\n")
    yield Row(f"{name}: p99 lateness", measure.late_us(certificate, 0.99), "us")
    yield Row(f"{name}: lost or reordered unasked", measure.unasked(certificate), "packets", bar="<= 0")


def flood() -> Iterator[Row]:
    """Offer five times the link's rate for a minute."""
    with link() as lab:
        sink = measure.traffic(lab.right, "sink", measure.PORT, FLOOD_S + 2)
        measure.started(lab)
        rate = OFFERED_BPS / 8 / (PAYLOAD + HEADERS)
        sent = measure.said(measure.traffic(lab.left, "stream", "10.0.0.2", measure.PORT, PAYLOAD, rate, FLOOD_S))[0]
        arrived, disordered, ns = measure.said(sink)
        certificate = measure.closed(lab)
    frame_bits = (PAYLOAD + HEADERS) * 8
    yield Row("flood: offered", sent * frame_bits / FLOOD_S / 1e6, "Mbit/s", bar=">= 950")
    carried = arrived * frame_bits / (ns / 1e9) / 1e6
    yield Row("flood: arrived", carried, "Mbit/s", RATE_BPS / 1e6, ">= 0.99", of_ratio=True)
    yield Row("flood: dropped at the queue's end", sent - arrived, "packets")
    yield Row("flood: disordered", disordered, "packets", bar="<= 0")
    yield from certified("flood", certificate)


def flows() -> Iterator[Row]:
    """Have 100 TCP flows share the link."""
    with link() as lab:
        measure.started(lab)
        goodput, again = measure.tcp(lab, FLOWS, FLOWS_S)
        certificate = measure.closed(lab)
    yield Row(f"{FLOWS} flows: goodput", goodput, "Mbit/s", RATE_BPS / 1e6, ">= 0.9", of_ratio=True)
    yield Row(f"{FLOWS} flows: retransmitted", again, "segments")
    yield from certified(f"{FLOWS} flows", certificate)


def requests() -> Iterator[Row]:
    """Play a run with 10,000 requests."""
    with tempfile.TemporaryDirectory() as folder:
        scenario, results = Path(folder) / "load.yaml", Path(folder) / "results"
        scenario.write_text(SCENARIO)
        command = [*TESTBED, "run", str(scenario), "--json", "--results", str(results)]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        if not results.exists():
            raise SystemExit(done.stderr)
        result = Result.load(next(results.iterdir()))
        asked = result.evidence.samples["lessons"]
        record = result.record
    for verdict in record.verdicts:
        print(f"requests: {verdict.line}")
    if record.fidelity is None:
        raise SystemExit(f"requests: {record.state}: {record.error}")
    print(f"requests: {record.fidelity.reason or 'the certificate is kept'}")
    good = (asked["status"].fill_null(0).to_numpy() < 300) & asked["error"].is_null().to_numpy()
    late_ms = asked["started_ns_late"].to_numpy() / 1e6
    first_ms = asked["ttfb_ns"].drop_null().to_numpy() / 1e6
    yield Row("requests: asked", len(asked), "")
    yield Row("requests: answered whole", int(good.sum()), "", len(asked), ">= 1", of_ratio=True)
    yield Row("requests: sent late by, p99", float(np.percentile(late_ms, 99)), "ms")
    yield Row("requests: first byte, p50", float(np.percentile(first_ms, 50)), "ms")
    yield Row("requests: first byte, p99", float(np.percentile(first_ms, 99)), "ms")
    figures = record.fidelity.links.values()
    late_us = max(float(one["late_p99_ns"] or 0) for one in figures) / 1000
    unasked = sum(one["unasked_losses"] + one["unasked_reorderings"] for one in figures)
    yield Row("requests: p99 lateness, worst link", late_us, "us")
    yield Row("requests: lost or reordered unasked", unasked, "packets", bar="<= 0")


BENCHMARKS: dict[str, Callable[[], Iterator[Row]]] = {one.__name__: one for one in (flood, flows, requests)}


def main() -> None:
    """Run those that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    args = parser.parse_args()
    subprocess.run(["make", "-s", "-C", str(measure.ROOT / "benchmarks")], check=True)
    for name in args.names or BENCHMARKS:
        for row in BENCHMARKS[name]():
            mark = {None: "", True: "reached", False: "MISSED"}[row.reached]
            base = "" if row.baseline is None else f"of {row.baseline:g}"
            print(f"{row.name:36} {row.value:12.3f} {row.unit:10} {base:10} {row.bar:10} {mark}", flush=True)


if __name__ == "__main__":
    main()
