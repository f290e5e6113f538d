"""One long TCP connection between a client of the hub and the tenant, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace

from testbed.model.traffic import SESSION_ENDS, TcpTransfer
from testbed.probes import samples
from testbed.probes.probe import Live, Site
from testbed.probes.script import Row, ScriptedProbe, both_ends
from testbed.units import format_rate

FIRST_PORT = 5201


class Transfer(ScriptedProbe):
    """Data from one end to the other as fast as it goes, or at a rate; it writes ``samples.TRANSFER``."""

    schema = samples.TRANSFER
    noun = "the transfer"

    def __init__(self, traffic: TcpTransfer, site: Site) -> None:
        plan = {
            "address": site.tenant_address,
            "port": FIRST_PORT + site.index,
            "tos": traffic.dscp.tos,
            "direction": traffic.direction,
            "rate_bps": traffic.rate,
            "timeout_ns": traffic.timeout,
            "duration_ns": site.duration_ns,
        }
        super().__init__(traffic.name, site, both_ends("transfer_end", traffic.name, plan, site))
        self._receiver = "tenant" if traffic.direction == "up" else "client"
        self._session, self._arrived, self._rate_bps, self._at_ns = 0, 0, 0.0, 0

    def rows(self, since_ns: int = 0) -> list[Row]:
        return sorted((row for s in self._scripts for row in s.rows()), key=lambda row: int(row["t_ns"]))

    def heard(self, row: Row) -> bool | None:
        if "event" not in row or row["end"] != self._receiver:
            return False if row.get("event") in (*SESSION_ENDS, "unreachable") else None
        if row["session"] == self._session and row["t_ns"] > self._at_ns:
            self._rate_bps = (row["bytes"] - self._arrived) * 8e9 / (row["t_ns"] - self._at_ns)
        self._session, self._arrived, self._at_ns = row["session"], row["bytes"], row["t_ns"]
        return bool(row["event"] == "progress")

    def told(self, live: Live) -> Live:
        if not live.total:
            return live
        rate = format_rate(self._rate_bps) if live.answered else "no progress in the last second"
        return replace(live, text=f"{rate}, session {self._session + 1}")
