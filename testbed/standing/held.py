"""A run that can be looked at as it goes on, and is held: when it is judged and its result is written, its lab stays
as it was, to be looked into.

``python -m testbed.standing.held`` is testbed.run.inside with that around it. As long as the run goes on nothing is
done by hand; what is done later is not in the result any more.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import msgspec

from testbed.lab.bench import Chosen
from testbed.lab.lender import Lender
from testbed.result.record import Record
from testbed.run.bringup import Rig
from testbed.run.ended import word_of
from testbed.run.inside import Run, hear_the_wish_to_end
from testbed.run.job import Job, unpack
from testbed.run.placement import Placement, Stay
from testbed.standing.controls import Controls
from testbed.standing.inside import attend, server
from testbed.tenant.held import Custodian


class _Held:
    def __init__(self, job: Job, folder: Path, stay: Stay) -> None:
        self._job, self._folder, self._stay = job, folder, stay
        self._server = server(stay, "belongs to a run that goes on")
        self._server.start()
        self._controls: Controls | None = None

    def begins(self, lab: Rig, start_ns: int) -> None:
        """Let others see how a run goes on."""
        end_ns = start_ns + self._job.scenario.duration
        self._controls = Controls(self._stay.name, self._job, lab, self._folder, start_ns, end_ns, hands=False)
        self._server.serve({"state": self._controls.asks()["state"]}, self._controls.sampler, still=True)

    def __call__(self, lab: Rig, record: Record) -> None:
        """Let a lab stand where its run ended as is to be looked into, until somebody ends it."""
        controls, wanted = self._controls, self._stay.outcomes
        if controls is None or wanted is None or (wanted and word_of(record) not in wanted):
            return
        lab.probes.clear()  # the traffic is over, and its programs have ended
        controls.until_ns = time.time_ns() + self._stay.for_ns
        controls.over = controls.hands = True
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._server.serve(controls.asks(), controls.sampler)
            attend(lab, controls)
        except KeyboardInterrupt:
            pass


def main() -> int:
    """Play the job that standard input names, and hold its lab."""
    placement = msgspec.json.decode(sys.stdin.readline(), type=Placement)
    hear_the_wish_to_end()
    if placement.stay is None:
        return os.EX_USAGE
    folder = Path(placement.folder)
    lender = Lender(placement.lender, folder / "logs/lender.log") if placement.lender is not None else None
    chosen = Chosen(Path(placement.bench), placement.hub) if placement.bench else None
    job = unpack(folder, chosen)
    stays = _Held(job, folder, placement.stay)
    return Run(job, placement, lender, stays, Custodian.of(placement.custodian), stays.begins).execute()


if __name__ == "__main__":
    sys.exit(main())
