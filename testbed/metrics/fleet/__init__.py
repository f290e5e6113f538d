"""Figures of a fleet: one of each hub, or one of all together; pure, one in a file."""

from __future__ import annotations

from testbed.metrics.fleet.delay import delay_mean, delay_p99
from testbed.metrics.fleet.evidence import Figures, FleetEvidence
from testbed.metrics.fleet.fairness import fairness
from testbed.metrics.fleet.fetch_time import fetch_time
from testbed.metrics.fleet.leases import lease_peak, lease_time
from testbed.metrics.fleet.loss import loss
from testbed.metrics.fleet.throughput import peak_load, throughput
from testbed.metrics.window import Window
from testbed.model.fleet_objective import FleetObjective


def window_of(evidence: FleetEvidence, objective: FleetObjective) -> Window:
    """Return the part of the run that an objective looks at."""
    return Window(*objective.window) if objective.window else evidence.whole


def of_hubs(evidence: FleetEvidence, objective: FleetObjective) -> Figures:
    """Return the figure of each hub that an objective asks for, shape (hubs,); NaN: none."""
    load, window = objective.of, window_of(evidence, objective)
    if objective.metric == "throughput":
        return throughput(evidence, load, window, objective.per)
    if objective.metric == "delay_p99":
        return delay_p99(evidence, load)
    of_window = {"delay_mean": delay_mean, "loss": loss, "fetch_time": fetch_time, "lease_time": lease_time}
    return of_window[objective.metric](evidence, load, window)


def of_all(evidence: FleetEvidence, objective: FleetObjective) -> float | None:
    """Return the one figure of the fleet that an objective asks for; None: there is none."""
    load, window = objective.of, window_of(evidence, objective)
    if objective.metric == "fairness":
        return fairness(evidence, load, window, objective.per)
    return {"peak_load": peak_load, "lease_peak": lease_peak}[objective.metric](evidence, load, window)
