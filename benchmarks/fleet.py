"""`python -m benchmarks.fleet`: what a light hub costs, and how near shared cells are to a fluid model.

No root, but for `--live`: the links of real hubs in real time, in cells that light hubs fill, beside a plain veth.

Each size is measured in a process of its own: reading and computing the fleet, opening it, its memory, and the time
that a minute of 20 packets/s a hub takes. The fluid model serves the priority tier first and shares the rest of a
cell in proportion to what each hub is sent.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import measure
from benchmarks.__main__ import Row
from testbed.link import light_plan, pair
from testbed.link.light import LightFleet
from testbed.link.light_plan import HubMove, LightHub, LightLane, LightStream, LoadKind
from testbed.link.native import NativeBackend
from testbed.metrics.fleet.fairness import jain
from testbed.model.cell import Cell
from testbed.model.link import LinkSchedule, QueueLimit
from testbed.model.topology import Topology
from testbed.paths import ROOT, TOPOLOGIES
from testbed.yaml import load

SIZES = (10, 100, 450, 1000)
MS, S = 10**6, 10**9
BEAMS, PRIORITY = 10, 46
REAL, REAL_RATE = 4, 80  # hubs, and the packets a second of all of them
PRIORITY_BPS, STANDARD_BPS, PACKET = 60_000, 100_000, 500


def built(n: int) -> list[LightHub]:
    """Return hubs of the repository's fleet, computed one by one, with links of 20 and 35 ms."""
    topology = load.read(TOPOLOGIES / "fleet-shared-cells.yaml", Topology)
    assert topology.fleet is not None
    fleet = replace(topology.fleet, hubs=n, table={})
    sky, mast = (LinkSchedule.constant(delay_ns=delay * MS) for delay in (20, 35))
    hubs = []
    for i in range(1, n + 1):
        hub = fleet.hub(i, topology.hub_ports)
        beam = f"beam{(i - 1) % BEAMS}"
        lanes = ((LightLane(sky), LightLane(sky, cell=beam)), (LightLane(mast), LightLane(mast)))
        hubs.append(LightHub(lanes, hub.users, (50_000,)))
    return hubs


def beams(rates_bps: list[int], *, tiers: bool = False) -> dict[str, Cell]:
    queue = QueueLimit(time_ns=100 * MS)
    return {
        f"beam{i}": Cell(
            f"beam{i}", LinkSchedule.constant(rate_bps=rate, queue=queue),
            (frozenset({PRIORITY}),) if tiers else (), apart=tiers,
        )
        for i, rate in enumerate(rates_bps)
    }  # fmt: skip


