"""What may be asked of a fleet: figures of each hub or of all, bounds, and the share of hubs that keep them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.quantities import Duration, Share


class FleetUnit(StrEnum):
    """The base unit of a figure of the fleet."""

    RATE = "bit/s"
    TIME = "ns"
    PART = "share"
    PACE = "/s"


@dataclass(frozen=True)
class FleetMetric:
    """What a figure of the fleet is measured in and of: loads of these ``kinds``, or the leases of an uplink;
    ``of_hub``: each hub has one of its own."""

    unit: FleetUnit
    kinds: tuple[str, ...]
    summary: str
    of_hub: bool = True
    windowed: bool = True
    per_user: bool = False
    of_leases: bool = False


_ALL = ("beat", "flow", "fetch")
FLEET_METRICS: Mapping[str, FleetMetric] = {
    "throughput": FleetMetric(FleetUnit.RATE, _ALL, "bit/s carried to a hub", per_user=True),
    "delay_mean": FleetMetric(FleetUnit.TIME, _ALL, "mean delay of a hub's packets"),
    "delay_p99": FleetMetric(
        FleetUnit.TIME, _ALL, "99th percentile of the delay of a hub's packets, over the whole run", windowed=False
    ),
    "loss": FleetMetric(FleetUnit.PART, _ALL, "a hub's packets that did not arrive"),
    "fetch_time": FleetMetric(FleetUnit.TIME, ("fetch",), "mean time to fetch an object of a hub's users"),
    "fairness": FleetMetric(
        FleetUnit.PART, _ALL, "Jain's index of what the hubs were carried", of_hub=False, per_user=True
    ),
    "peak_load": FleetMetric(FleetUnit.RATE, _ALL, "most bit/s sent towards all hubs in any second", of_hub=False),
    "lease_time": FleetMetric(FleetUnit.TIME, (), "how long a hub that came back asked for a lease", of_leases=True),
    "lease_peak": FleetMetric(
        FleetUnit.PACE, (), "most DHCP messages that reached the server in any second", of_hub=False, of_leases=True
    ),
}


@dataclass(frozen=True)
class FleetObjective:
    """A bound on a figure of the fleet. Where each hub has one, ``hubs`` is the share of them that must keep it.

    ``of`` names the load, or the uplink whose leases are meant; ``per: user`` divides by the hub's users. ``window`` is
    [from, to].
    """

    metric: str = field(metadata={"choices": FLEET_METRICS})
    of: str
    at_most: str = ""
    at_least: str = ""
    hubs: Share = 1.0
    per: Literal["hub", "user"] = "hub"
    window: tuple[Duration, Duration] | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def bound(self) -> float:
        return parse_bound(self.at_most or self.at_least, FLEET_METRICS[self.metric].unit)

    @property
    def title(self) -> str:
        """The objective in one line."""
        spec = FLEET_METRICS[self.metric]
        relation = f"{'at most' if self.at_most else 'at least'} {write_value(self.bound, spec.unit)}"
        hubs = f" for {units.format_share(self.hubs)} of hubs" if spec.of_hub else ""
        per = " per user" if self.per == "user" else ""
        span = f" in {' .. '.join(map(units.format_duration, self.window))}" if self.window else ""
        return f"{self.metric}{per} of {self.of} {relation}{hubs}{span}"

    def holds(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound

    def problems(self) -> Iterable[Problem]:
        if self.metric not in FLEET_METRICS:
            found = f"unknown metric {self.metric!r}"
            yield Problem(self.place.at("metric"), found, did_you_mean(self.metric, FLEET_METRICS))
            return
        spec = FLEET_METRICS[self.metric]
        if bool(self.at_most) == bool(self.at_least):
            found = f"objective on {self.metric} has {'two bounds' if self.at_most else 'no bound'}"
            yield Problem(self.place, found, "write one of at_most: and at_least:")
            return
        try:
            _ = self.bound
        except ValueError as error:
            key = "at_most" if self.at_most else "at_least"
            found = f"{key} of {self.metric} is {self.at_most or self.at_least!r}"
            yield Problem(self.place.at(key), found, f"write {error}")
        if not spec.of_hub and self.hubs != 1.0:
            yield Problem(self.place.at("hubs"), f"{self.metric} is one figure of the fleet", "leave 'hubs' away")
        if self.per == "user" and not spec.per_user:
            yield Problem(self.place.at("per"), f"{self.metric} is not divided by users", "leave 'per' away")
        if self.window and not spec.windowed:
            yield Problem(self.place.at("window"), f"{self.metric} is kept for the whole run", "leave 'window' away")
        if self.window and (self.window[0] >= self.window[1] or any(edge % 10**9 for edge in self.window)):
            yield Problem(self.place.at("window"), "the window", "write [from, to] in whole seconds")


def parse_bound(text: str, unit: FleetUnit) -> float:
    """Read a bound in its metric's unit. Raises ValueError with what would be right."""
    if unit is FleetUnit.RATE:
        return float(units.parse_rate(text))
    if unit is FleetUnit.PACE:
        return units.parse_frequency(text)
    return float(units.parse_duration(text) if unit is FleetUnit.TIME else units.parse_share(text))


def write_value(value: float, unit: FleetUnit) -> str:
    """Write a figure of the fleet with its unit for people."""
    if unit is FleetUnit.RATE:
        return units.format_rate(value)
    if unit is FleetUnit.PACE:
        return f"{value:g}/s"
    return units.format_duration(value) if unit is FleetUnit.TIME else units.format_share(value)
