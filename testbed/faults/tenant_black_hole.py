"""A tenant that does not answer at all: what is sent to its service vanishes."""

from __future__ import annotations

from testbed.faults.actor import TABLE, Actor


class TenantBlackHole(Actor):
    """Drops every packet to the service's port where it arrives; the tenant's other ports answer as before."""

    def apply(self) -> None:
        port = self.site.endpoint.port
        rules = (
            f"table ip {TABLE} {{ chain black_hole {{ "
            f"type filter hook input priority filter; tcp dport {port} drop; }} }}"
        )
        self.run(self.site.tenant, "nft", rules)

    def undo(self) -> None:
        self.run(self.site.tenant, "nft", f"delete table ip {TABLE}")
