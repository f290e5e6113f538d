"""A CPE that starts anew: its port towards the hub goes down at once, and is back long before the sky."""

from __future__ import annotations

from testbed.errors import RunError
from testbed.faults.actor import Actor
from testbed.model.topology import End


class Reboot(Actor):
    """Port, leases and name service of the uplink's CPE; its sky is cut by the link's own schedule.

    The hub gets the same address again: Starlink keeps it for a terminal that was away for less than a
    day (starlink-enterprise-guide.readme.io, DHCP configuration). Translations (NAT) are forgotten.
    """

    @property
    def undo_ns(self) -> int:
        return self.event.port_up_ns

    @property
    def port(self) -> End:
        """The CPE's port towards the hub. Raises RunError where there is none."""
        port = self.site.topology.cpe_port(self.event.uplink)
        if port is None:
            raise RunError(f"{self.event.title}: the hub's port is wired to nothing")
        return port

    def apply(self) -> None:
        cpe = self.site.devices[self.port.node]
        self.run(cpe, "ip", "link", "set", self.port.port, "down")
        self.site.network.stop_service(self.port.node)
        self.run(cpe, "sh", "-c", "rm -f /run/leases; conntrack --flush")

    def undo(self) -> None:
        self.run(self.site.devices[self.port.node], "ip", "link", "set", self.port.port, "up")
        self.site.network.start_service(self.port.node)
