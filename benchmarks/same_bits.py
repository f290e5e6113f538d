"""`python -m benchmarks.same_bits [SCENARIO]`: is a run in virtual time the same to the bit, whatever the host does?

Plays the scenario a number of times on the host as it is, and as often beside loops that take what processor time
they get; prints each run's hash and what it took. No root; minutes a run, of which several may be beside each other.
results/bench-same-bits.json keeps every run: what it has of a scenario and a commit is not played again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.program import TESTBED
from testbed import paths
from testbed.model import times
from testbed.result import provenance
from testbed.result.store import Result

KEPT = paths.RESULTS / "bench-same-bits.json"
_BUSY = f"import time\nwhile time.monotonic() < {time.monotonic() + 7200}: pass"


@contextmanager
def busy(loops: int, nice: int) -> Iterator[None]:
    """Keep the processors busy, for two hours at most, and no longer than this process lives."""
    loop = ["setpriv", "--pdeathsig", "KILL", "--", "nice", f"--adjustment={nice}", sys.executable, "-c", _BUSY]
    running = [subprocess.Popen(loop) for _ in range(loops)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def played(scenario: str) -> dict[str, object]:
    """Play a scenario in virtual time; return its hash and outcome, the wall and processor time it took, the load."""
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory() as results, tempfile.TemporaryFile("w+") as said:
        command = [*TESTBED, "run", scenario, "--time", times.VIRTUAL, "--results", results]
        process = subprocess.Popen(command, cwd=paths.ROOT, stdout=said, stderr=said)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        found = sorted(Path(results).glob("*/result.json"))
        if not found:
            said.seek(0)
            raise SystemExit(said.read())
        record = Result.load(found[-1].parent).record
    return {
        "sha256": record.evidence_sha256,
        "exit_status": process.returncode,
        "wall_s": round(time.monotonic() - began_s, 1),
        "processor_s": round(used.ru_utime + used.ru_stime, 1),
        "load": os.getloadavg()[0],
    }


def main() -> int:
    """Play what is missing, keep it, print, compare; 1 where there is more than one hash."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_bits", description=__doc__)
    parser.add_argument("scenario", nargs="?", default="smoke")
    parser.add_argument("--runs", type=int, default=10, metavar="N", help="of each kind (default: 10)")
    parser.add_argument("--loops", type=int, default=16, metavar="N", help="beside the second kind (default: 16)")
    parser.add_argument("--nice", type=int, default=0, metavar="N", help="added to the loops' nice value (default: 0)")
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="runs beside each other (default: 1)")
    args = parser.parse_args()
    kept: list[dict[str, object]] = json.loads(KEPT.read_text()) if KEPT.exists() else []
    same = {"scenario": args.scenario, "commit": provenance.versions(paths.ROOT).commit}
    for loops in (0, args.loops):
        kind = {**same, "loops": loops}
        missing = args.runs - sum(kind.items() <= row.items() for row in kept)
        with busy(loops if missing > 0 else 0, args.nice), ThreadPoolExecutor(args.at_once) as pool:
            for found in pool.map(played, [args.scenario] * missing):
                kept.append(row := {**kind, **found})
                KEPT.parent.mkdir(exist_ok=True)
                KEPT.write_text(json.dumps(kept, indent=1) + "\n")
                print(*(f"{key} {value}" for key, value in row.items()), sep="  ", flush=True)
    rows = [row for row in kept if same.items() <= row.items()]
    hashes = {row["sha256"] for row in rows}
    print(f"{len(rows)} runs of {args.scenario}: {len(hashes)} hash{'es' if len(hashes) > 1 else ''}")
    return int(len(hashes) > 1)


if __name__ == "__main__":
    sys.exit(main())
