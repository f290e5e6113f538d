"""Which process of a run is ended by which signal in which phase, and what must come of it: the table and its driver.

``make kill-matrix`` plays all of it; tests/system/run/test_kill_matrix.py plays a sample.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import Any

from testbed.errors import TestbedError
from testbed.result.record import Record, State
from testbed.result.store import Result
from tests.system.run.host import Host, settled
from tests.system.run.processes import found, lives

PHASES = (
    *("network", "links and services", "hub", "tenant's content", "probes"),
    *("before the start", "during", "samples", "verdicts", "figure"),
)
BRINGING_UP, LATE = PHASES[:6], PHASES[7:]
WITHIN_S = 5.0  # a signal that has not ended a process by then never will

LIGHT = """\
# what comes of a run of which a process is ended?
topology: hub-two-uplinks
duration: 4 s
uplinks:
  starlink: {fixed: {delay: 20 ms}, dish: true}
  lte: {fixed: {delay: 30 ms}}
hub: {failover: ping-tracked, cache: on}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
  lessons: {kind: http-get, from: client2, catalogue: school-day, rate: 20/s}
fidelity: {late_share: 100 %, late_max: 60 s, away_share: 100 %, wait_max: 60 s}
objectives:
  - {metric: packets_lost, of: heartbeat, at_most: 100000}
  - {metric: availability, of: lessons, at_least: 0 %}
"""
ROUTED = LIGHT.replace("ping-tracked", "bgp-bfd")
FULL = LIGHT.replace(
    "fidelity:",
    """\
  newcomers: {kind: udp-flows, from: client, to: tenant, every: 50 ms}
  uploads: {kind: http-put, from: client2, size: 20 kB, rate: 1/s}
  sync: {kind: tcp-transfer, from: client, to: tenant, direction: up, rate: 1 Mbit/s}
  portal: {kind: https-keepalive, from: client, to: tenant, every: 500 ms}
  lecture: {kind: udp-call, from: client, to: tenant}
fidelity:""",
)


@dataclass(frozen=True)
class Victim:
    """A process of a run: the words of its command line, the node it is on, the phase from which on it is there."""

    name: str
    words: str
    since: str
    kind: str
    node: str = ""
    scenario: str = LIGHT
    shrugs: frozenset[Signals] = frozenset()


STEM = (
    Victim("testbed", "", "network", "testbed"),
    Victim("unshare", "^unshare ", "network", "sandbox", shrugs=frozenset({SIGINT, SIGTERM})),
    Victim("PID 1", "^tini -- ", "network", "run"),
    Victim("inside", r"^\S*python\S* -m testbed.run.inside", "network", "run"),
)
PARTS = (
    Victim("linkd", "build/linkd", "links and services", "part"),
    Victim("Azurite", "azurite/dist", "links and services", "part"),
    Victim("dnsmasq of dish", "--dhcp-range=100.64", "links and services", "part", "dish"),
    Victim("dish of starlink", "testbed.dish.server", "links and services", "part"),
)
EDGE = tuple(
    Victim(f"{name} of edge", f"frr/{name}", "before the start", "part", "edge", ROUTED)
    for name in ("bgpd", "bfdd", "zebra", "watchfrr")
)
HUB = (
    Victim("nginx of hub", "nginx: master", "tenant's content", "hub", "hub"),
    Victim("keepalived of hub", r"^\S*keepalived", "tenant's content", "hub", "hub"),
    Victim("dnsmasq of hub", r"^\S*dnsmasq", "tenant's content", "hub", "hub"),
    *(
        Victim(f"{name} of hub", f"frr/{name}", "tenant's content", "hub", "hub", ROUTED)
        for name in ("bgpd", "bfdd", "zebra", "watchfrr")
    ),
)
PROBES = (
    Victim("irtt of heartbeat", "irtt client", "before the start", "probe"),
    Victim("the irtt server of heartbeat", "irtt server", "probes", "probe"),
    Victim("the HTTP client of lessons", "probes.http_client", "probes", "probe"),
    Victim("newcomers", "probes.new_flows", "probes", "probe", scenario=FULL),
    Victim("uploads", "probes.upload_client", "probes", "probe", scenario=FULL),
    Victim("sync", "probes.transfer", "probes", "probe", scenario=FULL),
    Victim("portal", "probes.keepalive_client", "probes", "probe", scenario=FULL),
    Victim("lecture", "probes.call", "probes", "probe", scenario=FULL),
)
VICTIMS = {victim.name: victim for victim in (*STEM, *PARTS, *EDGE, *HUB, *PROBES)}

MAY = {
    ("testbed", "early"): {SIGINT: {"interrupted"}, SIGTERM: {"interrupted"}, SIGKILL: {"killed"}},
    ("testbed", "during"): {SIGINT: {"interrupted"}, SIGTERM: {"interrupted"}, SIGKILL: {"killed"}},
    ("testbed", "late"): {SIGINT: {"judged"}, SIGTERM: {"judged"}, SIGKILL: {"killed", "judged"}},
    ("sandbox", "early"): {SIGKILL: {"killed"}},
    ("sandbox", "during"): {SIGKILL: {"killed"}},
    ("sandbox", "late"): {SIGKILL: {"killed", "judged"}},
    ("run", "early"): {SIGINT: {"interrupted"}, SIGTERM: {"interrupted"}, SIGKILL: {"killed"}},
    ("run", "during"): {SIGINT: {"interrupted"}, SIGTERM: {"interrupted"}, SIGKILL: {"killed"}},
    ("run", "late"): {SIGINT: {"judged"}, SIGTERM: {"judged"}, SIGKILL: {"killed", "judged"}},
    ("part", "early"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"failed", "invalid"}),
    ("part", "during"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"invalid"}),
    ("part", "late"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"judged", "invalid"}),
    ("probe", "early"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"failed", "inconclusive"}),
    ("probe", "during"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"inconclusive"}),
    ("probe", "late"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"judged", "inconclusive"}),
    ("hub", "early"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"judged", "failed", "inconclusive"}),
    ("hub", "during"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"judged"}),
    ("hub", "late"): dict.fromkeys((SIGINT, SIGTERM, SIGKILL), {"judged"}),
}
"""Whose process, when -> signal -> what may come of the run; a process that shrugs a signal off changes nothing.

