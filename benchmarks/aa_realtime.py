"""`python -m benchmarks.aa_realtime [FOLDER] [--runs N]`: a hub against itself, in real time (root; half an hour).

Plays a short scenario again and again, each seed by turns; what has been played is kept in the folder, so that it can
be done in pieces: `--runs 1` plays the next run and no more. Then it draws comparisons of a pair of each seed, no pair
twice, and counts those in which anything is called better or worse: at most one in twenty. Runs that are invalid
count for nothing, and are counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.program import TESTBED
from testbed import paths
from testbed.result import observed
from testbed.result.compare import Word, compare
from testbed.result.observed import Observed

SCENARIO = """\
# aa.yaml: does a hub differ from itself?
topology: hub-two-uplinks
duration: 13 s
uplinks:
  starlink: {trace: starlink-bent-pipe, align: slot}
  lte: {trace: lte-suburban}
hub: {failover: ping-tracked, timers: {rise: 2}, cache: on}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
  lessons: {kind: http-get, from: client2, catalogue: school-day, rate: 20/s}
events:
  - {at: 4 s, uplink: starlink, outage: 7 s}
# As of smoke.yaml: a tenth of what is asked for here changes no answer.
fidelity: {late_share: 50 %, late_max: 500 ms, away_share: 20 %}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 5 s}
  - {metric: packets_lost, of: heartbeat, at_most: 100, window: [0 s, 3500 ms]}
  - {metric: ttfb_p50, of: lessons, status: miss, at_most: 1 s}
  - {metric: backhaul_bytes, at_most: 100 MB}
  - {metric: byte_hit_ratio, of: lessons, at_least: 0 %}
"""
SEEDS, REPLICAS, COMPARISONS = 5, 8, 20


def play(folder: Path, seed: int) -> bool:
    """Play one run; return whether it came to its end."""
    scenario = folder / "aa.yaml"
    scenario.write_text(SCENARIO)
    command = [*TESTBED, "run", str(scenario), "--set", f"seed={seed}", "--json"]
    done = subprocess.run([*command, "--results", str(folder / "runs")], stdout=subprocess.DEVNULL, check=False)
    return done.returncode in (0, 1, 3)


def kept(folder: Path) -> list[Observed]:
    """Return the runs that have been played, in their order."""
    found = [run for path in folder.glob("runs/*/result.json") for run in observed.read(path.parent)]
    return sorted(found, key=lambda run: run.created_ns)


def comparisons(runs: Sequence[Observed], seed: int = 1) -> list[tuple[list[Observed], list[Observed]]]:
    """Draw pairs of sides, a pair of runs of each seed in both and no pair twice."""
    by_seed: Mapping[int, list[Observed]] = defaultdict(list)
    for run in runs:
        by_seed[run.seed].append(run)
    rng = np.random.default_rng(seed)
    pairs = [list(combinations(of, 2)) for of in by_seed.values()]
    for of in pairs:
        rng.shuffle(of)
    drawn = []
    for chosen in list(zip(*pairs, strict=False))[:COMPARISONS]:
        turned = [pair[::-1] if rng.random() < 0.5 else pair for pair in chosen]
        base, candidate = zip(*turned, strict=True)
        drawn.append(([replace(run, created_ns=0) for run in base], [replace(run, created_ns=0) for run in candidate]))
    return drawn


def main() -> int:
    """Play, compare, print; write results/bench-aa.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=paths.RESULTS / "aa")
    parser.add_argument("--runs", type=int, default=SEEDS * REPLICAS, help="play so many more at most")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    for _ in range(asked.runs):
        played = len(list(asked.folder.glob("runs/*/result.json")))
        if played >= SEEDS * REPLICAS:
            break
        if not play(asked.folder, played % SEEDS + 1):
            return 1
    runs = kept(asked.folder)
    valid = [run for run in runs if not run.void]
    drawn = [compare(base, candidate) for base, candidate in comparisons(valid)]
    told = {
        "runs": len(runs),
        "invalid": len(runs) - len(valid),
        "comparisons": len(drawn),
        "pairs in each": len({run.seed for run in valid}),
        "with anything better or worse": sum(bool(c.words()[Word.BETTER] + c.words()[Word.WORSE]) for c in drawn),
        "rows": sum(len(c.rows) for c in drawn),
        "rows called same": sum(c.words()[Word.SAME] for c in drawn),
    }
    print(json.dumps(told, indent=1))
    for found in drawn:
        for row in found.rows:
            if row.word in (Word.BETTER, Word.WORSE):
                print(f"{row.word}: {row.title}: {row.base} -> {row.candidate}, p = {row.p:.2g}")
    (asked.folder / "bench-aa.json").write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
