"""A lab that stands, inside its sandbox: brought up as a run is, its traffic going, until it is ended.

``python -m testbed.standing.inside`` reads where its job lies from standard input, as testbed.run.inside does, and
answers the control socket meanwhile.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from testbed import paths
from testbed.lab import cores
from testbed.lab.bench import Chosen
from testbed.lab.lender import Lender
from testbed.lab.network import keep_logs
from testbed.link.native import Spin
from testbed.run import tenancy
from testbed.run.bringup import Rig, bring_up
from testbed.run.collect import keep_engine_log
from testbed.run.guard import carry_on, trace, words
from testbed.run.inside import hear_the_wish_to_end, tell
from testbed.run.job import Job, unpack
from testbed.run.placement import Placement, Stay
from testbed.run.progress import Ended, Note, Standing, Step
from testbed.run.roll import Roll
from testbed.standing.controls import Controls
from testbed.standing.server import ControlServer
from testbed.tenant.held import Custodian

LEAD_NS = 1_200_000_000  # from the decision to start until the start, as in a run
_LOOK_S = 0.5


class LabInside:
    """A standing lab from the first step to the last."""

    def __init__(
        self, job: Job, placement: Placement, stay: Stay, lender: Lender | None, custodian: Custodian | None
    ) -> None:
        self._job, self._placement, self._stay, self._lender = job, placement, stay, lender
        self._custodian = custodian
        self._folder = Path(placement.folder)
        self._server = server(stay)
        self._failed = False

    def execute(self) -> int:
        """Bring it up, let it stand until it is to end, end it; return the exit status."""
        self._server.start()
        lab: Rig | None = None
        try:
            with carry_on(self._fail):
                lab = self._bring_up()
                self._stand(lab)
        except KeyboardInterrupt:
            pass
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what follows is what the wish to end asks for
        with carry_on(_mishap):
            keep_logs(self._folder / "logs")
        with carry_on(_mishap):
            self._end(lab)
        status = 3 if self._failed else 0
        tell(Ended(paths.shown(self._folder), "failed" if self._failed else "ended", status))
        return status

    def _bring_up(self) -> Rig:
        spin = Spin.AUTO if self._placement.core is not None else Spin.NEAR
        if self._custodian is not None:
            self._job = tenancy.nearer(self._job, self._custodian.away_ns())
        return bring_up(
            self._job,
            self._folder,
            step,
            lambda: datetime.now(UTC),
            spin=spin,
            lender=self._lender,
            custodian=self._custodian,
        )

    def _stand(self, lab: Rig) -> None:
        start_ns = time.time_ns() + LEAD_NS
        lab.links.start(start_ns)
        for dish in lab.dishes:
            dish.start(start_ns)
        for probe in lab.probes.values():
            probe.start(start_ns)
        cores.prefer()
        if self._placement.core is not None:
            cores.dedicate(self._placement.core)
        controls = Controls(self._stay.name, self._job, lab, self._folder, start_ns, start_ns + self._stay.for_ns)
        self._server.serve(controls.asks(), controls.sampler)
        attend(lab, controls)

    def _end(self, lab: Rig | None) -> None:
        if lab is None:
            shutil.rmtree(self._folder / "link", ignore_errors=True)
        else:
            lab.links.close()
            lab.close()
            keep_engine_log(self._folder)

    def _fail(self, error: Exception) -> None:
        trace(error)
        self._failed = True
        tell(Note(words(error), error=True))


def _mishap(error: Exception) -> None:
    trace(error)
    tell(Note(words(error)))


def server(stay: Stay, why_not_yet: str = "is coming up") -> ControlServer:
    """Return what answers a lab's control socket; to end the lab is to interrupt this process."""
    listener = socket.socket(fileno=stay.control)
    listener.set_inheritable(False)
    main_thread = threading.main_thread().ident or 0

    def down() -> None:
        signal.pthread_kill(main_thread, signal.SIGINT)

    return ControlServer(listener, f"lab {stay.name} {why_not_yet}", down)


def attend(lab: Rig, controls: Controls) -> None:
    """Tell that the lab stands, and return when its time is over; meanwhile note the parts that end unasked."""
    tell(Standing(controls.name, controls.until_ns))
    roll = Roll(lab.parts, controls.start_ns)
    try:
        while time.time_ns() < controls.until_ns:
            controls.note(roll.call(time.time_ns()))
            controls.look()
            time.sleep(_LOOK_S)
    finally:
        controls.players.stop()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tell of a step, and how long it took."""
    began_s = time.monotonic()
    tell(Step(name))
    yield
    tell(Step(name, time.monotonic() - began_s))


def main() -> int:
    """Let the job stand that standard input names."""
    placement = msgspec.json.decode(sys.stdin.readline(), type=Placement)
    hear_the_wish_to_end()
    folder = Path(placement.folder)
    lender = Lender(placement.lender, folder / "logs/lender.log") if placement.lender is not None else None
    chosen = Chosen(Path(placement.bench), placement.hub) if placement.bench else None
    if placement.stay is None:
        return os.EX_USAGE
    custodian = Custodian.of(placement.custodian)
    return LabInside(unpack(folder, chosen), placement, placement.stay, lender, custodian).execute()


if __name__ == "__main__":
    sys.exit(main())