def one_size(n: int) -> dict[str, float]:
    """Bring a fleet of this size up and play a minute of 20 packets/s each."""
    began = time.monotonic()
    hubs = built(n)
    stream = LightStream(LoadKind.FLOW, S // 20, 1200)
    moves = [HubMove(0, hub, 0) for hub in range(n)]
    fleet = LightFleet(light_plan.plan(hubs, beams([200_000_000] * BEAMS), [stream], moves, duration_ns=60 * S))
    up = time.monotonic() - began
    fleet.run(60 * S - 1)
    played = time.monotonic() - began - up
    bins = fleet.tallies().bins[0]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    fleet.close()
    lost = float(bins["lost"].sum())
    return {"up": up, "played": played, "memory": memory, "packets": float(bins["packets"].sum()), "lost": lost}


def sizes() -> list[Row]:
    """Measure each size in a process of its own."""
    rows: list[Row] = []
    for n in SIZES:
        command = [sys.executable, "-m", "benchmarks.fleet", "--size", str(n)]
        told = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
        at_450 = n == 450
        rows += [
            Row(f"fleet of {n}: bring-up", told["up"], "s", bar="<= 30" if at_450 else ""),
            Row(f"fleet of {n}: memory", told["memory"] / 1e6, "MB", bar="<= 1500" if at_450 else ""),
            Row(f"fleet of {n}: a minute at 20 packets/s a hub", told["played"], "s", bar="<= 60" if at_450 else ""),
            Row(f"fleet of {n}: lost with room for all", told["lost"], "packets", bar="<= 0"),
        ]
    return rows


def live(n: int, seconds: int) -> list[Row]:
    """Two links each of four real hubs, in cells that `n` light hubs send through, 20 packets/s each."""
    with pair.wire() as plain:
        base = measure.one_way(plain, 0, REAL_RATE, seconds).quantile_us(99)
    began = time.monotonic()
    moves = [HubMove(0, hub, 0) for hub in range(n)]
    stream = LightStream(LoadKind.FLOW, S // 20, 1200)
    plan = light_plan.plan(built(n), beams([200_000_000] * BEAMS), [stream], moves, duration_ns=10 * seconds * S)
    sky = LinkSchedule.constant(delay_ns=20 * MS)
    specs = [pair.spec(i, up=sky, down=sky, seed=i, up_cell=f"beam{i}", down_cell=f"beam{i}") for i in range(2 * REAL)]
    with pair.emulated(specs, lambda folder, spawn: NativeBackend(folder, spawn, fleet=plan)) as lab:
        up = time.monotonic() - began
        measure.started(lab)
        before = measure.cpu_ns(lab)
        lost = measure.one_way(lab, 20 * MS, REAL_RATE, seconds).lost
        busy = (measure.cpu_ns(lab) - before) / (seconds + 1.5) / S
        backend = lab.backend
        assert isinstance(backend, NativeBackend)
        memory = int(Path(f"/proc/{backend.pid}/statm").read_text().split()[1]) * resource.getpagesize()
        sent = int(backend.tallies().bins["packets"].sum())
        certificate = measure.closed(lab)
    late = measure.late_us(certificate, 0.99)
    name, counts = f"live, {n} hubs and {REAL} real:", n == 450
    return [
        Row(f"{name} faults in the certificate", len(certificate.faults_against()), "", bar="<= 0" if counts else ""),
        Row(f"{name} p99 lateness", late, "us", bar=f"<= {base + 300:.0f}" if counts else ""),
        Row(f"{name} p99 of a plain veth", base, "us"),
        Row(f"{name} lost that nobody asked for", lost + measure.unasked(certificate), "packets", bar="<= 0"),
        Row(f"{name} packet thread", busy, "of a processor"),
        Row(f"{name} light packets", sent / (seconds + 1.5), "a second"),
        Row(f"{name} links up", up, "s", bar="<= 30" if counts else ""),
        Row(f"{name} linkd's memory", memory / 1e6, "MB", bar="<= 1500" if counts else ""),
    ]


def fluid(rates_bps: np.ndarray, hubs: int) -> np.ndarray:
    """Return what the model carries each hub of a beam, priority and standard, shape (beams, 2)."""
    first = np.minimum(PRIORITY_BPS * hubs, rates_bps)
    rest = np.minimum(STANDARD_BPS * hubs, rates_bps - first)
    return np.stack([first, rest], axis=1) / hubs


def fairness(seconds: int) -> list[Row]:
    """450 hubs in 10 beams of 2 to 8 Mbit/s, 7.2 asked for in each: Jain's index and each beam against the model."""
    n = 450
    rates = np.linspace(2_000_000, 8_000_000, BEAMS).astype(np.int64)
    streams = [
        LightStream(LoadKind.FLOW, PACKET * 8 * S // bps, PACKET, dscp)
        for bps, dscp in ((PRIORITY_BPS, PRIORITY), (STANDARD_BPS, 0))
    ]
    moves = [HubMove(0, hub, 0) for hub in range(n)]
    cells = beams(rates.tolist(), tiers=True)
    fleet = LightFleet(light_plan.plan(built(n), cells, streams, moves, duration_ns=seconds * S))
    fleet.run(seconds * S - 1)
    carried = fleet.tallies().bins["carried"].sum(axis=1) * 8.0 / seconds  # (2, hubs)
    fleet.close()
    model = fluid(rates, n // BEAMS)[np.arange(n) % BEAMS].T
    rows = []
    for tier, played, expected in zip(("priority", "standard"), carried, model, strict=True):
        index, known = jain(played), jain(expected)
        assert index is not None and known is not None  # every hub is sent something
        name = f"fairness, {tier}: off the fluid model's {known:.3f}"
        rows.append(Row(name, abs(index / known - 1), "", bar="<= 0.02"))
        by_beam = played.reshape(-1, BEAMS).mean(axis=0) - expected.reshape(-1, BEAMS).mean(axis=0)
        off = float(np.abs(by_beam).max() / expected.max())
        rows.append(Row(f"worst beam, {tier}: off the model, of its largest share", off, "", bar="<= 0.02"))
    return rows


def main() -> int:
    """Measure, print; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fleet", description=__doc__)
    parser.add_argument("--size", type=int, help="measure one size alone and print JSON")
    parser.add_argument("--live", type=int, metavar="SECONDS", help="of real time for each size; needs root")
    parser.add_argument("--seconds", type=int, default=120, help="of simulated time for the fairness (120)")
    options = parser.parse_args()
    if options.size:
        print(json.dumps(one_size(options.size)))
        return 0
    if options.live:
        rows = [row for n in SIZES for row in live(n, options.live)]
    else:
        rows = [*sizes(), *fairness(options.seconds)]
    for row in rows:
        state = {True: "reached", False: "MISSED", None: ""}[row.reached]
        print(f"{row.name:<60} {row.value:>10.4g} {row.unit:<8} {row.bar:<9} {state}")
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
