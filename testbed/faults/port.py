"""What goes wrong between the hub and its uplink's CPE: the cable, the leases."""

from __future__ import annotations

from dataclasses import replace

from testbed.faults.actor import Actor, FaultSite
from testbed.model.event import Event
from testbed.model.topology import Lease


class Unplug(Actor):
    """The CPE's port goes down, so that the hub's loses its carrier, on a bench too. Leases and names go on."""

    def apply(self) -> None:
        self._set("down")

    def undo(self) -> None:
        self._set("up")

    def _set(self, state: str) -> None:
        self.run(self.site.devices[self.cpe_port.node], "ip", "link", "set", self.cpe_port.port, state)


class DhcpDown(Actor):
    """The CPE hears no DHCP any more; what it has leased stays, and is carried."""

    def apply(self) -> None:
        heard = f'iifname "{self.cpe_port.port}" udp dport 67 drop;'
        self.divert(self.site.devices[self.cpe_port.node], f"type filter hook prerouting priority filter; {heard}")

    def undo(self) -> None:
        self.restore(self.site.devices[self.cpe_port.node])


class OtherLease(Actor):
    """The CPE leases something else, or nothing, from now on; who asks for what was leased before is told no (NAK).

    Another address is the only one that is carried: the network has moved the hub, and does not know the old one.
    """

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        super().__init__(event, site, number)
        self._before: Lease | None = None

    def apply(self) -> None:
        event, cpe = self.event, self.cpe_port.node
        self._before = before = self.site.network.leases[cpe]
        address = "" if event.refused else event.address or before.address
        self._serve(replace(before, address=address, time=event.time or before.time))
        if event.address:
            only = f'iifname "{before.port}" ip saddr != {address} drop;'
            self.divert(self.site.devices[cpe], f"type filter hook forward priority filter; {only}")

    def undo(self) -> None:
        if self.event.address:
            self.restore(self.site.devices[self.cpe_port.node])
        if self._before is not None:
            self._serve(self._before)

    def _serve(self, lease: Lease) -> None:
        network, node = self.site.network, self.cpe_port.node
        network.stop_service(node)
        network.change_lease(node, lease)
        network.start_service(node)
