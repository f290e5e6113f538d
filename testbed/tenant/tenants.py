"""The implementations of the seam, by the name that a result says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.model.tenant import ACCOUNT, AZURITE
from testbed.model.topology import Topology
from testbed.tenant.azurite import AzuriteTenant
from testbed.tenant.backend import Tenant
from testbed.tenant.held import Custodian, HeldTenant


@dataclass(frozen=True)
class TenantSite:
    """Where a run's tenant is made: the lab's node that stands for it, how long tokens last, who keeps an account."""

    device: DeviceAccess
    topology: Topology
    secrets: Path
    logs: Path
    now: datetime
    lifetime: timedelta
    custodian: Custodian | None = None


def _azurite(site: TenantSite) -> Tenant:
    return AzuriteTenant(
        site.device,
        site.secrets,
        site.logs,
        site.now,
        lifetime=site.lifetime,
        address=site.topology.tenant_address("ipv4"),
        dual_stack=bool(site.topology.tenant_address("ipv6")),
    )


def _account(site: TenantSite) -> Tenant:
    if site.custodian is None:
        raise RunError("a storage account, and nobody keeps it")
    return HeldTenant(site.custodian, site.secrets, site.logs)


TENANTS: Mapping[str, Callable[[TenantSite], Tenant]] = {AZURITE: _azurite, ACCOUNT: _account}
