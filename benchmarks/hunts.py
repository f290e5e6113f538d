"""`python -m benchmarks.hunts [BUG ...]`: is the smallest outage that shows a wrong timer found, of ten hubs?

Each is hunted by `testbed hunt` in virtual time (no root; some ten runs, minutes each) and has to be shrunk to a step
of 100 ms: an outage that breaks what the right timer promises, and one step less that does not. results/bench-hunts/
keeps every hunt, which goes on where it was. Exit status: 1 where one was not found within 60 points.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.program import TESTBED
from testbed import paths
from testbed.campaign.hunting import Hunt
from testbed.model.times import VIRTUAL

FOLDER = paths.RESULTS / "bench-hunts"
POINTS = 60
STEP_NS = 100_000_000


@dataclass(frozen=True)
class Bug:
    """A hub, what is promised of it, the longest outage that is asked, and where in a second outages may begin."""

    hub: str
    promise: str
    longest: str = "10 s"
    phases: str = ""
    dish: bool = False


SOON = "{metric: interruption, of: heartbeat, at_most: 3.2 s}"
"""What two pings a second apart promise."""
AT_ONCE = "{metric: interruption, of: heartbeat, at_most: 1.2 s}"
"""What three packets of BFD, 300 ms apart, promise."""
STAYS = "{metric: failovers, of: heartbeat, at_most: 0}"

BUGS: Mapping[str, Bug] = {
    "six-pings-missed": Bug("failover: ping-tracked, timers: {fall: 6}", SOON),
    "a-ping-each-4-s": Bug("failover: ping-tracked, timers: {interval: 4 s}", SOON),
    "a-ping-waits-3-s": Bug("failover: ping-tracked, timers: {interval: 3 s, timeout: 3 s}", SOON),
    "one-ping-missed": Bug("failover: ping-tracked, timers: {fall: 1}", STAYS, "900 ms", "shift=0 ms..900 ms/100 ms"),
    "returns-after-15": Bug(
        "failover: ping-tracked, timers: {rise: 15}", "{metric: return_to_preferred, of: heartbeat, at_most: 8 s}"
    ),
    "weighted-six-missed": Bug("failover: weighted, timers: {fall: 6}", SOON),
    "dish-not-believed": Bug("failover: dish-aware, timers: {fall: 6}, dish: {fall: 20}", SOON, dish=True),
    "bfd-ten-missed": Bug("failover: bgp-bfd, bfd: {multiplier: 10}", AT_ONCE),
    "bfd-each-second": Bug("failover: bgp-bfd, bfd: {interval: 1 s}", AT_ONCE),
    "bfd-two-of-100-ms": Bug("failover: bgp-bfd, bfd: {interval: 100 ms, multiplier: 2}", STAYS, "800 ms"),
}


def scenario(bug: Bug) -> str:
    """Return a scenario in which Starlink is dark once."""
    return f"""\
# does the hub keep what its timers were to promise, however long Starlink is dark?
topology: hub-two-uplinks
duration: 34 s
seed: 7
uplinks:
  starlink: {{fixed: {{delay: 20 ms, rate: 50 Mbit/s}}{", dish: true" * bug.dish}}}
  lte: {{fixed: {{delay: 40 ms, rate: 20 Mbit/s}}}}
hub: {{{bug.hub}, cache: off}}
traffic:
  heartbeat: {{kind: udp-echo, from: client, to: tenant, every: 20 ms}}
events:
  - {{at: 6 s, uplink: starlink, outage: {bug.longest}}}
objectives:
  - {bug.promise}
"""


def hunted(name: str) -> Hunt:
    """Hunt a bug, or go on with it, and return what is known. Raises SystemExit."""
    bug, folder = BUGS[name], FOLDER / name
    file = folder / f"{name}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(scenario(bug))
    begun = sorted(folder.glob("*-hunt-*"))
    command = [*TESTBED, "hunt"]
    if begun:
        command += [str(begun[-1]), "--resume"]
    else:
        command += [str(file), "--time", VIRTUAL, "--results", str(folder), "--runs", str(POINTS)]
        command += ["--shrink", f"events.0.outage=100 ms..{bug.longest}/100 ms"]
        command += ["--vary", bug.phases] if bug.phases else []
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{name}: {done.stdout}{done.stderr}")
    return Hunt.read(sorted(folder.glob("*-hunt-*"))[-1])


def shrunk(hunt: Hunt) -> tuple[str, bool]:
    """Return what was found, in words, and whether one step less holds."""
    found = hunt.hunted.found
    if found is None:
        return f"not found, {len(hunt.asked)} points", False
    least = hunt.varied[0].dimension.low == found.breaks[0]
    step = all(found.breaks[0] - point[0] <= STEP_NS for point in found.holds)
    told = "; ".join(f"{hunt.said(point)} holds" for point in found.holds) or "nothing less was asked"
    return f"{hunt.said(found.breaks)} breaks, {told}; {len(hunt.asked)} points", least or (bool(found.holds) and step)


def main() -> int:
    """Hunt those that were named, or all; print each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hunts", description=__doc__)
    parser.add_argument("bugs", nargs="*", default=list(BUGS), metavar="BUG", help=", ".join(BUGS))
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="hunts beside each other (default: 1)")
    args = parser.parse_args()
    missed = 0
    with ThreadPoolExecutor(args.at_once) as pool:
        for name, hunt in zip(args.bugs, pool.map(hunted, args.bugs), strict=True):
            told, good = shrunk(hunt)
            missed += not good
            print(f"{name:20} {'shrunk' if good else 'NOT SHRUNK'}: {told}", flush=True)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
