"""A call between a client of the hub and the tenant: 50 packets a second each way, timed one way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from testbed.model.traffic import UdpCall
from testbed.probes import samples
from testbed.probes.probe import SECOND_NS, Live, Site
from testbed.probes.script import Row, ScriptedProbe, both_ends, sent_since
from testbed.units import format_duration

FIRST_PORT = 5301
EVERY_NS = 20_000_000
ON_THE_WAY_NS = SECOND_NS
"""A packet sent so short a time before the evidence ends may still arrive: it is left out, not called lost."""


class Call(ScriptedProbe):
    """Packets both ways between ``site.client`` and ``site.tenant``; it writes ``samples.CALL``."""

    schema = samples.CALL
    noun = "the call"

    def __init__(self, traffic: UdpCall, site: Site) -> None:
        plan = {
            "address": site.tenant_address,
            "port": FIRST_PORT + site.index,
            "tos": traffic.dscp.tos,
            "size": traffic.size,
            "every_ns": EVERY_NS,
            "duration_ns": site.duration_ns,
        }
        self._size = traffic.size
        super().__init__(traffic.name, site, both_ends("call_end", traffic.name, plan, site, prompt=True))
        self._sent = self._arrived = 0

    def rows(self, since_ns: int = 0) -> list[Row]:
        """Return the packets; until the call is over without those that may still be on their way."""
        tenant, client = (script.rows(since_ns) for script in self._scripts)
        before_ns = self._site.clock() - self._started_ns - ON_THE_WAY_NS
        up = packets("up", client, tenant, self._size, before_ns)
        down = packets("down", tenant, client, self._size, before_ns)
        return [*sent_since(since_ns, up), *sent_since(since_ns, down)]

    def heard(self, row: Row) -> bool | None:
        if "sent" not in row:
            return None
        self._sent, self._arrived = len(row["sent"]), len(row["received"])
        if row["received"]:
            _, sent_ns, arrived_ns = row["received"][-1]
            self._last_ns = arrived_ns - sent_ns
        return bool(row["received"])

    def told(self, live: Live) -> Live:
        if self._last_ns is None:
            return live
        words = f"delay {format_duration(self._last_ns)} one way" if live.answered else "silent"
        return replace(live, text=f"{words}, {self._arrived} packets in the last half second")


def packets(
    direction: str, sender: Sequence[Row], receiver: Sequence[Row], size: int, before_ns: int
) -> Iterator[Row]:
    """Yield one direction's packets from the two ends' lines; the unanswered only if sent ``before_ns``."""
    arrived: Mapping[int, int] = {
        seq: arrived_ns - sent_ns for row in receiver for seq, sent_ns, arrived_ns in row.get("received", ())
    }
    for row in sender:
        for seq, t_ns in row.get("sent", ()):
            if seq in arrived or t_ns < before_ns:
                delay_ns = arrived.get(seq)
                yield {
                    "direction": direction,
                    "seq": seq,
                    "t_ns": t_ns,
                    "delay_ns": delay_ns,
                    "bytes": size,
                }
