"""Faults that happen beside the links: a CPE that reboots, a tenant or a resolver that fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from testbed.faults.actor import Actor, FaultSite
from testbed.faults.black_hole import BlackHole
from testbed.faults.cache_down import CacheDown
from testbed.faults.clock_step import ClockStep
from testbed.faults.content_changes import ContentChanges
from testbed.faults.dns_failure import DnsFailure
from testbed.faults.path_mtu import PathMtu
from testbed.faults.port import DhcpDown, OtherLease, Unplug
from testbed.faults.power_off import PowerOff
from testbed.faults.reboot import Boot, Reboot
from testbed.faults.target_down import TargetDown
from testbed.faults.tenant_black_hole import TenantBlackHole
from testbed.faults.tenant_errors import TenantErrors
from testbed.model.event import Event, Kind

__all__ = ["ACTORS", "Actor", "FaultSite", "actors_for"]

ACTORS: Mapping[Kind, tuple[type[Actor], ...]] = {
    Kind.REBOOT: (Reboot, Boot),
    Kind.TENANT_ERRORS: (TenantErrors,),
    Kind.TENANT_BLACK_HOLE: (TenantBlackHole,),
    Kind.CONTENT_CHANGES: (ContentChanges,),
    Kind.DNS_FAILURE: (DnsFailure,),
    Kind.BLACK_HOLE: (BlackHole,),
    Kind.MTU: (PathMtu,),
    Kind.TARGET_DOWN: (TargetDown,),
    Kind.UNPLUG: (Unplug,),
    Kind.LEASE: (OtherLease,),
    Kind.DHCP_DOWN: (DhcpDown,),
    Kind.POWER_OFF: (PowerOff,),
    Kind.CLOCK_STEP: (ClockStep,),
    Kind.CACHE_DOWN: (CacheDown,),
}
"""The kinds that the links' schedules alone cannot play."""


def actors_for(events: Iterable[Event], site: FaultSite, first: int = 0) -> Iterator[Actor]:
    """Yield the actors of each event that needs some, in the order of time; the first one's number is ``first``."""
    played = sorted((event for event in events if event.kind in ACTORS), key=lambda event: event.at)
    for number, event in enumerate(played, first):
        yield from (actor(event, site, number) for actor in ACTORS[event.kind])
