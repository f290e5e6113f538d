"""From which difference on a metric matters to its users: beside whether it is more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.objective import METRICS, Unit, parse_value
from testbed.model.quantities import Share
from testbed.yaml.load import of_key

_LEAST: Mapping[Unit, tuple[float, float]] = {
    Unit.DURATION: (2e6, 0.02),
    Unit.COUNT: (0.5, 0.02),
    Unit.SHARE: (0.005, 0.0),
    Unit.MOS: (0.05, 0.0),
    Unit.SIZE: (10e3, 0.02),
    Unit.MONEY: (0.0, 0.02),
}
"""Where the user gives nothing: a least difference in the base unit, and a share of the base's value."""


@dataclass(frozen=True)
class Threshold:
    """The least difference that matters: ``change`` in the metric's unit, ``share`` of the base's value.

    The larger of the two counts.
    """

    change: str = ""
    share: Share = 0.0
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = of_key()

    def least(self, base: float) -> float:
        """Return the least difference that matters beside this value of the base. Raises ValueError."""
        change = parse_value(self.change, METRICS[self.name].unit) if self.change else 0.0
        return max(change, self.share * abs(base))


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of a file, by metric."""

    metrics: Mapping[str, Threshold] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        for name, threshold in self.metrics.items():
            if name not in METRICS:
                yield Problem(threshold.place, f"unknown metric {name!r}", did_you_mean(name, METRICS))
                continue
            if not threshold.change and not threshold.share:
                yield Problem(threshold.place, f"nothing for {name}", "write change: or share: of the base")
            try:
                threshold.least(0.0)
            except ValueError as error:
                found = f"change of {name} is {threshold.change!r}"
                yield Problem(threshold.place.at("change"), found, f"write {error}")

    def least(self, metric: str, unit: Unit, base: float) -> float:
        """Return the least difference of a metric that matters, in its base unit."""
        if metric in self.metrics:
            return self.metrics[metric].least(base)
        change, share = _LEAST[unit]
        return max(change, share * abs(base))


DEFAULT = Thresholds()
