"""The hub's clock is wrong, by years as well: of a hub without a battery, or whose time server lies."""

from __future__ import annotations

from testbed.faults.actor import Actor
from testbed.lab.clock import DeviceClock


class ClockStep(Actor):
    """The hub's programs see another time of day at once, and the right one again as soon as it is over."""

    def apply(self) -> None:
        self._clock.set(self.event.by)

    def undo(self) -> None:
        self._clock.set(0)

    @property
    def _clock(self) -> DeviceClock:
        return DeviceClock(self.site.devices[self.site.topology.hub.name])
