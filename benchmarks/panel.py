"""`python -m benchmarks.panel`: what a lab's panel costs the engine.

Needs root; three minutes. In one lab short windows come in pairs: in one of them somebody looks at the panel's ten
samples a second, in the other nobody does; which is first takes turns. Of each window: how late packets left the links
(the p99 of the latest of each 10 ms, from the engine's own records, which are read when all is over). The median of
the pairs' differences, with its interval of 95 %, is what the panel costs: what a busy neighbour does to one window
moves one pair, and not the median.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from testbed.result.store import Result
from testbed.standing import client, registry
from testbed.standing.registry import StandingLab

NAME = "bench-panel"
BAR_US = 10.0
S = 10**9
LEFT_OUT_NS = S // 2
"""At the beginning of a window, seen or not: whoever looks connects in it."""

Window = tuple[int, int]
"""From when to when, CLOCK_REALTIME ns."""


@contextmanager
def panel(entry: StandingLab) -> Iterator[tuple[str, str]]:
    """Serve a lab's panel; give its address and the header that opens it."""
    command = [sys.executable, "-m", "testbed", "lab", "panel", "--lab", entry.name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        address, _, token = process.stdout.readline().strip().partition("/?token=")
        yield address, json.dumps({"Authorization": f"Bearer {token}"})
        process.send_signal(signal.SIGINT)


_LOOK = """
import json, sys, time, httpx
address, bearer, windows = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
seen = 0
for start_ns, end_ns in windows:
    time.sleep(max(0, start_ns - time.time_ns()) / 1e9)
    with httpx.stream("GET", address + "/api/stream", headers=bearer, trust_env=False, timeout=60) as answer:
        for line in answer.iter_lines():
            seen += bool(line)
            if time.time_ns() >= end_ns: break
print(seen)
"""
"""One process for all windows: that a program starts is no cost of the panel's."""


def plan(first_ns: int, pairs: int, window_ns: int) -> list[tuple[Window, Window]]:
    """Return the pairs' windows, without and with, that follow each other; every other pair the other way round."""
    edges = [first_ns + number * window_ns for number in range(2 * pairs + 1)]
    windows = list(zip(edges, edges[1:], strict=False))
    found = list(zip(windows[::2], windows[1::2], strict=True))
    return [(two, one) if number % 2 else (one, two) for number, (one, two) in enumerate(found)]


def p99_us(links: NDArray[np.int64], window: Window, started_ns: int) -> float:
    """Return the p99 of how late packets left in a window, us; ``links`` has (t_ns, late_ns) of 10 ms each."""
    t_ns = links[:, 0] + started_ns
    inside = (t_ns >= window[0] + LEFT_OUT_NS) & (t_ns < window[1])
    return float(np.percentile(links[inside, 1], 99)) / 1000


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the interval of 95 % of the median, by the ranks that a fair coin gives it."""
    ordered = sorted(values)
    below = max(int(stats.binom.ppf(0.025, len(ordered), 0.5)), 1)
    return ordered[below - 1], ordered[-below]


def measured(entry: StandingLab, pairs: int, window_ns: int) -> tuple[NDArray[np.float64], int]:
    """Return each pair's p99 without and with, us, shape (pairs, 2), and how many samples were shown."""
    with panel(entry) as (address, bearer):
        windows = plan(time.time_ns() + 3 * S, pairs, window_ns)
        shown = json.dumps([seen for _, seen in windows])
        look = subprocess.run(
            [sys.executable, "-c", _LOOK, address, bearer, shown], check=True, capture_output=True, text=True
        )
        time.sleep(max(0, windows[-1][0][1] - time.time_ns()) / S + 1)
    result = Result.load(Path(client.ask(entry, "check")["folder"]))
    table, started_ns = result.evidence.links, result.record.started_ns
    assert table is not None and started_ns is not None
    busy = table["packets_out"].to_numpy() > 0
    links = np.column_stack([table["t_ns"].to_numpy()[busy], table["late_ns_max"].to_numpy()[busy]])
    return np.array([[p99_us(links, one, started_ns) for one in pair] for pair in windows]), int(look.stdout)


def main() -> int:
    """Print what the panel costs beside its bar; 1 where it costs more, 3 where that cannot be told."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.panel", description=__doc__)
    parser.add_argument("--pairs", type=int, default=24, metavar="N", help="of windows (default: 24)")
    parser.add_argument("--window", type=float, default=3.0, metavar="S", help="seconds of each (default: 3)")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="add the pairs to those in it, and tell of all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as results:
        testbed = [sys.executable, "-m", "testbed", "lab"]
        up = [*testbed, "up", "starlink-blackout", "--name", NAME, "--results", results, "--for", "10min"]
        subprocess.run(up, check=True, stdout=subprocess.DEVNULL)
        try:
            found, samples = measured(registry.find(NAME), args.pairs, round(args.window * S))
        finally:
            subprocess.run([*testbed, "down", NAME], check=True, stdout=subprocess.DEVNULL)
    if args.kept:
        earlier = json.loads(args.kept.read_text()) if args.kept.exists() else []
        found = np.array([*earlier, *found.tolist()])
        args.kept.write_text(json.dumps(found.tolist()))
    for number, kind in enumerate(("without", "with")):
        low, middle, high = np.percentile(found[:, number], [25, 50, 75])
        print(f"{kind:8} p99 of a window: median {middle:7.1f} us, half of them {low:.1f} to {high:.1f} us")
    differences = (found[:, 1] - found[:, 0]).tolist()
    low, high = median_interval(differences)
    word = "reached" if high <= BAR_US else "missed" if low > BAR_US else "cannot be told here"
    print(f"{samples} samples shown in {args.pairs} windows of {args.window:g} s; {len(found)} pairs in all")
    print(f"the panel costs the p99 {np.median(differences):+.1f} us (95 %: {low:+.1f} to {high:+.1f} us)", end="; ")
    print(f"at most {BAR_US:g} us: {word}")
    return {"reached": 0, "missed": 1}.get(word, 3)


if __name__ == "__main__":
    sys.exit(main())
