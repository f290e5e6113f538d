"""`python -m benchmarks.agreement [SCENARIO ...]`: does virtual time say what real time says?

Plays each scenario three times in real time, which needs root, and each of these again in virtual time, and compares
each objective's value: a time agrees within 5 % or 20 ms, a share within a point, a count exactly, all else within 5 %;
the verdicts are the same. How long an outage lasts for a hub depends on when it had last asked before: in real time
that is chance. So the hub's questions are captured in both times, and the events of the run in virtual time are
shifted until they fall between two questions where they fell in real time. results/bench-agreement.json keeps every
run: what it has is not played again (`--only` for one of the two times now, the other later). Exit status: 1 where
something does not agree, 3 where a run is missing or invalid.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.program import TESTBED
from testbed import paths
from testbed.model.objective import Unit, format_value
from testbed.model.times import REAL, TIMES, VIRTUAL
from testbed.result.record import Record
from testbed.result.store import Result
from testbed.run.captured import FILE as CAPTURED

SCENARIOS = (
    "smoke",
    "ping-target-dies",
    "pings-pass-tcp-does-not",
    "small-cache",
    "old-and-new-flows-return",
    "router-reboots",
)
KEPT = paths.RESULTS / "bench-agreement.json"
NEAR: Mapping[str, tuple[float, float]] = {
    Unit.DURATION: (0.05, 20e6),
    Unit.SHARE: (0.0, 0.01),
    Unit.COUNT: (0.0, 0.0),
}
"""By unit: how far apart two values may be, as a part of the larger one and in base units; of all others 5 %."""

HUB = "hub:wan0"
"""The port through which the hub asks whether its first uplink works."""
_PAYLOAD = "(tcp[12] & 0xf0) >> 2"
_ROOT = f"tcp[{_PAYLOAD}:4] == 0x47455420 and tcp[({_PAYLOAD}) + 4:4] == 0x2f204854"
QUESTIONS = f"icmp[icmptype] == icmp-echo or ({_ROOT})"
"""Pings, and `GET / HT` (_ROOT): the service's root is asked for by nobody but timers.probe tcp."""
PERIOD_NS = 1_000_000_000
"""How often the hubs of these scenarios ask."""

Run = dict[str, Any]


def play(scenario: str, time: str, shift_ns: int = 0) -> Run | None:
    """Play a scenario; return what each objective told, and when the hub had asked. None: the run does not count."""
    command = [*TESTBED, "run", scenario, "--time", time, "--set", f"shift={shift_ns} ns"]
    with tempfile.TemporaryDirectory() as folder:
        command += ["--results", folder, "--capture", HUB]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
        found = list(Path(folder).glob("*/result.json"))
        if not found:
            raise SystemExit(done.stdout + done.stderr)
        record = Result.load(found[0].parent).record
        if record.invalid or not record.verdicts:
            return None
        asked_ns = _asked_before(record, found[0].with_name(CAPTURED))
    told = {
        verdict.key: {"unit": verdict.unit, "value": verdict.value, "said": str(verdict.outcome)}
        for verdict in record.verdicts
    }
    known = {"commit": record.versions.commit, "shift_ns": shift_ns, "asked_ns": asked_ns}
    return {"scenario": scenario, "time": time, **known, "told": told}


def _asked_before(record: Record, capture: Path) -> int | None:
    """Return how long before its first event the hub had asked last; None: nothing happened, or it never asked."""
    if not record.facts.events or record.started_ns is None:
        return None
    event_ns = record.started_ns + record.facts.events[0].start_ns
    command = ["tcpdump", "-n", "-tt", "--time-stamp-precision=nano", "-r", str(capture), QUESTIONS]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    asked = [int(line.split()[0].replace(".", "")) for line in lines]
    before = [event_ns - asked_ns for asked_ns in asked if asked_ns < event_ns]
    return min(before, default=None)


def shift_ns(real: Run, virtual: Run) -> int:
    """Return by how much, to a millisecond, a virtual run's events must be later for its hub to have asked as the real
    one's had."""
    if real["asked_ns"] is None or virtual["asked_ns"] is None:
        return 0
    return int(round((real["asked_ns"] - virtual["asked_ns"]) % PERIOD_NS, -6))


def differences(real: Run, virtual: Run) -> list[tuple[str, str, bool]]:
    """Return each objective with what was met, in words, and whether the two times agree on it."""
    rows = []
    for key, told in virtual["told"].items():
        met = real["told"][key]
        real_said, said = (f"{_written(each['value'], told['unit'])} ({each['said']})" for each in (met, told))
        values = (met["value"], told["value"])
        close = values[0] is values[1] if None in values else _near(told["unit"], *values)
        rows.append((key, f"real {real_said}, virtual {said}", met["said"] == told["said"] and close))
    return rows


def _near(unit: str, first: float, second: float) -> bool:
    part, least = NEAR.get(unit, (0.05, 0.0))
    return abs(first - second) <= max(part * max(abs(first), abs(second)), least)


def _written(value: float | None, unit: str) -> str:
    return "–" if value is None else format_value(value, Unit(unit))


class Kept:
    """The runs so far; those that are missing are played, of one of the two times alone where ``only`` says so."""

    def __init__(self, only: str | None) -> None:
        self._only = only
        self._runs: list[Run] = json.loads(KEPT.read_text()) if KEPT.exists() else []

    def runs(self, scenario: str, time: str, wanted: int = 1, shift_ns: int = 0) -> list[Run]:
        """Return so many runs, or as many as there are; play what is missing."""
        asked = (scenario, time, shift_ns)
        found = [run for run in self._runs if (run["scenario"], run["time"], run["shift_ns"]) == asked]
        for _ in range(wanted - len(found) if self._only in (None, time) else 0):
            if run := play(*asked):
                found.append(run)
                self._runs.append(run)
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_text(json.dumps(self._runs, indent=1) + "\n")
            else:
                print(f"{scenario}: a run in {time} time does not count", flush=True)
        return found[:wanted]


def main() -> int:
    """Play what is missing, keep it, compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS, metavar="SCENARIO")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="in real time (default: 3)")
    parser.add_argument("--only", choices=TIMES, help="play in this time alone, and compare what there is")
    args = parser.parse_args()
    kept = Kept(args.only)
    worst = 0
    for scenario in args.scenarios:
        real = kept.runs(scenario, REAL, args.runs)
        if len(real) < args.runs:
            print(f"{scenario}: {len(real)} of {args.runs} runs in real time", flush=True)
            worst = max(worst, 3)
        plain = kept.runs(scenario, VIRTUAL)
        for run in real:
            again = kept.runs(scenario, VIRTUAL, shift_ns=shift_ns(run, plain[0])) if plain else []
            if not again:
                print(f"{scenario}: a run in real time has none in virtual time beside it", flush=True)
                worst = max(worst, 3)
                continue
            for key, words, agree in differences(run, again[0]):
                print(f"{scenario}  {'agree' if agree else 'DIFFER'}  {key}: {words}", flush=True)
                worst = max(worst, not agree)
    return worst


if __name__ == "__main__":
    sys.exit(main())
