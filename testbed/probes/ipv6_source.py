"""Which IPv6 address a client of the hub would send from, asked of its kernel; no packet is sent."""

from __future__ import annotations

from dataclasses import replace

from testbed.model.traffic import Ipv6Source
from testbed.probes import samples
from testbed.probes.probe import Live, Site
from testbed.probes.script import Row, Script, ScriptedProbe


class Ipv6SourceProbe(ScriptedProbe):
    """Asks at each beat; it writes ``samples.IPV6_SOURCE``."""

    schema = samples.IPV6_SOURCE
    noun = "the watch of addresses"

    def __init__(self, traffic: Ipv6Source, site: Site) -> None:
        plan = {
            "address": site.tenant_address,
            "every_ns": traffic.every,
            "duration_ns": site.duration_ns,
        }
        log = site.logs / f"{traffic.name}-client.jsonl"
        super().__init__(traffic.name, site, [Script(site.client, "ipv6_source_end", plan, log)])
        self._address: str | None = None
        self._every_ns = traffic.every

    @property
    def done_from_ns(self) -> int:
        return self._site.duration_ns - self._every_ns

    def rows(self, since_ns: int = 0) -> list[Row]:
        (script,) = self._scripts
        return script.rows(since_ns)

    def heard(self, row: Row) -> bool | None:
        if "address" not in row:  # that it is ready
            return None
        self._address = row["address"]
        return self._address is not None

    def told(self, live: Live) -> Live:
        return replace(live, text=self._address or "no address" if live.total else "")
