"""The end of a lab: what was measured is written first, and what is only useful after it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace

from testbed.lab import bench
from testbed.link import calibration
from testbed.link.fidelity import Budget
from testbed.link.fidelity import Certificate as Certificate
from testbed.link.native import read_bins
from testbed.model.ends import EVERYTHING
from testbed.model.scenario import FidelityBudget
from testbed.result.record import Fidelity
from testbed.run.account import Account
from testbed.run.bringup import Rig
from testbed.run.job import Job


def collect(lab: Rig, job: Job, account: Account, stolen_share: float | None) -> None:
    """Write all samples there are, evidence first; what fails here is told, and the rest is still written."""
    folder = account.writer.folder
    for name, probe in lab.probes.items():  # while the links are up: answers may still be waited for
        with account.guard(f"the samples of {name}", of=name):
            probe.finish()
    host = None
    with account.guard("the host's calibration"):
        host = calibration.kept()
    with account.guard("the links' records", of=EVERYTHING):
        fidelity = _fidelity(lab.links.close(), job.scenario.fidelity)
        fidelity = replace(fidelity, calibrated_ns=host.rtt_p99_ns if host else None)
        account.writer.update(fidelity=replace(fidelity, stolen_share=stolen_share))
        account.writer.keep("links", read_bins(lab.links.records))
    if job.bench is not None and not job.scenario.hub.closed:  # a virtual hub's are here already
        with account.guard("the hub's logs"):
            bench.keep_logs(lab.network.devices[job.topology.hub.name], folder / "logs")
    with account.guard("the services' end"):
        lab.close()
    with account.guard("the engine's log"):
        engine = folder / "link"
        shutil.move(engine / "linkd.log", folder / "logs" / "linkd.log")
        shutil.rmtree(engine)  # all that it held is in links.parquet and schedule.parquet now


def _fidelity(certificate: Certificate, budget: FidelityBudget) -> Fidelity:
    faults = certificate.faults_against(
        Budget(late_share=budget.late_share, late_ns_max=budget.late_max, away_share=budget.away_share)
    )
    links = {f"{d.link} {d.direction}": asdict(d) for d in certificate.directions}
    return Fidelity(
        valid=not faults,
        reason="; ".join(faults),
        links=links,
        backend=certificate.backend,
        missing=certificate.missing,
    )
