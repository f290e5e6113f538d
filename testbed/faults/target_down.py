"""What the hub pings is silent, and the uplinks carry as before."""

from __future__ import annotations

from testbed.faults.actor import Actor, FaultSite
from testbed.model.event import ALL, Event
from testbed.model.topology import WireEnd


class TargetDown(Actor):
    """The CPE of the uplink, or of each where none is given, drops pings of the target."""

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        super().__init__(event, site, number)
        topology = site.topology
        uplinks = [topology.uplinks[event.uplink]] if event.uplink else topology.uplinks.values()
        self._cpes = [site.devices[WireEnd.parse(uplink.cpe).node] for uplink in uplinks]
        given = event.address or topology.probe_targets[0]
        self._targets = topology.probe_targets if given == ALL else (given,)

    def apply(self) -> None:
        pings = " ".join(map(_dropped, self._targets))
        for cpe in self._cpes:
            self.divert(cpe, f"type filter hook forward priority filter; {pings}")

    def undo(self) -> None:
        for cpe in self._cpes:
            self.restore(cpe)


def _dropped(target: str) -> str:
    family, protocol = ("ip6", "icmpv6") if ":" in target else ("ip", "icmp")
    return f"{family} daddr {target} {protocol} type echo-request drop;"
