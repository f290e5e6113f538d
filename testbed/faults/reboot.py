"""A CPE that starts anew: its port towards the hub goes down at once, and is back long before the sky."""

from __future__ import annotations

from dataclasses import replace

from testbed.faults.actor import Actor
from testbed.model.topology import Lease


class Reboot(Actor):
    """Port, leases and name service of the uplink's CPE; its sky is cut by the link's own schedule.

    The hub gets the same address again in the end, unless the event has another: Starlink keeps it for a terminal
    that was away for less than a day (starlink-enterprise-guide.readme.io, DHCP configuration). Translations (NAT) are
    forgotten. The IPv6 prefix that is delegated afterwards is the next one.
    """

    @property
    def undo_ns(self) -> int:
        return self.event.port_up_ns

    def apply(self) -> None:
        cpe = self.site.devices[self.cpe_port.node]
        self.run(cpe, "ip", "link", "set", self.cpe_port.port, "down")
        self.site.network.stop_service(self.cpe_port.node)
        self.site.network.stop_ipv6(self.cpe_port.node)
        self.run(cpe, "sh", "-c", "rm -f /run/leases; conntrack --flush")
        lease = self.site.network.leases.get(self.cpe_port.node)
        if self.event.address and lease is not None:
            self.site.network.change_lease(self.cpe_port.node, replace(lease, address=self.event.address))

    @property
    def boot_lease(self) -> Lease | None:
        """The CPE's lease, where it has another one while it boots, and the port is up before the sky is back."""
        lease = self.site.topology.nodes[self.cpe_port.node].lease
        boots = self.event.port_up_ns < self.event.end_ns
        return lease if lease and lease.boot and boots else None

    def undo(self) -> None:
        self.run(self.site.devices[self.cpe_port.node], "ip", "link", "set", self.cpe_port.port, "up")
        if self.boot_lease is None:
            self.site.network.start_service(self.cpe_port.node)
            self.site.network.start_ipv6(self.cpe_port.node)


class Boot(Reboot):
    """What a CPE without a sky leases, from when its port is up until the sky is back, where it has such a lease."""

    @property
    def apply_ns(self) -> int:
        return self.event.port_up_ns

    @property
    def undo_ns(self) -> int:
        return self.event.end_ns

    def apply(self) -> None:
        if self.boot_lease is not None:
            self.site.network.start_boot_service(self.cpe_port.node)

    def undo(self) -> None:
        if self.boot_lease is not None:
            self.site.network.stop_boot_service(self.cpe_port.node)
            self.site.network.start_service(self.cpe_port.node)
            self.site.network.start_ipv6(self.cpe_port.node)
