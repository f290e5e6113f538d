"""The Internet's resolver fails: it says nothing any more, or that it failed."""

from __future__ import annotations

from testbed.faults.actor import Actor, Site, StandIn
from testbed.model.event import Event
from testbed.model.topology import NodeKind

PORT = 8053
SILENT = "type filter hook input priority filter; meta l4proto { tcp, udp } th dport 53 drop;"
SERVFAIL = f"type nat hook prerouting priority dstnat; udp dport 53 redirect to :{PORT};"


class DnsFailure(Actor):
    """Every router with a name service drops queries, or sends them to a stand-in that answers SERVFAIL."""

    def __init__(self, event: Event, site: Site) -> None:
        super().__init__(event, site)
        self._routers = [site.devices[node.name] for node in site.topology.of_kind(NodeKind.ROUTER)]
        self.stand_ins = [
            StandIn(
                router,
                "testbed.faults.servfail_server",
                (str(PORT),),
                site.logs / f"servfail-{router.name}.log",
            )
            for router in self._routers
            if event.answer == "servfail"
        ]

    def apply(self) -> None:
        for router in self._routers:
            self.divert(router, SERVFAIL if self.event.answer == "servfail" else SILENT)

    def undo(self) -> None:
        for router in self._routers:
            self.restore(router)
