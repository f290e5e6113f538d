"""A tenant that does not answer at all: what is sent to its service vanishes."""

from __future__ import annotations

from testbed.faults.actor import Actor


class TenantBlackHole(Actor):
    """Drops every packet to the service's port where it arrives; the tenant's other ports answer as before."""

    def apply(self) -> None:
        port = self.site.endpoint.port
        self.divert(self.site.tenant, f"type filter hook input priority filter; tcp dport {port} drop;")

    def undo(self) -> None:
        self.restore(self.site.tenant)
