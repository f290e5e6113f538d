"""Queries of a LAN client for the tenant's name, or for names that nobody has asked for yet."""

from __future__ import annotations

from testbed.model.traffic import DnsQuery
from testbed.probes import samples
from testbed.probes.probe import SECOND_NS, Site
from testbed.probes.script import Row, Script, ScriptedProbe


class Names(ScriptedProbe):
    """Queries from ``site.client`` to ``site.resolver``; it writes ``samples.NAMES``."""

    schema = samples.NAMES
    noun = "the DNS client"

    def __init__(self, traffic: DnsQuery, site: Site) -> None:
        self.patience_s = traffic.timeout / SECOND_NS
        plan = {
            "resolver": site.resolver,
            "name": site.tenant_host,
            "new": traffic.names == "new",
            "right": site.tenant_address,
            "every_ns": traffic.every,
            "timeout_ns": traffic.timeout,
            "duration_ns": site.duration_ns,
        }
        log = site.logs / f"{traffic.name}.jsonl"
        super().__init__(traffic.name, site, [Script(site.client, "dns_client", plan, log)])
        self._every_ns = traffic.every

    @property
    def done_from_ns(self) -> int:
        return self._site.duration_ns - self._every_ns

    def rows(self, since_ns: int = 0) -> list[Row]:
        rows = (row for row in self._scripts[0].rows(since_ns) if "name" in row)
        return sorted(rows, key=lambda row: int(row["t_ns"]))

    def heard(self, row: Row) -> bool | None:
        if "name" not in row:
            return None
        self._last_ns = row.get("latency_ns", self._last_ns)
        return bool(row.get("right"))
