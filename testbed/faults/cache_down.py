"""The hub's cache is dead to its clients: what they send to it vanishes, and the hub forwards as before."""

from __future__ import annotations

from testbed.faults.actor import Actor
from testbed.lab.devices import DeviceAccess


class CacheDown(Actor):
    """Silence and no reset: who does not give up by itself waits for its whole time-out."""

    def apply(self) -> None:
        address = self.site.topology.hub_lan_address
        self.divert(self._hub, f"type filter hook input priority filter; ip daddr {address} tcp dport 80 drop;")

    def undo(self) -> None:
        self.restore(self._hub)

    @property
    def _hub(self) -> DeviceAccess:
        return self.site.devices[self.site.topology.hub.name]
