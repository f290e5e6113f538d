"""What goes wrong during a scenario, when and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.link import State
from testbed.model.quantities import Duration


@dataclass(frozen=True)
class Event:
    """A fault of an uplink at a time: an ``outage`` drops packets, a ``hold`` keeps them waiting."""

    at: Duration
    uplink: str
    outage: Duration = 0
    hold: Duration = 0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def end_ns(self) -> int:
        """When it is over, in ns since the scenario's start."""
        return self.at + self.outage + self.hold

    @property
    def state(self) -> State:
        """What the link does while the event lasts."""
        return State.CUT if self.outage else State.HOLD

    @property
    def title(self) -> str:
        """The event in a few words."""
        what = "outage" if self.outage else "hold"
        return f"{self.uplink} {what} {units.format_duration(self.end_ns - self.at)}"

    def problems(self) -> Iterable[Problem]:
        if (self.outage > 0) == (self.hold > 0):
            yield Problem(
                self.place,
                "the event needs one fault that lasts",
                "write one of 'outage: 25 s' and 'hold: 2 s'",
            )
