"""How a fleet fared: what its hubs were carried over time, and how the hubs differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.model.fleet_scenario import FleetScenario
from testbed.plots import style
from testbed.result.fleet_verdict import FleetVerdict

PERCENTILES = (5, 50, 95)
SMOOTHED = 5
"""Seconds, up to now, of which the mean is drawn."""


def draw(name: str, scenario: FleetScenario, evidence: FleetEvidence, verdicts: Sequence[FleetVerdict]) -> Figure:
    """Draw for each load the median hub and the range of nine in ten over time, and how hubs differ."""
    rows = len(evidence.loads)
    figure = Figure(figsize=(9, 1.1 + 2.2 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, width_ratios=(2, 1))
    for row, load in enumerate(evidence.loads):
        over_time, spread = grid[row]
        kbit = evidence.by_second("carried", load, evidence.whole) * 8 / 1000
        smooth = np.array([kbit[max(0, i + 1 - SMOOTHED) : i + 1].mean(axis=0) for i in range(len(kbit))])
        low, middle, high = np.percentile(smooth, PERCENTILES, axis=1)
        seconds = np.arange(len(kbit)) + 1
        over_time.fill_between(seconds, low, high, color=style.GREY, alpha=0.35, lw=0, label="90 % of hubs")
        over_time.plot(seconds, middle, color="black", lw=1.2, label="median hub")
        for event in scenario.events:
            over_time.axvspan(event.at / 1e9, event.end_ns / 1e9, color=style.GREY, alpha=0.15, lw=0)
        over_time.set_ylabel(f"{load}\nkbit/s a hub")
        over_time.set_xlim(0, len(kbit))
        over_time.set_ylim(0, 1.05 * max(float(high.max()), 1e-3))
        shares = np.sort(kbit.mean(axis=0))
        spread.step(shares, (np.arange(len(shares)) + 1) / len(shares) * 100, where="post", color="black", lw=1.2)
        spread.set_ylim(0, 100)
        spread.set_xlim(0, 1.05 * max(float(shares.max()), 1e-3))
        spread.set_ylabel("% of hubs, at most")
    grid[0][0].legend(loc="lower right", frameon=False, fontsize=7)
    grid[-1][0].set_xlabel(f"s since the start, mean of the last {SMOOTHED} s; grey: outage")
    grid[-1][1].set_xlabel("kbit/s, mean of the run")
    passed = sum(verdict.outcome == "pass" for verdict in verdicts)
    plays = ", ".join(f"{link.name}: {link.trace or 'fixed'}" for link in scenario.uplinks.values())
    figure.suptitle(
        f"{name} on {scenario.topology}: {len(evidence.hubs)} light hubs, {plays}, seed {scenario.seed}; "
        f"{passed} of {len(verdicts)} objectives hold",
        fontsize=9,
        x=0.01,
        ha="left",
    )
    return figure


def save(
    path: Path, name: str, scenario: FleetScenario, evidence: FleetEvidence, verdicts: Sequence[FleetVerdict]
) -> None:
    """Draw into a file, whose suffix says its format."""
    with matplotlib.rc_context(dict(style.RC)):
        draw(name, scenario, evidence, verdicts).savefig(path, dpi=150)
