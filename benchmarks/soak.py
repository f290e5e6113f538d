"""`python -m benchmarks.soak [--for 2h]`: a hub whose Starlink flaps, with traffic, for hours; what grows?

Plays scenarios/flapping-starlink.yaml over and over as one run, and looks once a minute at each of its processes.
Needs root; writes results/soak/soak.png and prints the table of docs/performance.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import psutil
import yaml
from scipy.stats import theilslopes

from benchmarks.program import TESTBED
from testbed import paths
from testbed.plots import DPI, sheet, style
from testbed.result.store import Result
from testbed.units import format_duration, parse_duration

ROUND = paths.SCENARIOS / "flapping-starlink.yaml"
EVERY_S = 60.0
LOOKS = "looks.jsonl"
PARTS = {
    "the run (testbed)": " -m testbed run",
    "the run (inside)": "^\\S*python\\S* -m testbed.run.inside",
    "linkd": "build/linkd",
    "Azurite": "azurite",
    "irtt, client": "^irtt client",
    "irtt, server": "^irtt server",
    "anchors": "build/anchor",
    "HTTP client": "probes.http_client",
    "nginx": "^nginx",
    "keepalived": "^keepalived",
    "dnsmasq": "^dnsmasq",
}
"""A part -> what its command line has."""
REST = "all else"

Floats = npt.NDArray[np.float64]


def lengthened(text: str, duration_ns: int) -> str:
    """Return a scenario as YAML whose events recur, round after round, until ``duration_ns``."""
    scenario = yaml.safe_load(text)
    round_ns = parse_duration(scenario["duration"])
    rounds = range(duration_ns // round_ns)
    scenario["duration"] = f"{duration_ns / 1e9:g} s"
    scenario["events"] = [
        {**event, "at": f"{(number * round_ns + parse_duration(event['at'])) / 1e9:g} s"}
        for number in rounds
        for event in scenario["events"]
    ]
    # Between two rounds Starlink is well for 20 s: a hub that waits for 8 s of calm returns then, and leaves again.
    scenario["objectives"] = [
        {"metric": "flaps", "of": "heartbeat", "at_most": 1},
        {"metric": "false_alarms", "of": "heartbeat", "at_most": 0},
        {"metric": "availability", "of": "lessons", "at_least": "50 %"},
    ]
    del scenario["mutation"]
    question = f"does anything grow while Starlink flaps for {format_duration(duration_ns)}?"
    return f"# soak.yaml: {question}\n{yaml.safe_dump(scenario)}"


def look(process: psutil.Process) -> Iterator[dict[str, Any]]:
    """Yield what each process of a run holds now; those that end meanwhile hold nothing."""
    for one in (process, *process.children(recursive=True)):
        try:
            with one.oneshot():
                yield {
                    "pid": one.pid,
                    "line": " ".join(one.cmdline())[:300],
                    "memory_bytes": one.memory_info().rss,
                    "descriptors": one.num_fds(),
                    "threads": one.num_threads(),
                    "cpu_s": sum(one.cpu_times()[:2]),
                }
        except psutil.Error:
            continue


def soak(folder: Path, duration_ns: int) -> int:
    """Play it, look at it once a minute, and return the run's exit status."""
    scenario = folder / "soak.yaml"
    scenario.write_text(lengthened(ROUND.read_text(), duration_ns))
    command = [*TESTBED, "run", "--json", "--results", str(folder), str(scenario)]
    with (folder / "progress.jsonl").open("w") as told, (folder / "said").open("w") as said:
        run = subprocess.Popen(command, stdout=told, stderr=said)
    signal.signal(signal.SIGTERM, lambda *_: run.terminate())
    process = psutil.Process(run.pid)
    with (folder / LOOKS).open("a") as looks:
        while True:
            try:
                return run.wait(timeout=EVERY_S)
            except subprocess.TimeoutExpired:
                free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
                shared = psutil.virtual_memory().shared
                seen = {"at_ns": time.time_ns(), "free_bytes": free, "shared_bytes": shared, "of": list(look(process))}
                print(json.dumps(seen), file=looks, flush=True)


def holdings(
    looks: Sequence[Mapping[str, Any]], start_ns: int, duration_ns: int
) -> tuple[Floats, dict[str, Floats], dict[str, Floats]]:
    """Return minutes since the start, and by part: megabytes and descriptors at each, while the scenario lasted."""
    scenario = [seen for seen in looks if start_ns < seen["at_ns"] < start_ns + duration_ns]
    minutes = np.array([(seen["at_ns"] - start_ns) / 60e9 for seen in scenario])
    names = (*PARTS, REST)
    memory = {name: np.zeros(len(scenario)) for name in names}
    descriptors = {name: np.zeros(len(scenario)) for name in names}
    for number, seen in enumerate(scenario):
        for one in seen["of"]:
            name = next((name for name, words in PARTS.items() if re.search(words, one["line"])), REST)
            memory[name][number] += one["memory_bytes"] / 1e6
            descriptors[name][number] += one["descriptors"]
    return minutes, memory, descriptors


