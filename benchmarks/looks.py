"""`python -m benchmarks.looks`: what a run holds in memory while it looks at itself, in hours of logical time.

No root; a minute. Links' records and the logs of a heartbeat and of requests grow as those of benchmarks.soak do (two
links, 100 packets and five requests a second). Every 20 s of their time they are looked at as the live screen looks at
them (testbed.run.live). Prints the process's memory as it goes, and its growth in an hour after the first 20 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import psutil
from scipy.stats import theilslopes

from testbed.link.layout import BIN
from testbed.link.records import BinsFollower, of_links
from testbed.probes import irtt, samples
from testbed.probes.script import RowsFollower
from testbed.probes.workload import in_order
from testbed.run.live import LOOKED_BACK_NS

S, EVERY_S = 10**9, 20
LINKS = ("starlink", "lte")
REQUEST = {
    "object": "exercises/0024.json", "size": 4000, "bytes": 4000, "status": 200, "cache": "MISS", "sha256_ok": True,
    "started_ns_late": 905_205, "ttfb_ns": 368_184_854, "total_ns": 368_386_094, "age_ns": 0, "version": 0,
    "conditional": False, "fell_back": False,
    **dict.fromkeys(("first", "last", "throttled", "error", "content_range")),
}  # fmt: skip


def grow(folder: Path, second: int) -> None:
    """Add to the records and the log what they have of the next ``EVERY_S`` seconds."""
    t_ns = np.arange(second * 100, (second + EVERY_S) * 100, dtype=np.int64) * 10_000_000
    bins = np.zeros(len(t_ns) * 4, BIN)
    bins["t_ns"] = np.repeat(t_ns, 4)
    bins["link"], bins["direction"] = np.tile([0, 0, 1, 1], len(t_ns)), np.tile([0, 1], 2 * len(t_ns))
    bins["packets_out"], bins["bytes_out"], bins["late_ns_max"] = 1, 100, 20_000
    with (folder / "links.bins").open("ab") as file:
        file.write(bins.tobytes())
    with (folder / "lessons.jsonl").open("a") as requests:
        for at_ns in t_ns[::20].tolist():
            print(json.dumps(REQUEST | {"t_ns": at_ns}), file=requests)
    with (folder / "heartbeat.txt").open("a") as log:
        for at_ns in t_ns.tolist():
            print(f"{S + at_ns} seq={at_ns // 10**7} rtt=20.1ms rd=10ms sd=10.1ms ipdv=1ms", file=log)


def main() -> int:
    """Look, hour after hour; 1 where what is held grows by more than 5 MB in an hour."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.looks", description=__doc__)
    parser.add_argument("--hours", type=float, default=2.0, metavar="H", help="of logical time (default: 2)")
    args = parser.parse_args()
    process, minutes, held = psutil.Process(), [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "linkd.conf").write_text("".join(f"link {link} a b 1 x y\n" for link in LINKS))
        follower, asked = BinsFollower(folder / "links.bins"), RowsFollower(folder / "lessons.jsonl")
        for second in range(0, round(args.hours * 3600), EVERY_S):
            grow(folder, second)
            since_ns = max(0, (second + EVERY_S) * S - LOOKED_BACK_NS)
            bins = of_links(follower.table(since_ns), LINKS)
            echoes = irtt.salvage_since(folder / "heartbeat.txt", 0, since_ns)
            beats = samples.table([echo.row() for echo in echoes], samples.HEARTBEAT)
            lessons = samples.table(in_order(asked.rows(since_ns), "client2"), samples.REQUESTS)
            minutes.append((second + EVERY_S) / 60)
            held.append(process.memory_info().rss / 1e6)
            if minutes[-1] % 20 == 0:
                rows = f"{bins.num_rows} records, {beats.num_rows} packets, {lessons.num_rows} requests"
                print(f"{minutes[-1]:4.0f} min: {held[-1]:6.1f} MB; {rows}")
    after = np.array(minutes) > 20
    growth = theilslopes(np.array(held)[after], np.array(minutes)[after])[0] * 60
    print(f"growth in an hour: {growth:+.1f} MB")
    return int(growth > 5)


if __name__ == "__main__":
    sys.exit(main())
