"""The facts of a run that give its samples a meaning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from testbed.model.event import Kind
from testbed.model.ipv6 import DelegatedPrefix
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.traffic import UdpEcho, UdpFlows, family

IPV4_HEADER_BYTES, IPV6_HEADER_BYTES = 20, 40


@dataclass(frozen=True)
class Happening:
    """An event as it happened: ``kind`` is one of testbed.model.event.Kind.

    ``uplink`` is empty for a fault of the tenant or of the Internet's resolver. Faults of links happen to
    the nanosecond; the times of the others are those at which they had been applied and undone.
    """

    kind: str
    uplink: str
    start_ns: int
    end_ns: int
    title: str = ""


@dataclass(frozen=True)
class Destinations:
    """Whereto a hub may send: ``hosts`` by name (patterns), ``networks`` for what says no name; ``lab`` are the
    networks that the testbed itself measures at, but for its tenant's service at ``service_port``."""

    hosts: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    lab: tuple[str, ...] = ()
    service_port: int = 443


@dataclass(frozen=True)
class Facts:
    """What gives samples a meaning: the run's length, its uplinks (the preferred one first), its heartbeat and its
    stream of new flows (``""``: none), its events, and which uplinks are paid for by volume (``tariffs``: USD a
    byte, where one is known), and which IPv6 prefixes the uplinks' CPEs delegate, and when;
    ``by_ipv6`` is the traffic that goes by it; ``egress`` whereto the hub may send, None where nobody looked."""

    duration_ns: int
    uplinks: tuple[str, ...]
    heartbeat: str = "heartbeat"
    events: tuple[Happening, ...] = ()
    metered: tuple[str, ...] = ()
    tariffs: Mapping[str, float] = field(default_factory=dict)
    new_flows: str = ""
    prefixes: tuple[DelegatedPrefix, ...] = ()
    by_ipv6: tuple[str, ...] = ()
    egress: Destinations | None = None

    @classmethod
    def of(cls, scenario: Scenario, topology: Topology) -> Facts:
        """Return the facts of a run of the scenario on the topology; the first udp-echo is the heartbeat."""
        uplinks = sorted(topology.uplinks.values(), key=lambda uplink: uplink.metric)
        echoes = [traffic.name for traffic in scenario.traffic.values() if isinstance(traffic, UdpEcho)]
        newcomers = [traffic.name for traffic in scenario.traffic.values() if isinstance(traffic, UdpFlows)]
        events = tuple(
            Happening(e.kind, e.uplink, e.at, e.end_ns, e.title)
            for e in sorted(scenario.events, key=lambda event: event.at)
        )
        return cls(
            duration_ns=scenario.duration,
            uplinks=tuple(u.name for u in uplinks),
            heartbeat=next(iter(echoes), ""),
            events=events,
            metered=tuple(u.name for u in uplinks if u.metered),
            tariffs={u.name: u.tariff for u in uplinks if u.tariff is not None},
            new_flows=next(iter(newcomers), ""),
            prefixes=tuple(_prefixes(scenario, topology)),
            by_ipv6=tuple(name for name, traffic in scenario.traffic.items() if family(traffic) == "ipv6"),
        )

    @property
    def preferred(self) -> str:
        return self.uplinks[0]

    def longer_by(self, traffic: str) -> int:
        """Return how many bytes longer a packet's header is than IPv4's."""
        return IPV6_HEADER_BYTES - IPV4_HEADER_BYTES if traffic in self.by_ipv6 else 0

    def faults(self, uplink: str) -> tuple[Happening, ...]:
        """Return the events of one uplink in the order of their start."""
        return tuple(sorted((e for e in self.events if e.uplink == uplink), key=lambda e: e.start_ns))


def _prefixes(scenario: Scenario, topology: Topology) -> Iterator[DelegatedPrefix]:
    """Yield what each uplink delegates: another prefix from each reboot on."""
    for uplink, delegation in topology.delegations.items():
        reboots = [event.at for event in scenario.events_of(uplink) if event.kinds == (Kind.REBOOT,)]
        for number, (start_ns, end_ns) in enumerate(pairwise([0, *reboots, scenario.duration])):
            yield DelegatedPrefix(uplink, delegation.prefix(number), start_ns, end_ns)