def lateness(result: Result) -> tuple[Floats, dict[str, Floats]]:
    """Return minutes, and of the latest packet of each 10 ms in each of them: median, p99 and longest, in ms."""
    links = result.evidence.links
    if links is None:
        raise SystemExit("the run has no records of its links")
    late_ms = links["late_ns_max"].to_numpy() / 1e6
    busy = (links["packets_out"].to_numpy() > 0) & (links["t_ns"].to_numpy() >= 0)
    minute = links["t_ns"].to_numpy() // 60_000_000_000
    minutes = np.unique(minute[busy])
    shares = {"median": 50, "p99": 99, "longest": 100}
    each = np.array([np.percentile(late_ms[busy & (minute == one)], list(shares.values())) for one in minutes])
    return minutes + 0.5, dict(zip(shares, each.T, strict=True))


def growth(minutes: Floats, values: Floats) -> float:
    """Return how much a value grows in an hour, by the median slope (Theil and Sen) after the first ten minutes."""
    settled = minutes > 10
    return float(theilslopes(values[settled], minutes[settled])[0]) * 60


def table(minutes: Floats, memory: Mapping[str, Floats], descriptors: Mapping[str, Floats]) -> str:
    """Return what each part held, as Markdown."""
    rows = ["| part | memory at 10 min, at the end, growth in an hour | descriptors, least to most |", "|---|---|---|"]
    for name, values in memory.items():
        if values.any():
            early = values[np.searchsorted(minutes, 10)]
            rows.append(
                f"| {name} | {early:.1f} MB, {values[-1]:.1f} MB, {growth(minutes, values):+.1f} MB "
                f"| {descriptors[name].min():.0f} to {descriptors[name].max():.0f} |"
            )
    return "\n".join(rows)


def draw(result: Result, looks: Sequence[Mapping[str, Any]], path: Path) -> str:
    """Draw memory, descriptors and lateness over the minutes, and return the table."""
    minutes, memory, descriptors = holdings(looks, result.record.started_ns or 0, result.record.duration_ns)
    with matplotlib.rc_context(dict(style.RC)):
        length = format_duration(result.record.duration_ns)
        figure = sheet.sheet("Does anything grow?", f"Starlink flaps for {length}, with traffic", [result], 7.4)
        upper, middle, lower = sheet.panels(figure, 3, right=0.78)
        for number, name in enumerate(name for name in memory if memory[name].any()):
            colour, line = sheet.COLOURS[number % len(sheet.COLOURS)], sheet.LINES[number // len(sheet.COLOURS)]
            upper.plot(minutes, memory[name], color=colour, linestyle=line, linewidth=1.2, label=name)
            middle.plot(minutes, descriptors[name], color=colour, linestyle=line, linewidth=1.2)
        at, late = lateness(result)
        for colour, (name, values) in zip((style.BLUE, style.ORANGE, style.GREY), late.items(), strict=True):
            lower.plot(at, values, color=colour, linewidth=1.2, label=name)
        for axes, label in ((upper, "memory in MB"), (middle, "descriptors"), (lower, "late by, in ms")):
            style.prepare(axes, label)
            axes.set_xlim(0, minutes[-1])
        upper.set_yscale("log")
        lower.set_yscale("log")
        lower.set_xlabel("minutes since the start")
        for axes in (upper, lower):
            axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=7.5)
        figure.savefig(path, dpi=DPI, metadata={"Software": None, "Title": "soak"})
    return table(minutes, memory, descriptors)


def main() -> int:
    """Soak for as long as asked, then tell what was held."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--for", dest="for_ns", type=parse_duration, default="2h", metavar="TIME")
    parser.add_argument("--folder", type=Path, default=paths.RESULTS / "soak")
    parser.add_argument("--drawn", action="store_true", help="only draw what lies in the folder")
    options = parser.parse_args()
    folder = options.folder.resolve()
    if not options.drawn:
        folder.mkdir(parents=True)
        soak(folder, options.for_ns)
    (run,) = folder.glob("*-soak")
    result = Result.load(run)
    looks = [json.loads(line) for line in (folder / LOOKS).read_text().splitlines()]
    print(draw(result, looks, folder / "soak.png"))
    for verdict in result.record.verdicts:
        print(verdict.line)
    print(result.record.fidelity)
    return 0


if __name__ == "__main__":
    sys.exit(main())
