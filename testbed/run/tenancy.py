"""What a scenario asks of a storage account that is its tenant, looked at before anything of it is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from testbed.errors import Problem
from testbed.model.catalogue import Catalogue
from testbed.model.event import FAULTS, Kind
from testbed.model.scenario import Scenario
from testbed.model.tenant import TenantAccount
from testbed.model.traffic import DnsQuery, HttpGet, HttpPut, HttpsKeepalive, QuicEcho, SdkUpload
from testbed.traces.compile import LinkPair
from testbed.units import format_money, format_size

if TYPE_CHECKING:
    from testbed.run.job import Job

_OF_A_STAND_IN = (DnsQuery, HttpsKeepalive, QuicEcho)
"""Traffic that asks the tenant's service past the hub for what only the lab's own can be asked."""


@dataclass(frozen=True)
class Use:
    """At most how much a run stores in an account and reads from it, in bytes: every request and every upload once."""

    stored: float
    read: float

    @classmethod
    def of(cls, scenario: Scenario, catalogues: Mapping[str, Catalogue]) -> Use:
        """Return what a scenario may come to, without a cache; repeated uploads are not foreseen."""
        seconds = scenario.duration / 1e9
        objects = {o.name: o.size for catalogue in catalogues.values() for o in catalogue.objects()}
        versions = 1 + sum(event.kind is Kind.CONTENT_CHANGES for event in scenario.events)
        uploads, read = 0.0, 0.0
        for traffic in scenario.traffic.values():
            if isinstance(traffic, HttpPut | SdkUpload):
                uploads += traffic.size * traffic.rate * seconds
            elif isinstance(traffic, HttpGet):
                found = catalogues[traffic.name].objects()
                mean = sum(o.size * o.weight for o in found) / sum(o.weight for o in found)
                read += (min(mean, traffic.range) if traffic.range else mean) * traffic.rate * seconds
        return cls(sum(objects.values()) * versions + uploads, read + uploads)  # uploads are read back

    def problems(self, account: TenantAccount) -> Iterator[Problem]:
        """Yield what is more than the account's file allows."""
        if self.stored > account.size:
            found = f"a run stores up to {format_size(self.stored)}, and size is {format_size(account.size)}"
            yield Problem(account.place.at("size"), found, "allow more, or shorten the scenario")
        if self.read > account.egress:
            cost = f" ({format_money(self.read * account.tariff)})" if account.tariff else ""
            found = f"a run reads up to {format_size(self.read)}{cost}, and egress is {format_size(account.egress)}"
            yield Problem(account.place.at("egress"), found, "allow more, or shorten the scenario")

    def told(self, account: TenantAccount) -> str:
        """Return it in words."""
        cost = f", which costs {format_money(self.read * account.tariff)}" if account.tariff else ""
        return f"stores up to {format_size(self.stored)}, reads up to {format_size(self.read)}{cost}"


def nearer(job: Job, away_ns: int) -> Job:
    """Return a job whose links lead less far by the way to the tenant's region, where their delay has it in it."""
    schedules = {
        name: LinkPair(*(schedule.nearer(away_ns // 2) for schedule in pair))
        if job.scenario.uplinks[name].region == "included"
        else pair
        for name, pair in job.schedules.items()
    }
    return replace(job, schedules=schedules)


def problems(scenario: Scenario) -> Iterator[Problem]:
    """Yield what cannot be asked of a service that is not the lab's own."""
    for traffic in scenario.traffic.values():
        if isinstance(traffic, _OF_A_STAND_IN):
            found = f"{traffic.kind}, and the tenant is a storage account"
            yield Problem(traffic.place.at("kind"), found, "leave it away, or use --tenant azurite")
    for event in scenario.events:
        if FAULTS[event.kind].target == "the tenant" and event.kind is not Kind.CONTENT_CHANGES:
            found = f"{event.kind}, and nobody here can break a storage account"
            yield Problem(event.place, found, "leave it away, or use --tenant azurite")
