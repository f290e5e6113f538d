"""The end of a lab: what was measured is written first, and what is only useful after it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from testbed.lab import bench
from testbed.lab.starvation import Wait
from testbed.link import calibration
from testbed.link.fidelity import Budget
from testbed.link.fidelity import Certificate as Certificate
from testbed.link.native import read_bins
from testbed.link.records import of_links
from testbed.model.ends import EVERYTHING
from testbed.model.scenario import FidelityBudget
from testbed.probes.egress_watch import KEPT
from testbed.result.record import Fidelity
from testbed.run.account import Account
from testbed.run.bringup import Rig
from testbed.run.job import Job


@dataclass(frozen=True)
class Meanwhile:
    """What the host did to a run while it lasted; None: not known.

    ``stolen_share`` of the processors' time was the hypervisor's; ``longest`` is the longest wait for a processor.
    """

    stolen_share: float | None
    longest: Wait | None


def collect(lab: Rig, job: Job, account: Account, meanwhile: Meanwhile, *, stays: bool = False) -> None:
    """Write all samples there are, evidence first; what fails here is told, and the rest is still written.

    Where the lab ``stays``, its links and services go on.
    """
    folder = account.writer.folder
    for name, probe in lab.probes.items():  # while the links are up: answers may still be waited for
        with account.guard(f"the samples of {name}", of=name):
            probe.finish()
    host = None
    with account.guard("the host's calibration"):
        host = calibration.kept()
    with account.guard("the links' records", of=EVERYTHING):
        certificate = lab.links.certificate_so_far() if stays else lab.links.close()
        fidelity = fidelity_of(certificate, job.scenario.fidelity, host, meanwhile.longest)
        account.writer.update(fidelity=replace(fidelity, stolen_share=meanwhile.stolen_share))
        account.writer.keep("links", of_links(read_bins(lab.links.records), tuple(job.topology.uplinks)))
    if job.bench is not None and not job.scenario.hub.closed:  # a virtual hub's are here already
        with account.guard("the hub's logs"):
            bench.keep_logs(lab.network.devices[job.topology.hub.name], folder / "logs")
    if lab.watch is not None:
        with account.guard("what left the hub"):
            started_ns = account.writer.record.started_ns or 0
            lab.watch.finish(started_ns, folder / "samples", folder / KEPT)
    if stays:
        return
    with account.guard("the services' end"):
        lab.close()
    with account.guard("the engine's log"):
        keep_engine_log(folder)


def keep_engine_log(folder: Path) -> None:
    """Keep of the engine's folder, when the links have ended, its log: all else that it held is in the samples."""
    engine = folder / "link"
    shutil.move(engine / "linkd.log", folder / "logs" / "linkd.log")
    shutil.rmtree(engine)


def fidelity_of(
    certificate: Certificate,
    budget: FidelityBudget,
    host: calibration.Calibration | None,
    longest: Wait | None = None,
) -> Fidelity:
    """Return the certificate in short, held against a scenario's budget, with what this host adds where it is known."""
    faults = certificate.faults_against(
        Budget(late_share=budget.late_share, late_ns_max=budget.late_max, away_share=budget.away_share)
    )
    if longest is not None and longest.waited_ns > budget.wait_max:
        faults = (*faults, str(longest))
    links = {f"{d.link} {d.direction}": asdict(d) for d in certificate.directions}
    return Fidelity(
        valid=not faults,
        reason="; ".join(faults),
        links=links,
        backend=certificate.backend,
        missing=certificate.missing,
        calibrated_ns=host.rtt_p99_ns if host else None,
        waited_ns_max=longest.waited_ns if longest else None,
        waited=longest.name if longest else "",
    )
