"""How a fleet fared: what its hubs were carried over time, and how the hubs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.model.fleet_scenario import FleetScenario
from testbed.plots import style
from testbed.result.fleet_verdict import FleetVerdict
from testbed.units import format_duration

PERCENTILES = (5, 50, 95)
SMOOTHED_S, POINTS = 5, 200
"""The mean is drawn of so many seconds, up to now; of a run that lasts, of a part in so many."""
_HOUR_NS = 3600 * 10**9
_HOURS_FROM_NS = 3 * _HOUR_NS


@dataclass(frozen=True)
class _Clock:
    """The axis of time: in seconds or hours since the start, or by time of day where the load follows that."""

    label: str
    unit_ns: float = 1e9
    begins: float = 0.0

    @classmethod
    def of(cls, scenario: FleetScenario) -> _Clock:
        if scenario.duration < _HOURS_FROM_NS:
            return cls("s since the start")
        if scenario.day is None:
            return cls("h since the start", _HOUR_NS)
        return cls("time of day (h)", _HOUR_NS, scenario.day.begins / _HOUR_NS)

    def at(self, t_ns: Any) -> Any:
        """Return where a time since the start stands, or an array of them."""
        return self.begins + t_ns / self.unit_ns


def draw(name: str, scenario: FleetScenario, evidence: FleetEvidence, verdicts: Sequence[FleetVerdict]) -> Figure:
    """Draw for each load the median hub and the range of nine in ten over time, and how hubs differ."""
    rows, clock, mean_s = len(evidence.loads), _Clock.of(scenario), SMOOTHED_S
    figure = Figure(figsize=(9, 1.1 + 2.2 * rows), layout="constrained")
    grid = figure.subplots(rows, 2, squeeze=False, width_ratios=(2, 1))
    for row, load in enumerate(evidence.loads):
        over_time, spread = grid[row]
        kbit = evidence.by_second("carried", load, evidence.whole) * 8 / 1000
        mean_s = max(SMOOTHED_S, len(kbit) // POINTS)
        ends = np.arange(1, len(kbit) + 1, max(1, mean_s // SMOOTHED_S))
        smooth = np.array([kbit[max(0, end - mean_s) : end].mean(axis=0) for end in ends])
        low, middle, high = np.percentile(smooth, PERCENTILES, axis=1)
        over_time.fill_between(
            clock.at(ends * 1e9), low, high, color=style.GREY, alpha=0.35, lw=0, label="90 % of hubs"
        )
        over_time.plot(clock.at(ends * 1e9), middle, color="black", lw=1.2, label="median hub")
        for event in scenario.events:
            over_time.axvspan(clock.at(event.at), clock.at(event.end_ns), color=style.GREY, alpha=0.15, lw=0)
        over_time.set_ylabel(f"{load}\nkbit/s a hub")
        over_time.set_xlim(clock.at(0), clock.at(len(kbit) * 1e9))
        over_time.set_ylim(0, 1.05 * max(float(high.max()), 1e-3))
        shares = np.sort(kbit.mean(axis=0))
        spread.step(shares, (np.arange(len(shares)) + 1) / len(shares) * 100, where="post", color="black", lw=1.2)
        spread.set_ylim(0, 100)
        spread.set_xlim(0, 1.05 * max(float(shares.max()), 1e-3))
        spread.set_ylabel("% of hubs, at most")
    grid[0][0].legend(loc="lower right", frameon=False, fontsize=7)
    grid[-1][0].set_xlabel(f"{clock.label}; mean of the last {format_duration(mean_s * 10**9)}; grey: outage")
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
