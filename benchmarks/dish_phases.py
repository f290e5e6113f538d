"""`python -m benchmarks.dish_phases`: how soon a hub leaves a dark Starlink, and how often it leaves without cause.

Pings alone against a hub that asks its dish, over two traces: one run each in virtual time, with an outage in each of
the 15 phases of a slot and at as many places of a second. The hub's own log says when it left. Prints a row a run;
results/dish-phases has the runs, of which those that are there are not played again, and table.json. No root;
minutes a run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.program import TESTBED
from testbed import paths
from testbed.model import times
from testbed.result.record import State
from testbed.result.store import Result

FOLDER = paths.RESULTS / "dish-phases"
TRACES = ("starlink-isl", "starlink-bent-pipe")
TRACKERS: Mapping[str, Mapping[str, str]] = {
    "pings": {"hub.failover": "ping-tracked"},
    **{
        f"dish {fall} x 500 ms, {drop} %": {"hub.dish.fall": f"{fall}", "hub.dish.drop": f"{drop} %"}
        for fall, drop in ((2, 50), (3, 100), (2, 100), (3, 50), (1, 50), (1, 100))
    },
}
PHASES, SLOT_S, SUBPHASE_S = 15, 15, 0.618034
FIRST_S, EVERY_S, DARK_S = 20, 31, 4
"""An outage is a second later in its slot than the one before, and elsewhere in its second, by the golden section."""
BACK_S = 10
"""How long after an outage the hub may take to be back; what it leaves for meanwhile counts in neither column."""


def scenario(trace: str) -> str:
    """Return the scenario over a trace, with a hub that asks its dish."""
    events = (
        f"  - {{at: {at_ns(phase)} ns, uplink: starlink, outage: {DARK_S} s}}\n" for phase in range(PHASES)
    )
    return (
        f"# {trace}.yaml: is a dark Starlink left in time in each phase of its slots, and only then?\n"
        f"topology: hub-two-uplinks\nduration: {FIRST_S + PHASES * EVERY_S} s\nseed: 7\n"
        "uplinks:\n"
        f"  starlink: {{trace: {trace}, align: slot, repeat: true, dish: true}}\n"
        "  lte: {fixed: {delay: 40 ms, rate: 20 Mbit/s}}\n"
        "hub: {failover: dish-aware, cache: off}\n"
        "traffic:\n  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 1 s}\n"
        f"events:\n{''.join(events)}"
        "objectives:\n  - {metric: interruption, of: heartbeat, at_most: 5 s}\n"
    )


def at_ns(phase: int) -> int:
    """Return when an outage begins, ns of the scenario."""
    return round((FIRST_S + phase * EVERY_S + phase * SUBPHASE_S % 1) * 1e9)


def played(trace: str, tracker: str, folder: Path) -> Result:
    """Return the run of a tracker over a trace, and play it where it is not there. Raises SystemExit."""
    place = folder / trace / tracker.translate({ord(" "): "-", ord(","): None, ord("%"): "percent"})
    place.mkdir(parents=True, exist_ok=True)
    for found in map(Result.load, sorted(place.glob("*/"))):
        if found.record.state is State.COMPLETE:
            return found
    file = folder / f"{trace}.yaml"
    file.write_text(scenario(trace))
    changes = [word for key, value in TRACKERS[tracker].items() for word in ("--set", f"{key}={value}")]
    command = [*TESTBED, "run", str(file), "--time", times.VIRTUAL, *changes]
    done = subprocess.run(
        [*command, "--results", str(place)], cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    result = Result.load(max(place.glob("*/"))) if done.returncode in (0, 1, 3) else None
    if result is None or result.record.state is not State.COMPLETE:  # what its objective says is not asked
        raise SystemExit(done.stdout + done.stderr)
    return result


def figures(result: Result) -> dict[str, Any]:
    """Return how long after each outage's begin the hub left, and how often it left with none."""
    begun_s = (result.record.started_ns or 0) / 1e9
    lines = (result.folder / "logs" / "hub" / "hub" / "uplinks.jsonl").read_text().splitlines()
    told = [line for line in map(json.loads, lines) if line["uplink"] == "starlink"]
    left_s, back_s = (
        [line["at_ns"] / 1e9 - begun_s for line in told if line["state"] == state] for state in ("avoided", "preferred")
    )
    after_s, away, answers = list[float](), 0, set[float]()
    for at_s in (at_ns(phase) / 1e9 for phase in range(PHASES)):
        meanwhile = [t for t in left_s if at_s <= t < at_s + DARK_S + BACK_S]
        answers |= set(meanwhile)
        before = [t for t in left_s if t < at_s]
        if before and not any(before[-1] < t < at_s for t in back_s):
            away += 1
        elif meanwhile:
            after_s.append(round(meanwhile[0] - at_s, 3))
    quiet_s = result.record.duration_ns / 1e9 - PHASES * (DARK_S + BACK_S)
    return {
        "after_s": sorted(after_s),
        "away": away,
        "false": len([t for t in left_s if 0 <= t and t not in answers]),
        "handovers": round(quiet_s / SLOT_S),
        "valid": result.record.fidelity is not None and result.record.fidelity.valid,
    }


def told(row: Mapping[str, Any]) -> str:
    """Return a row as a line."""
    after_s = row["after_s"]
    seen = f"{len(after_s):2} outages left"
    if after_s:
        seen += f" after {after_s[0]:.2f} s, {statistics.median(after_s):.2f} s, {after_s[-1]:.2f} s"
    cost = f"{row['away']} met it away; left without one {row['false']} times in {row['handovers']} slots"
    return f"{row['trace']:20}{row['tracker']:24}{seen}; {cost}{'' if row['valid'] else '  (not valid)'}"


def main() -> int:
    """Play what is not there, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dish_phases", description=__doc__)
    parser.add_argument("--trace", action="append", choices=TRACES, help="this one alone (default: both)")
    parser.add_argument("--tracker", action="append", choices=[*TRACKERS], metavar="NAME", help="pings; dish ...")
    parser.add_argument("--results", type=Path, default=FOLDER, metavar="FOLDER")
    args = parser.parse_args()
    table = []
    for trace in args.trace or TRACES:
        for tracker in args.tracker or TRACKERS:
            row = {"trace": trace, "tracker": tracker, **figures(played(trace, tracker, args.results))}
            print(told(row), flush=True)
            table.append(row)
            (args.results / "table.json").write_text(json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
