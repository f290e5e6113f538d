"""A resolver fails, the Internet's or an uplink's: it says nothing any more, or that it failed."""

from __future__ import annotations

from testbed.faults.actor import Actor, FaultSite, StandIn
from testbed.model.event import Event
from testbed.model.topology import NodeKind

PORT = 8053
SILENT = "type filter hook prerouting priority filter; {from_hub} meta l4proto {{ tcp, udp }} th dport 53 drop;"
FAILS = "type nat hook prerouting priority dstnat; {from_hub} udp dport 53 redirect to :{port};"


class DnsFailure(Actor):
    """Every router with a name service drops queries, or sends them to a stand-in that answers SERVFAIL.

    Of one uplink: its CPE does so with all queries of the hub, to itself or to others.
    """

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        super().__init__(event, site, number)
        self._port, self._from_hub = PORT + number, ""
        if event.uplink:
            end = self.cpe_port
            self._from_hub, nodes = f'iifname "{end.port}"', [end.node]
        else:
            nodes = [node.name for node in site.topology.of_kind(NodeKind.ROUTER)]
        self._resolvers = [site.devices[node] for node in nodes]
        self.stand_ins = [
            StandIn(
                resolver,
                "testbed.faults.servfail_server",
                (str(self._port),),
                site.logs / f"servfail-{resolver.name}-{number}.log",
            )
            for resolver in self._resolvers
            if event.answer == "servfail"
        ]

    def apply(self) -> None:
        rule = FAILS if self.event.answer == "servfail" else SILENT
        for resolver in self._resolvers:
            self.divert(resolver, rule.format(from_hub=self._from_hub, port=self._port))

    def undo(self) -> None:
        for resolver in self._resolvers:
            self.restore(resolver)
