"""Faults that happen beside the links: a CPE that reboots, a tenant or a resolver that fails."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from testbed.faults.actor import Actor, Site
from testbed.faults.dns_failure import DnsFailure
from testbed.faults.reboot import Reboot
from testbed.faults.tenant_black_hole import TenantBlackHole
from testbed.faults.tenant_errors import TenantErrors
from testbed.model.event import Event, Kind

__all__ = ["ACTORS", "Actor", "Site", "actors_for"]

ACTORS: Mapping[Kind, type[Actor]] = {
    Kind.REBOOT: Reboot,
    Kind.TENANT_ERRORS: TenantErrors,
    Kind.TENANT_BLACK_HOLE: TenantBlackHole,
    Kind.DNS_FAILURE: DnsFailure,
}
"""The kinds that the links' schedules alone cannot play."""


def actors_for(events: Iterable[Event], site: Site) -> Iterator[Actor]:
    """Yield an actor for each event that needs one."""
    played = [event for event in events if event.kind in ACTORS]
    yield from (ACTORS[event.kind](event, site, number) for number, event in enumerate(played))
