"""`python -m benchmarks.crew`: is each run of a campaign had once, when its hosts are killed all the time? No root.

100 runs of three workers behind a scheduler, all real processes and the campaign's own code; every 10 s one worker,
taken at random, gets SIGKILL and is started again, as systemd does it. A run is a job of the product, played in
simulated time by the paper hub of benchmarks.compare through the engine's own physics, then judged and written as any
other; then it stays for two seconds, so that kills find it. Two runs in three ask for one of two benches. What is given
up, after four dead workers, is resumed. Prints the table and writes results/bench-crew.json.
"""

from __future__ import annotations

import argparse
import collections
import fcntl
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import msgspec

from benchmarks import compare
from benchmarks.__main__ import Row
from testbed import paths
from testbed.campaign import agenda, spread
from testbed.campaign.agenda import Agenda
from testbed.campaign.dask_crew import DaskCrew
from testbed.campaign.player import Assignment
from testbed.campaign.wire import Wire
from testbed.model.times import VIRTUAL
from testbed.result.record import Fidelity, State
from testbed.result.store import ResultWriter
from testbed.result.verdict import evaluate
from testbed.run import inside, job, plan
from testbed.yaml.overrides import Override

WORKERS, NEED = 3, "nic=shelf-3"
STAYS_S = 2.0
BENCHES = ("", "east", "west")
TESTBED = (sys.executable, "-m", "testbed")


