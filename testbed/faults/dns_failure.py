"""The Internet's resolver fails: it says nothing any more, or that it failed."""

from __future__ import annotations

from testbed.faults.actor import Actor, FaultSite, StandIn
from testbed.model.event import Event
from testbed.model.topology import NodeKind

PORT = 8053
SILENT = "type filter hook input priority filter; meta l4proto { tcp, udp } th dport 53 drop;"


class DnsFailure(Actor):
    """Every router with a name service drops queries, or sends them to a stand-in that answers SERVFAIL."""

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        super().__init__(event, site, number)
        self._port = PORT + number
        self._routers = [site.devices[node.name] for node in site.topology.of_kind(NodeKind.ROUTER)]
        self.stand_ins = [
            StandIn(
                router,
                "testbed.faults.servfail_server",
                (str(self._port),),
                site.logs / f"servfail-{router.name}-{number}.log",
            )
            for router in self._routers
            if event.answer == "servfail"
        ]

    def apply(self) -> None:
        servfail = f"type nat hook prerouting priority dstnat; udp dport 53 redirect to :{self._port};"
        for router in self._routers:
            self.divert(router, servfail if self.event.answer == "servfail" else SILENT)

    def undo(self) -> None:
        for router in self._routers:
            self.restore(router)
