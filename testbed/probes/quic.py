"""A QUIC connection to the tenant with a small echo now and then."""

from __future__ import annotations

from testbed.errors import RunError
from testbed.model.traffic import QuicEcho
from testbed.probes import samples
from testbed.probes.keepalive import said_of_sessions
from testbed.probes.probe import Live, Site
from testbed.probes.script import Row, Script, ScriptedProbe

FIRST_PORT = 5501


class Quic(ScriptedProbe):
    """Echoes between ``site.client`` and an end in ``site.tenant``; it writes ``samples.QUIC``."""

    schema = samples.QUIC
    noun = "the QUIC client"

    def __init__(self, traffic: QuicEcho, site: Site) -> None:
        if site.identity is None:
            raise RunError(f"{traffic.name}: only a tenant of the lab has a QUIC end")
        plan = {
            "address": site.tenant_address,
            "port": FIRST_PORT + site.index,
            "host": site.tenant_host,
            "every_ns": traffic.every,
            "timeout_ns": traffic.timeout,
            "duration_ns": site.duration_ns,
        }
        server = {"end": "tenant", "certificate": str(site.identity.certificate), "key": str(site.identity.key)}
        client = {"end": "client", "authority": str(site.identity.authority)}
        scripts = [
            Script(device, "quic_end", plan | own, site.logs / f"{traffic.name}-{own['end']}.jsonl")
            for device, own in ((site.tenant, server), (site.client, client))
        ]
        super().__init__(traffic.name, site, scripts)
        self._session, self._every_ns = 0, traffic.every

    @property
    def done_from_ns(self) -> int:
        return self._site.duration_ns - self._every_ns

    def rows(self, since_ns: int = 0) -> list[Row]:
        return [row for row in self._scripts[-1].rows() if "event" in row]

    def heard(self, row: Row) -> bool | None:
        if "event" not in row:
            return None
        self._session = row["session"]
        if row["event"] == "answered":
            self._last_ns = row["latency_ns"]
        return bool(row["event"] == "answered")

    def told(self, live: Live) -> Live:
        return said_of_sessions(live, self._session)
