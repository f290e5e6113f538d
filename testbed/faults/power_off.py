"""The hub loses its power: everything on it stops at once, its disk stays, and it boots when the power is back."""

from __future__ import annotations

from testbed.errors import RunError
from testbed.faults.actor import Actor
from testbed.lab.power import Power


class PowerOff(Actor):
    """What a boot brings back is the hub's own affair: what its init starts."""

    def apply(self) -> None:
        self._power.off()

    def undo(self) -> None:
        self._power.on()

    @property
    def _power(self) -> Power:
        power = self.site.network.power
        if power is None:
            raise RunError(f"{self.event.title}: nobody here can switch the hub")
        return power
