"""`python -m benchmarks.panel`: what a lab's panel costs the engine.

Needs root; two minutes. In one lab, windows in which somebody looks at the panel's ten samples a second take turns
with windows in which nobody does. Of each kind: how late packets left the links against their schedules, from the
engine's own histograms. Both meet the same neighbours on the machine.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.result.store import Result
from testbed.standing import client, registry
from testbed.standing.registry import StandingLab

NAME = "bench-panel"
WINDOWS, WINDOW_S = 3, 10.0
Lateness = Counter[int]


def lateness(entry: StandingLab) -> Lateness:
    """Return how many packets left how late so far, over all links: ns -> packets."""
    record = Result.load(Path(client.ask(entry, "check")["folder"])).record
    found: Lateness = Counter()
    for figures in (record.fidelity.links if record.fidelity else {}).values():
        counted = figures["lateness"]
        if isinstance(counted, dict):
            found.update({int(ns): int(count) for ns, count in counted.items()})
    return found


@contextmanager
def panel(entry: StandingLab) -> Iterator[tuple[str, str]]:
    """Serve a lab's panel; give its address and the header that opens it."""
    command = [sys.executable, "-m", "testbed", "lab", "panel", "--lab", entry.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address, _, token = process.stdout.readline().strip().partition("/?token=")
        yield address, json.dumps({"Authorization": f"Bearer {token}"})
        process.send_signal(signal.SIGINT)


@contextmanager
def looked_at(address: str, bearer: str) -> Iterator[Counter[str]]:
    """Look at a panel; give what was seen, when it is over."""
    seen: Counter[str] = Counter()
    command = [sys.executable, "-c", _LOOK, address, bearer]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as looker:
        assert looker.stdout
        looker.stdout.readline()  # the first sample
        yield seen
        looker.terminate()
        seen["samples"] = len(looker.stdout.read().splitlines())


_LOOK = """
import json, sys, httpx
bearer = json.loads(sys.argv[2])
with httpx.stream("GET", sys.argv[1] + "/api/stream", headers=bearer, trust_env=False, timeout=60) as answer:
    for line in answer.iter_lines():
        if line: print(len(line), flush=True)
"""


def p99_us(late: Lateness) -> float:
    """Return the bucket of lateness, in us, below which 99 of 100 packets left."""
    left = 0.99 * late.total()
    for ns in sorted(late):
        left -= late[ns]
        if left <= 0:
            return ns / 1e3
    return float("nan")


def main() -> None:
    """Print the lateness without and with the panel, and the bar."""
    sums: dict[str, Lateness] = {"without": Counter(), "with": Counter()}
    samples = 0
    with tempfile.TemporaryDirectory() as results:
        testbed = [sys.executable, "-m", "testbed", "lab"]
        up = [*testbed, "up", "starlink-blackout", "--name", NAME, "--results", results, "--for", "10min"]
        subprocess.run(up, check=True, stdout=subprocess.DEVNULL)
        try:
            entry = registry.find(NAME)
            with panel(entry) as (address, bearer):
                for _ in range(WINDOWS):
                    before = lateness(entry)
                    time.sleep(WINDOW_S)
                    sums["without"] += lateness(entry) - before
                    with looked_at(address, bearer) as seen:
                        before = lateness(entry)
                        time.sleep(WINDOW_S)
                        sums["with"] += lateness(entry) - before
                    samples += seen["samples"]
        finally:
            subprocess.run([*testbed, "down", NAME], check=True, stdout=subprocess.DEVNULL)
    for kind, late in sums.items():
        print(f"{kind:8} {late.total():8,} packets, p99 {p99_us(late):8.1f} us late")
    print(f"{samples} samples shown; the panel costs {p99_us(sums['with']) - p99_us(sums['without']):+.1f} us (<= 10)")


if __name__ == "__main__":
    main()
