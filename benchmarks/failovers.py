"""`python -m benchmarks.failovers`: a hundred failovers of FRR's BFD, beside the distribution that its timers promise.

One scenario in virtual time: Starlink is dark for a second and a half again and again, and the hub's own log says when
its tunnel was given up. Prints quantiles of the time from the cut to that, measured and promised, and the
Kolmogorov-Smirnov test of the two; results/bench-failovers.json. No root; minutes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.program import TESTBED
from testbed import paths
from testbed.model import times
from testbed.result.store import Result

INTERVAL_MS, MULTIPLIER, DELAY_MS = 100, 3, 20
FIRST_S, EVERY_S, DARK_S = 5.0, 8.0, 1.5
PHASE_S = 0.0618034  # from one cut to the next: the golden section of the interval, which meets all of its phases
JITTER = np.arange(75, 101) / 100
"""What share of the interval FRR waits before it sends a packet: 75 to 100 %, in whole percents (RFC 5880, 6.8.7)."""

SHARES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
_DOWN = re.compile(
    r"^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d+) BGP: .*%NOTIFICATION.* neighbor 10\.255\.101\.\d .*BFD Down", re.M
)


def scenario(cuts: int) -> str:
    """Return the scenario with so many cuts."""
    ends_s = FIRST_S + cuts * EVERY_S
    events = (
        f"  - {{at: {at_ns(n)} ns, uplink: starlink, outage: {DARK_S * 1000:.0f} ms}}\n" for n in range(cuts)
    )
    return (
        "# failovers.yaml: how long does BFD take to see that an uplink is dark?\n"
        f"topology: hub-two-uplinks\nduration: {ends_s:.0f} s\nseed: 7\n"
        "uplinks:\n"
        f"  starlink: {{fixed: {{delay: {DELAY_MS} ms, rate: 50 Mbit/s}}}}\n"
        "  lte: {fixed: {delay: 40 ms, rate: 20 Mbit/s}}\n"
        f"hub: {{failover: bgp-bfd, bfd: {{interval: {INTERVAL_MS} ms, multiplier: {MULTIPLIER}}}, cache: off}}\n"
        "traffic:\n  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 1 s}\n"
        f"events:\n{''.join(events)}"
        "objectives:\n  - {metric: interruption, of: heartbeat, at_most: 5 s}\n"
    )


def at_ns(cut: int) -> int:
    """Return when a cut begins, ns of the scenario."""
    return round((FIRST_S + cut * EVERY_S + (cut * PHASE_S) % (INTERVAL_MS / 1000)) * 1e9)


def promised(after_ms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of failovers that are over so long after their cut.

    A cut falls anywhere between two packets of the other end, which leave ``JITTER`` intervals apart. What had left
    still arrives; ``MULTIPLIER`` intervals after the last one the session is down (RFC 5880, 6.8.4).
    """
    age = np.clip(MULTIPLIER * INTERVAL_MS + DELAY_MS - after_ms, 0, INTERVAL_MS)
    gaps = JITTER * INTERVAL_MS
    # The older the last packet was, the sooner it is over.
    share: NDArray[np.float64] = 1 - np.minimum(age[:, None], gaps).mean(axis=1) / gaps.mean()
    return share


def measured_ms(log: str, started_ns: int, cuts: int) -> NDArray[np.float64]:
    """Return how long after each cut the hub's log says that BFD took Starlink's neighbour down. Raises SystemExit.

    A session that is up again before BFD is falls once more: the first time after a cut is what counts.
    """
    stamps = [datetime.strptime(found, "%Y/%m/%d %H:%M:%S.%f").replace(tzinfo=UTC) for found in _DOWN.findall(log)]
    downs_ms = [stamp.timestamp() * 1000 for stamp in stamps]
    after = []
    for cut in range(cuts):
        cut_ms = (started_ns + at_ns(cut)) / 1e6
        seen = [down_ms - cut_ms for down_ms in downs_ms if 0 < down_ms - cut_ms < DARK_S * 1000]
        if not seen:
            raise SystemExit(f"cut {cut + 1} of {cuts}: BFD took nothing down while it lasted")
        after.append(seen[0])
    return np.array(after)


def played(cuts: int, folder: Path) -> NDArray[np.float64]:
    """Play the scenario; return what was measured, in ms."""
    file = folder / "failovers.yaml"
    file.write_text(scenario(cuts))
    command = [*TESTBED, "run", str(file), "--time", times.VIRTUAL, "--results", str(folder)]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    result = Result.load(next(folder.glob("*-failovers")))
    log = (result.folder / "logs" / "hub" / "frr" / "frr.log").read_text()
    return measured_ms(log, result.record.started_ns or 0, cuts)


def main() -> int:
    """Play, print, compare; 1 where the two distributions differ (p below 1 %)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failovers", description=__doc__)
    parser.add_argument("--cuts", type=int, default=100, metavar="N", help="how many failovers (default: 100)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        after = played(args.cuts, Path(folder))
    test = stats.kstest(after, lambda x: promised(np.atleast_1d(x)))
    grid = np.arange(0.0, MULTIPLIER * INTERVAL_MS + DELAY_MS + 1, 0.1)
    reached = promised(grid)
    for share in SHARES:
        bound = grid[np.searchsorted(reached, max(share, 1e-9), side="left" if share else "right")]
        print(f"{share:5.0%}  measured {np.quantile(after, share):6.1f} ms  promised {bound:6.1f} ms")
    print(f"{len(after)} failovers: distance {test.statistic:.3f}, p {test.pvalue:.2f}")
    paths.RESULTS.mkdir(exist_ok=True)
    told = {"after_ms": after.tolist(), "distance": test.statistic, "p": test.pvalue}
    (paths.RESULTS / "bench-failovers.json").write_text(json.dumps(told, indent=1) + "\n")
    return int(test.pvalue < 0.01)


if __name__ == "__main__":
    sys.exit(main())
