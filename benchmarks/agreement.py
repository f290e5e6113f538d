"""`python -m benchmarks.agreement [SCENARIO ...]`: does virtual time say what real time says?

Plays each scenario three times in real time, which needs root, and once in virtual time, and compares each objective's
value: a time agrees within 5 % or 20 ms of what was met in real time, a share within a point, a count exactly, all
else within 5 %; the verdicts are the same. In real time the place of a hub's pings in the outage is chance, so what was
met there is an interval. results/bench-agreement.json keeps every run: what it has is not played again (`--only` for
one of the two times now, the other later). Exit status: 1 where something does not agree, 3 where a run is missing or
invalid.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from testbed import paths
from testbed.model.objective import Unit, format_value
from testbed.model.times import REAL, TIMES, VIRTUAL
from testbed.result.store import Result

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

Run = dict[str, Any]


def play(scenario: str, time: str) -> Run | None:
    """Play a scenario; return what each objective told, None where the run does not count."""
    command = [sys.executable, "-m", "testbed", "run", scenario, "--time", time, "--results"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*command, folder], cwd=paths.ROOT, capture_output=True, text=True, check=False)
        found = list(Path(folder).glob("*/result.json"))
        if not found:
            raise SystemExit(done.stdout + done.stderr)
        record = Result.load(found[0].parent).record
    if record.invalid or not record.verdicts:
        return None
    told = {
        verdict.key: {"unit": verdict.unit, "value": verdict.value, "said": str(verdict.outcome)}
        for verdict in record.verdicts
    }
    return {"scenario": scenario, "time": time, "commit": record.versions.commit, "told": told}


def differences(real: Sequence[Run], virtual: Run) -> list[tuple[str, str, bool]]:
    """Return each objective with what was met, in words, and whether the two times agree on it."""
    rows = []
    for key, told in virtual["told"].items():
        met = [run["told"][key] for run in real]
        values = [each["value"] for each in met if each["value"] is not None]
        words = f"real {_span(values, told['unit'])}, virtual {_written(told['value'], told['unit'])}"
        same = {each["said"] for each in met} == {told["said"]}
        if not same:
            words += f"; {' '.join(each['said'] for each in met)} against {told['said']}"
        close = not values if told["value"] is None else bool(values) and _near(told["unit"], values, told["value"])
        rows.append((key, words, same and close))
    return rows


def _near(unit: str, values: Sequence[float], value: float) -> bool:
    part, least = NEAR.get(unit, (0.05, 0.0))
    room = max(part * max(abs(value), *map(abs, values)), least)
    return min(values) - room <= value <= max(values) + room


def _written(value: float | None, unit: str) -> str:
    return "–" if value is None else format_value(value, Unit(unit))


def _span(values: Sequence[float], unit: str) -> str:
    return ", ".join(_written(value, unit) for value in sorted(values)) or "–"


def main() -> int:
    """Play what is missing, keep it, compare."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=__doc__)
    parser.add_argument("scenarios", nargs="*", default=SCENARIOS, metavar="SCENARIO")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="in real time (default: 3)")
    parser.add_argument("--only", choices=TIMES, help="play in this time alone, and compare what there is")
    args = parser.parse_args()
    kept: list[Run] = json.loads(KEPT.read_text()) if KEPT.exists() else []
    worst = 0
    for scenario in args.scenarios:
        for time, wanted in ((VIRTUAL, 1), (REAL, args.runs)):
            has = sum(run["scenario"] == scenario and run["time"] == time for run in kept)
            for _ in range(wanted - has if args.only in (None, time) else 0):
                if run := play(scenario, time):
                    kept.append(run)
                    KEPT.parent.mkdir(exist_ok=True)
                    KEPT.write_text(json.dumps(kept, indent=1) + "\n")
                else:
                    print(f"{scenario}: a run in {time} time does not count", flush=True)
        real, virtual = ([run for run in kept if (run["scenario"], run["time"]) == (scenario, time)] for time in TIMES)
        if len(real) < args.runs or not virtual:
            print(f"{scenario}: {len(real)} of {args.runs} runs in real time, {len(virtual)} of 1 in virtual time")
            worst = max(worst, 3)
            continue
        for key, words, agree in differences(real[: args.runs], virtual[0]):
            print(f"{scenario}  {'agree' if agree else 'DIFFER'}  {key}: {words}", flush=True)
            worst = max(worst, not agree)
    return worst


if __name__ == "__main__":
    sys.exit(main())
