"""One run, inside its sandbox: owns the clock, the order of the steps, what is written when, and the end.

``python -m testbed.run.inside [PLACEMENT]`` reads where its job lies from a file, or else from standard input, and
tells its progress on standard output (testbed.run.progress). A line with the word ``end`` on standard input is the
wish that it ends: it writes what it has. Standard input that ends without the word is the end of who started it: the
run was killed, and says nothing more.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from testbed import paths
from testbed.capture.points import points
from testbed.capture.taps import GATHERS_NS, Taps
from testbed.faults.player import FaultPlayer
from testbed.lab import cores, machine
from testbed.lab.bench import Chosen
from testbed.lab.lender import Lender
from testbed.lab.network import keep_logs
from testbed.lab.starvation import Starvation
from testbed.link.light_plan import Tallies
from testbed.link.native import Spin
from testbed.metrics import throttled
from testbed.metrics.decomposition import decompose
from testbed.metrics.ledger import ledger
from testbed.metrics.rtt_fidelity import rtt_error
from testbed.metrics.schedule import schedule_table
from testbed.model import times
from testbed.model.bench import VIRTUAL
from testbed.model.ends import EVERYTHING
from testbed.model.facts import Facts
from testbed.model.tenant import TenantFacts
from testbed.result import fleet_verdict, junit, provenance
from testbed.result.digest import evidence_sha256
from testbed.result.provenance import Versions
from testbed.result.record import Fidelity, Record, State
from testbed.result.store import Result, ResultWriter
from testbed.result.verdict import evaluate
from testbed.run import captured, closed, ended, notes, pictures, progress, tenancy
from testbed.run.account import Account
from testbed.run.bringup import Rig, bring_up, destinations
from testbed.run.collect import Meanwhile, collect, keep_engine_log
from testbed.run.guard import carry_on, trace, words
from testbed.run.job import Job, unpack
from testbed.run.live import Watch
from testbed.run.placement import END, Placement
from testbed.run.progress import Ended, Event, Note, Step
from testbed.run.roll import Roll
from testbed.tenant.held import Custodian
from testbed.units import format_duration

_LEAD_NS = 1_200_000_000  # from the decision to start until the start: irtt opens its session meanwhile
_TICK_S = {times.REAL: 0.5, times.VIRTUAL: 5.0}
"""From one look at the lab to the next: in virtual time, which nobody watches pass, looks are what a run costs."""

_GRID_NS = {times.REAL: 1, times.VIRTUAL: 10**9}
"""A scenario starts at a multiple of it: microseconds more of bring-up, on another host, do not shift it."""

UNKNOWN = 3  # the exit status of a run that cannot tell
_DRAIN_NS = 1_000_000_000  # answers still on their way when the scenario is over


class Run:
    """A run from the first step to the last."""

    def __init__(
        self,
        job: Job,
        placement: Placement,
        lender: Lender | None,
        held: Callable[[Rig, Record], None] | None = None,
        custodian: Custodian | None = None,
        begins: Callable[[Rig, int], None] | None = None,
    ) -> None:
        """``held`` has the lab as it was at the end, when all is written and told, as long as it does not return;
        ``begins`` is told when the scenario does (CLOCK_REALTIME ns)."""
        self._job, self._folder, self._lender = job, Path(placement.folder), lender
        self._held, self._custodian, self._begins = held, custodian, begins
        self._lab: Rig | None = None
        self._alone, self._core, self._time = placement.alone, placement.core, placement.time
        folder, wish = self._folder, placement.capture
        self._taps = Taps(wish, points(wish, job.topology), folder) if wish else None
        self._writer = ResultWriter(folder, record_of(job, self._time, placement.versions))
        self._account = Account(self._writer, tell)
        self._stolen_share: float | None = None
        self._starvation = Starvation()
        self._tallies: Tallies | None = None
        self._error = ""

    def execute(self) -> int:
        """Bring the lab up, play the scenario, judge it; return the exit status."""
        state, judged = State.FAILED, dict[str, Any]()
        try:
            with carry_on(self._fail):
                self._measure()
                with self._step("verdicts"):
                    judged = self._judged()
                state = State.COMPLETE
        except KeyboardInterrupt:
            state, judged, self._error = State.INTERRUPTED, {}, "interrupted"
        kept = False
        with carry_on(self._not_kept):
            with self._account.guard("the devices' logs"):
                keep_logs(self._folder / "logs")
            self._writer.finish(state, time.time_ns(), self._error, **judged)
            self._report()
            kept = True
        if not kept:
            return UNKNOWN
        if self._held is not None and self._lab is not None:
            if state is State.COMPLETE:
                self._held(self._lab, self._writer.record)
            with carry_on(trace):
                self._lab.links.close()
                keep_engine_log(self._folder)
                self._writer.list_files()
        return self._writer.record.exit_status

    def _measure(self) -> None:
        if self._time == times.VIRTUAL:
            machine.settle()
        if self._alone:
            cores.prefer()
        for note in notes.of_files(self._job.scenario, self._job.topology):
            self._account.remark(note)
        if self._custodian is not None:
            self._look_at_the_region(self._custodian)
        self._keep_schedules()
        lab = bring_up(
            self._job,
            self._folder,
            self._step,
            lambda: datetime.now(UTC),
            spin=self._spin(),
            lender=self._lender,
            taps=self._taps,
            custodian=self._custodian,
        )
        if lab.watch is not None:
            allowed = destinations(self._job, lab.tenant.endpoint)
            self._writer.update(facts=replace(self._writer.record.facts, egress=allowed))
        for note in notes.of_hub(self._job.scenario, lab.network):
            self._account.remark(note)
        try:
            try:
                with self._step("scenario"):
                    self._play(lab)
            finally:
                for wish in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(wish, signal.SIG_IGN)  # what follows is what the wish to end asks for
        finally:
            with self._step("samples"):
                meanwhile = Meanwhile(self._stolen_share, self._starvation.longest)
                collect(lab, self._job, self._account, meanwhile, stays=self._held is not None)
                if self._job.among is not None:
                    with self._account.guard("the light hubs' figures", of=EVERYTHING):
                        self._tallies = lab.links.tallies()
                self._lab = lab
            if self._custodian is not None:
                self._look_at_throttling(self._custodian)

    def _look_at_the_region(self, custodian: Custodian) -> None:
        """Measure how far away the tenant's service is, and take that off the links whose trace has it in it."""
        away_ns = custodian.away_ns()
        self._job = tenancy.nearer(self._job, away_ns)
        self._writer.update(tenant=replace(self._writer.record.tenant, away_ns=away_ns))
        self._account.remark(f"the tenant's service is {format_duration(away_ns)} away from this host")

    def _look_at_throttling(self, custodian: Custodian) -> None:
        """Keep how often the account told its custodian or the clients to wait."""
        with self._account.guard("the tenant's throttling"):
            samples = Result(self._folder, self._writer.record).evidence.samples
            found = custodian.throttled() + throttled.count(samples.values())
            self._writer.update(tenant=replace(self._writer.record.tenant, throttled=found))
            if found:
                tell(Note(f"the tenant throttled {found} times; what it did to requests does not count"))

    def _spin(self) -> Spin:
        """Return how the engine waits: in virtual time no timer is late."""
        if self._time == times.VIRTUAL:
            return Spin.NEVER
        return Spin.AUTO if self._core is not None else Spin.NEAR

    def _play(self, lab: Rig) -> None:
        scenario = self._job.scenario
        with self._account.guard("the capture"):
            if self._taps is not None:
                self._taps.open(lab.network.devices)
        start_ns = -(-(time.time_ns() + _LEAD_NS) // _GRID_NS[self._time]) * _GRID_NS[self._time]
        lab.links.start(start_ns)
        for dish in lab.dishes:
            dish.start(start_ns)
        for probe in lab.probes.values():
            probe.start(start_ns)
        if self._alone:
            cores.prefer()  # whatever came since has sessions of its own
        if self._core is not None:
            cores.dedicate(self._core)
        self._writer.update(started_ns=start_ns)
        if self._begins is not None:
            self._begins(lab, start_ns)
        before = cores.ticks()
        watch, roll = Watch(self._job, lab, start_ns, self._time == times.VIRTUAL), Roll(lab.parts, start_ns)
        faults = FaultPlayer(lab.actors, start_ns, time.time_ns)
        faults.start()
        end_ns = start_ns + scenario.duration + _DRAIN_NS + (0 if self._taps is None else GATHERS_NS)
        try:
            while (now_ns := time.time_ns()) < end_ns:
                faults.check()
                self._account.note(roll.call(now_ns))
                with self._account.guard("the live screen"):
                    tell(watch.look(now_ns, self._writer.record.ends))
                self._look_after_capture(now_ns)
                self._look_at_starvation()
                time.sleep(min(_TICK_S[self._time], (end_ns - now_ns) / 1e9))
        finally:
            with self._account.guard("the capture"):
                if self._taps is not None:
                    self._taps.stop()
            faults.stop()
            self._account.note(roll.call(time.time_ns()))
            self._writer.update(facts=faults.as_happened(self._writer.record.facts))
        faults.check()
        self._stolen_share = cores.stolen_share(before)

    def _look_after_capture(self, now_ns: int) -> None:
        with self._account.guard("the capture"):
            if self._taps is not None and (reason := self._taps.watch(now_ns)):
                self._account.remark(f"the capture ends, the run goes on: {reason}")

    def _look_at_starvation(self) -> None:
        with self._account.guard("who waits for a processor"):
            if self._time == times.REAL:  # in virtual time nobody does
                self._starvation.look(time.time_ns())

    def _fail(self, error: Exception) -> None:
        trace(error)
        self._error = words(error)
        tell(Note(self._error, error=True))

    def _not_kept(self, error: Exception) -> None:
        """Say what the result cannot, as on a full disk: what it says is of the last step that could be written."""
        tell(Note(f"{self._error or 'the run is over'}; its result could not be kept: {words(error)}", error=True))
        tell(Ended(folder=paths.shown(self._folder), state=str(State.FAILED), exit_status=UNKNOWN))

    def _judged(self) -> dict[str, Any]:
        """Return what judging adds to the record; a run that is killed meanwhile has no verdict, and no half of one."""
        record = self._writer.record
        evidence = Result(self._folder, record).evidence
        fidelity = record.fidelity or Fidelity(False, record.invalid)
        error = rtt_error(evidence, evidence.facts.heartbeat).value
        judged: dict[str, Any] = {
            "fidelity": replace(fidelity, rtt_error_p95_ns=error),
            "verdicts": evaluate(self._job.scenario, evidence, record.invalid, record.ends, fidelity.band_ns),
            "unknown": {**record.unknown, **closed.hidden(evidence)},
            "decomposition": decompose(evidence),
            "sessions": ledger(evidence),
        }
        if self._job.among is not None and self._tallies is not None:
            fleet = self._job.among.evidence(self._tallies, evidence)
            found = fleet_verdict.judge(fleet, self._job.among.scenario.objectives, record.invalid)
            judged["fleet"] = tuple(found)
        return judged | {"evidence_sha256": evidence_sha256(self._folder, replace(record, **judged))}

    def _report(self) -> None:
        """Write what is made from the results alone, and say how it ended."""
        record = self._writer.record
        with self._account.guard("junit.xml"):
            junit.write(self._folder, record)
        if self._time == times.REAL:  # else by who started the machine: its page faults are dear
            pictures.write(self._writer, tell)
        if self._taps is not None and record.started_ns is not None:
            tell(Step("capture"))
            with self._account.guard("the capture"):
                evidence = Result(self._folder, record).evidence
                held = captured.woven(self._taps, record, evidence.links, self._folder)
                self._writer.update(capture=held)
        with self._account.guard("the list of files"):
            self._writer.list_files()
        tell(ended.told(record, self._folder))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        began_ns = time.time_ns()
        self._writer.begin(name, began_ns)
        tell(Step(name))
        yield
        tell(Step(name, (time.time_ns() - began_ns) / 1e9))

    def _keep_schedules(self) -> None:
        self._writer.keep("schedule", schedule_table(self._job.schedules, self._job.scenario.duration))


def record_of(job: Job, time_played: str, found: Versions | None = None) -> Record:
    """Return the record of a job that begins to be played now, in real or virtual time; ``found`` is what runs, where
    that was looked up before."""
    return Record(
        scenario=job.manifest.name,
        question=job.manifest.question,
        duration_ns=job.scenario.duration,
        seed=job.scenario.seed,
        facts=Facts.of(job.scenario, job.topology),
        inputs=job.manifest.inputs,
        versions=found or provenance.versions(paths.ROOT),
        host=provenance.host(),
        created_ns=time.time_ns(),
        changes=job.manifest.changes,
        unknown=closed.unknown(job.scenario),
        bench=job.bench.name if job.bench else VIRTUAL,
        met=job.manifest.met,
        under_test=job.manifest.under_test,
        time=time_played,
        tenant=TenantFacts.of(job.tenant),
    )


def tell(event: Event) -> None:
    """Tell the screen; where nobody listens any more, the result says the same."""
    with suppress(BrokenPipeError):
        progress.write(event, sys.stdout)


def hear_the_wish_to_end() -> None:
    """Take the word ``end`` on standard input for a Ctrl-C, and its end without the word for SIGKILL.

    The death of who started the run reaches it in two ways, here and as SIGKILL through the sandbox, of
    which either may be first: both leave the same behind.
    """
    main_thread = threading.main_thread().ident or 0

    def wait() -> None:
        if sys.stdin.readline().strip() == END:
            signal.pthread_kill(main_thread, signal.SIGINT)
        else:
            os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Play the job that a file, or standard input, names."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager ends all alike
    told = Path(sys.argv[1]).read_bytes() if sys.argv[1:] else sys.stdin.readline()
    placement = msgspec.json.decode(told, type=Placement)
    hear_the_wish_to_end()
    folder = Path(placement.folder)
    lender = Lender(placement.lender, folder / "logs/lender.log") if placement.lender is not None else None
    chosen = Chosen(Path(placement.bench), placement.hub) if placement.bench else None
    return Run(unpack(folder, chosen), placement, lender, custodian=Custodian.of(placement.custodian)).execute()


if __name__ == "__main__":
    sys.exit(main())
