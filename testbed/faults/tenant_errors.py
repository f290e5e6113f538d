"""A tenant that refuses: every new request is answered 403, 429 or 503, as Azure Storage does.

Open connections are reset.
"""

from __future__ import annotations

from testbed.errors import RunError
from testbed.faults.actor import Actor, FaultSite, StandIn
from testbed.model.event import Event

BUSY = 503
PORT = 8503
"""Of the first stand-in; the others have those behind it."""


class TenantErrors(Actor):
    """A stand-in with the tenant's own certificate, to which new connections are sent.

    Packets of older connections are answered with a reset: those that the firewall comes to know by the
    client's packet are sent to the stand-in's port too, which knows nothing of them.
    """

    def __init__(self, event: Event, site: FaultSite, number: int = 0) -> None:
        super().__init__(event, site, number)
        self._port = PORT + number
        if site.endpoint.identity is None:
            raise RunError(f"{event.title}: only a tenant of the lab can be made to answer so")
        identity = site.endpoint.identity
        answer = (str(event.status or BUSY), str(event.retry_after // 10**9))
        arguments = (str(self._port), str(identity.certificate), str(identity.key), *answer)
        log = site.logs / f"refusing-{number}.log"
        self.stand_ins = [StandIn(site.tenant, "testbed.faults.refusing_server", arguments, log)]

    def apply(self) -> None:
        port = self.site.endpoint.port
        new = f"type nat hook prerouting priority dstnat; tcp dport {port} redirect to :{self._port};"
        old = f"type filter hook input priority filter; tcp dport {port} reject with tcp reset;"
        self.divert(self.site.tenant, new, old)

    def undo(self) -> None:
        self.restore(self.site.tenant)
        self.close()  # what is still connected to the stand-in has to come again