def play(notes: Path, order: str, folder: Path) -> None:
    """Play one job; note that it began and ended, and whether somebody else had its bench meanwhile."""
    assignment = msgspec.json.decode(order, type=Assignment)
    with (notes / "begun").open("a") as file:
        file.write(f"{assignment.name}\n")
    with (notes / f"bench-{assignment.hub}").open("a+") as bench:
        if assignment.place:
            try:
                fcntl.flock(bench, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                bench.write(f"{assignment.name} found it taken\n")
        given = job.unpack(folder)
        writer = ResultWriter(folder, inside.record_of(given, VIRTUAL))
        evidence = compare.played(given.scenario, given.topology, given.schedules)
        writer.keep("heartbeat", evidence.samples["heartbeat"])
        writer.update(fidelity=Fidelity(True, backend="simulated"), verdicts=tuple(evaluate(given.scenario, evidence)))
        time.sleep(STAYS_S)
        writer.finish(State.COMPLETE, time.time_ns())


def laid_out(folder: Path, runs: int) -> Agenda:
    """Plan the runs into a campaign's folder, each with a seed of its own, by turns for no bench and for two."""
    scenario = folder / "planted.yaml"
    scenario.write_text(compare.SCENARIO)
    plans = [plan.make(scenario, (Override.parse(f"seed={k + 1}"),)) for k in range(runs)]
    todo = agenda.lay_out(plans, ("seed",), (NEED,), folder)
    asking = []
    for k, run in enumerate(todo.runs):
        if hub := BENCHES[k % len(BENCHES)]:
            run = replace(run, assignment=replace(run.assignment, bench="shelf", hub=hub, bench_hash="0" * 64))
        asking.append(run)
    return replace(todo, runs=tuple(asking))


class Lab:
    """A scheduler and its workers, as processes."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack, self.kills = folder, stack, 0
        self._scheduler = self._started("scheduler", "scheduler", "--listen", "127.0.0.1:0")
        self.address = self._said("scheduler", "scheduler at").split()[-1]
        self._workers = [self._worker(number) for number in range(WORKERS)]
        for number in range(WORKERS):
            self._said(f"worker-{number}", "at once")

    def kill_one(self, drawn: random.Random) -> None:
        """Kill a worker and start it again."""
        number = drawn.randrange(WORKERS)
        self._workers[number].send_signal(signal.SIGKILL)
        self._workers[number].wait()
        self.kills += 1
        self._workers[number] = self._worker(number)

    def _worker(self, number: int) -> subprocess.Popen[bytes]:
        return self._started(f"worker-{number}", "worker", self.address, "--resources", NEED)

    def _started(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._folder / f"{name}.log").open("ab") as log:
            line = ["setpriv", "--pdeathsig", "KILL", "--", *TESTBED, *arguments]
            process = self._stack.enter_context(subprocess.Popen(line, stdout=log, stderr=log, cwd=paths.ROOT))
        self._stack.callback(process.kill)
        return process

    def _said(self, name: str, word: str) -> str:
        log = self._folder / f"{name}.log"
        for _ in range(1200):
            if found := [line for line in log.read_text().splitlines() if word in line]:
                return found[-1]
            time.sleep(0.1)
        raise SystemExit(log.read_text())


def measured(runs: int, every_s: float, seed: int) -> list[Row]:
    """Play the campaign among the kills, and count."""
    with tempfile.TemporaryDirectory() as root, ExitStack() as stack:
        notes, folder = Path(root), Path(root) / "campaign"
        folder.mkdir()
        todo = laid_out(folder, runs)
        lab, over = Lab(notes, stack), threading.Event()
        kept: collections.Counter[str] = collections.Counter()
        waits: set[str] = set()

        def killing() -> None:
            drawn = random.Random(seed)
            while not over.wait(every_s):
                lab.kill_one(drawn)

        def tell(standing: spread.Headway) -> None:
            waits.update(standing.said)
            if standing.over is not None:
                kept[standing.over.name] += not standing.over.lost
                left = "" if standing.left_s is None else f", {standing.left_s:.0f} s left"
                print(f"\r{standing.done} of {standing.of}{left}, {lab.kills} killed   ", end="", flush=True)

        command = (sys.executable, "-m", "benchmarks.crew", "--play", root)
        began_s = time.monotonic()
        given_up = 0
        with DaskCrew(Wire.parse(lab.address, None, "--on"), command) as crew:
            killer = threading.Thread(target=killing)
            killer.start()
            try:
                campaign = spread.play(todo, folder, crew, tell, time.monotonic)
                while left := agenda.left(todo, folder):
                    given_up += len(left)
                    campaign = spread.play(todo, folder, crew, tell, time.monotonic)
            finally:
                over.set()
                killer.join()
            took_s, locks = time.monotonic() - began_s, len(crew.holders())
        print()
        begun = collections.Counter((notes / "begun").read_text().splitlines())
        taken = sum(len((notes / f"bench-{hub}").read_text().splitlines()) for hub in BENCHES if hub)
        sound = sum(result.record.state is State.COMPLETE for result in campaign.results)
        jobs = list((folder / agenda.FOLDER).glob("*"))
    return [
        Row(f"{runs} runs, {WORKERS} workers, one killed each {every_s:g} s: took", took_s, "s"),
        Row("workers killed", lab.kills, ""),
        Row("runs begun once more, since their worker was killed", begun.total() - runs, "runs", bar=">= 1"),
        Row("waits for a bench that were told, with who has it", len(waits), ""),
        Row("results, complete and whole", sound, "", bar=f">= {runs}"),
        Row("runs with two results", sum(count > 1 for count in kept.values()), "", bar="<= 0"),
        Row("runs given up after four dead workers, and played when resumed", given_up, ""),
        Row("times that a bench was had by two", taken, "", bar="<= 0"),
        Row("locks left at the scheduler", locks, "", bar="<= 0"),
        Row("jobs left in the campaign's folder", len(jobs), "", bar="<= 0"),
    ]


def main() -> int:
    """Measure, print, write; 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crew", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--every", type=float, default=10.0, metavar="S", help="between kills (10)")
    parser.add_argument("--seed", type=int, default=1, help="of who is killed (1)")
    parser.add_argument("--play", nargs=3, metavar=("NOTES", "ORDER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        notes, order, folder = options.play
        play(Path(notes), order, Path(folder))
        return 0
    rows = measured(options.runs, options.every, options.seed)
    for row in rows:
        state = {True: "reached", False: "MISSED", None: ""}[row.reached]
        print(f"{row.name:<62} {row.value:>8.4g} {row.unit:<5} {row.bar:<7} {state}")
    paths.RESULTS.mkdir(exist_ok=True)
    (paths.RESULTS / "bench-crew.json").write_text(json.dumps(list(map(asdict, rows)), indent=1) + "\n")
    return int(any(row.reached is False for row in rows))


if __name__ == "__main__":
    sys.exit(main())