killed        the result says ``running``, and is readable
interrupted   by the user, no verdict
failed        a step of bringing up said what is wrong, no verdict
invalid       every verdict is, and its reason names the part
inconclusive  every verdict is, and its reason names the part
judged        the run went on, and every verdict is about the hub
"""


@dataclass(frozen=True)
class Cell:
    """One kill."""

    victim: Victim
    by: Signals
    phase: str

    @property
    def allowed(self) -> set[str]:
        if self.by in self.victim.shrugs:
            return {"judged"}
        when = "during" if self.phase == "during" else "early" if self.phase in BRINGING_UP else "late"
        return MAY[self.victim.kind, when][self.by]

    def __str__(self) -> str:
        return f"{self.by.name} {self.victim.name}, {self.phase}"


@dataclass(frozen=True)
class Outcome:
    """What came of a kill: a word of MAY and what it rests on; ``wrong`` says what should not be."""

    word: str
    said: str
    wrong: str
    seconds: float


def cells() -> Iterator[Cell]:
    """Yield the whole matrix: SIGKILL in all phases, the others to the stem in all, to the rest while it counts."""
    for victim in VICTIMS.values():
        last = len(PHASES) if victim in STEM else 1 + PHASES.index("samples")  # the parts are ended in it
        for phase in PHASES[PHASES.index(victim.since) : last]:
            yield Cell(victim, SIGKILL, phase)
            if phase == "during" or victim in STEM:
                yield Cell(victim, SIGINT, phase)
                yield Cell(victim, SIGTERM, phase)


def play(cell: Cell, folder: Path) -> Outcome:
    """Play a run in ``folder``, end its process in its phase, and judge what comes of it."""
    began = time.monotonic()
    temporary, results, scenario = folder / "tmp", folder / "results", folder / "killed.yaml"
    temporary.mkdir(parents=True)
    scenario.write_text(cell.victim.scenario)
    command = [sys.executable, "-m", "testbed", "run", "--json", "--results", str(results), str(scenario)]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment)
    hit = ""
    try:
        hit = _end(cell, process)
        assert process.stdout
        for _ in process.stdout:
            pass
        status = process.wait(timeout=120)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    word, grounds = _word(results)
    wrong = _wrong(cell, word, hit, status, (folder / "said").read_text())
    if kept := sorted(path.name for path in temporary.iterdir()):
        wrong += f" left in TMPDIR: {', '.join(kept)}"
    return Outcome(word, grounds, wrong, time.monotonic() - began)


def _end(cell: Cell, process: subprocess.Popen[str]) -> str:
    """Wait for the phase, end the process, return what became of it: ended, lives on; "" where it was not there."""
    assert process.stdout
    for line in process.stdout:
        event = json.loads(line)
        if _begins(cell.phase, event):
            break
    else:
        return ""
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        pids = found(process.pid, cell.victim.words, cell.victim.node) if cell.victim.words else [process.pid]
        if pids:
            with_it = pids[0]
            try:
                os.kill(with_it, cell.by)
            except ProcessLookupError:
                continue
            while lives(with_it) and time.monotonic() < deadline:
                time.sleep(0.01)
            return "lives on" if lives(with_it) else "ended"
        time.sleep(0.01)
    return ""


def _begins(phase: str, event: dict[str, Any]) -> bool:
    if phase == "during":
        return bool(event["event"] == "tick" and event["t_ns"] > 1e9)
    name = "scenario" if phase == "before the start" else phase
    return bool(event["event"] == "step" and event["name"] == name and event["seconds"] is None)


def _word(results: Path) -> tuple[str, str]:
    """Return what came of the run in a word of MAY, and what it rests on; any other word is a mistake."""
    try:
        (folder,) = results.iterdir()
        record = Result.load(folder).record
    except (TestbedError, ValueError, OSError) as error:
        return "unreadable", str(error)
    outcomes = {str(verdict.outcome) for verdict in record.verdicts}
    if record.state is not State.COMPLETE:
        words = {State.RUNNING: "killed", State.INTERRUPTED: "interrupted", State.FAILED: "failed"}
        return (words[record.state] if not outcomes else f"{record.state} with verdicts"), record.error
    if not record.ends:
        return ("judged" if outcomes <= {"pass", "fail"} else "+".join(sorted(outcomes))), _reasons(record)
    return "+".join(sorted(outcomes)), _reasons(record)


def _reasons(record: Record) -> str:
    return next((verdict.reason for verdict in record.verdicts if verdict.reason), "")


def _wrong(cell: Cell, word: str, hit: str, status: int, said: str) -> str:
    """Return what is not as the table says; "" where all is."""
    if not hit:
        return "" if cell.phase in LATE and word == "judged" else "the process was not there"
    shrugged = hit == "lives on" and cell.victim not in STEM  # one of the stem may take its time to write
    allowed = cell.allowed | {"judged"} if shrugged else cell.allowed
    if word not in allowed:
        return f"{word} instead of {' or '.join(sorted(allowed))} (it {hit})"
    if "Traceback" in said:
        return f"a traceback on the screen: {said.splitlines()[-1]}"
    if cell.victim.name == "testbed" and cell.by is SIGKILL:
        return "" if status == -SIGKILL else f"exit status {status}"
    expected = {"judged": {0, 1, 3}}.get(word, {3})
    return "" if status in expected else f"exit status {status} of a run that was {word}"


def _batches(cells: Sequence[Cell], size: int) -> Iterator[Sequence[Cell]]:
    for first in range(0, len(cells), size):
        yield cells[first : first + size]


def _played(kept: Path | None) -> dict[str, str]:
    """Return what was wrong of each cell that is kept, the later of two."""
    lines = kept.read_text().splitlines() if kept and kept.exists() else []
    return {row["cell"]: row["wrong"] for row in map(json.loads, lines)}


def _chosen(options: argparse.Namespace) -> list[Cell]:
    """Return the cells that are to be played, in their order; of those kept only the ones that were wrong, last."""
    chosen = [cell for cell in cells() if options.only in str(cell)]
    if options.shuffle is not None:
        random.Random(options.shuffle).shuffle(chosen)
    played = _played(options.kept)
    left = [cell for cell in chosen if played.get(str(cell)) != ""]
    return sorted(left, key=lambda cell: str(cell) in played)[: options.most]


def main(arguments: Sequence[str]) -> int:
    """Play the matrix, or a part of it, and print it as a table; return 1 where a cell is not as it should be."""
    parser = argparse.ArgumentParser(prog="kill_matrix", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="", help="cells whose name has these words: 'SIGKILL linkd', 'during'")
    parser.add_argument("--shuffle", type=int, metavar="SEED", help="in an order by chance")
    parser.add_argument("--most", type=int, metavar="N", help="no more than so many of them")
    parser.add_argument("--kept", type=Path, metavar="FILE", help="add what is played; what is well in it is left out")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time; then the host is looked at")
    parser.add_argument("--list", action="store_true", help="name the cells; play none")
    options = parser.parse_args(arguments)
    chosen = _chosen(options)
    if options.list:
        print(*chosen, f"{len(chosen)} cells", sep="\n")
        return 0
    signal.signal(SIGINT, signal.default_int_handler)  # a shell's background ignores it, and so would the runs
    began, bad = time.monotonic(), 0
    root = Path(tempfile.mkdtemp(prefix="kill-matrix-"))
    with ThreadPoolExecutor(options.jobs) as pool:
        for batch in _batches(chosen, options.jobs):
            before = Host.look()
            folders = [root / str(cell).replace(" ", "-") for cell in batch]
            outcomes = list(pool.map(play, batch, folders))
            left = {what: sorted(these) for what, these in before.left(settled(before)).items() if these}
            for cell, folder, outcome in zip(batch, folders, outcomes, strict=True):
                wrong = outcome.wrong or (f"left behind on the host: {left}" if left else "")
                bad += bool(wrong)
                verdict = wrong or "as documented"
                print(f"{cell!s:<52} {outcome.word:<13} {outcome.seconds:5.1f} s  {verdict}", flush=True)
                if outcome.said:
                    print(f"{'':<4}{outcome.said[:180]}", flush=True)
                if options.kept:
                    with options.kept.open("a") as kept:
                        print(json.dumps({"cell": str(cell), **asdict(outcome), "wrong": wrong}), file=kept)
                if not wrong:
                    shutil.rmtree(folder)
    print(f"{len(chosen)} cells, {bad} not as documented, {time.monotonic() - began:.0f} s")
    if bad:
        print(f"the runs that were not are kept in {root}")
    else:
        shutil.rmtree(root)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
