"""A TLS connection to the tenant that a small request at a fixed interval keeps alive."""

from __future__ import annotations

from dataclasses import replace

from testbed.model.traffic import TENANT_ENDED, HttpsKeepalive
from testbed.probes import samples
from testbed.probes.probe import Live, Site
from testbed.probes.script import Row, Script, ScriptedProbe
from testbed.units import format_duration


class Keepalive(ScriptedProbe):
    """Requests from ``site.client`` to the tenant's own endpoint; it writes ``samples.KEEPALIVE``."""

    schema = samples.KEEPALIVE
    noun = "the keep-alive client"

    def __init__(self, traffic: HttpsKeepalive, site: Site) -> None:
        plan = {
            "name": traffic.name,
            "host": site.tenant_host,
            "address": site.tenant_address,
            "port": site.tenant_port,
            "authority": str(site.authority) if site.authority else None,
            "every_ns": traffic.every,
            "timeout_ns": traffic.timeout,
            "duration_ns": site.duration_ns,
        }
        log = site.logs / f"{traffic.name}.jsonl"
        super().__init__(traffic.name, site, [Script(site.client, "keepalive_client", plan, log)])
        self._session, self._every_ns = 0, traffic.every

    @property
    def done_from_ns(self) -> int:
        return self._site.duration_ns - self._every_ns

    def rows(self, since_ns: int = 0) -> list[Row]:
        return [row for row in self._scripts[0].rows() if "event" in row]

    def heard(self, row: Row) -> bool | None:
        if "event" not in row:
            return None
        self._session = row["session"]
        if row["event"] == "answered":
            self._last_ns = row["latency_ns"]
        return bool(row["event"] == "answered")

    def checked(self, rows: list[Row]) -> list[Row]:
        """Tell the sessions that the tenant's service closed by itself from those that the path lost."""
        closed = self._site.closed()
        for row in rows:
            if row["event"] in ("reset", "closed") and f"{self._name}-{row['session']}" in closed:
                row |= {"event": TENANT_ENDED, "reason": f"{row['event']} by the tenant itself"}
        return rows

    def told(self, live: Live) -> Live:
        return said_of_sessions(live, self._session)


def said_of_sessions(live: Live, session: int) -> Live:
    """Return the state in words: the last answer, and the number of the session."""
    if live.last_ns is None:
        return live
    words = f"last answer in {format_duration(live.last_ns)}, session {session + 1}"
    return replace(live, text=f"{words}, {live.answered} in the last second")
