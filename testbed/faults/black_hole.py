"""An uplink that lets some packets through and swallows others: pings pass, TCP does not."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.faults.actor import Actor, FaultSite
from testbed.model.event import Event
from testbed.model.topology import WireEnd

_NEIGHBOURS = "icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept;"
_PROTOCOLS = {"tcp": "tcp", "udp": "udp", "icmp": "{ icmp, ipv6-icmp }"}


class BlackHole(Actor):
    """Drops at the CPE what leaves or arrives by the emulated link. The CPE itself, leases and names, goes on."""

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        super().__init__(event, site, number)
        self._sky = WireEnd.parse(site.topology.uplinks[event.uplink].cpe)

    def apply(self) -> None:
        self.divert(self.site.devices[self._sky.node], *self._chains())

    def undo(self) -> None:
        self.restore(self.site.devices[self._sky.node])

    def _chains(self) -> Iterator[str]:
        for hook, direction, port in (("postrouting", "oifname", "dport"), ("prerouting", "iifname", "sport")):
            rule = f'{direction} "{self._sky.port}" {self._swallowed(port)} drop;'
            # Before addresses are translated, and before a connection is taken note of.
            yield f"type filter hook {hook} priority raw; {_NEIGHBOURS} {rule}"

    def _swallowed(self, port: str) -> str:
        event = self.event
        if event.passes:
            return f"meta l4proto != {_PROTOCOLS[event.passes]}"
        if event.port is not None:
            return f"{event.protocol} {port} {event.port}"
        return f"meta l4proto {_PROTOCOLS[event.protocol or '']}"
