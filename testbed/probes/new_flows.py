"""New flows from a client of the hub to the tenant: each packet is one, and goes where the hub sends new flows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from testbed.model.traffic import NEW_FLOW_BYTES, UdpFlows
from testbed.probes import samples
from testbed.probes.probe import SECOND_NS, Live, Site
from testbed.probes.script import Row, ScriptedProbe, both_ends, sent_since
from testbed.units import format_duration

FIRST_PORT = 5401
DSCP_VOICE_ADMIT = 44
"""The mark of new flows on the links (RFC 5865): of the same kind as the heartbeat's EF, and hardly ever seen."""
ON_THE_WAY_NS = SECOND_NS
"""A packet sent so short a time before the evidence ends may still be answered: it is left out, not called lost."""


class NewFlows(ScriptedProbe):
    """A packet from a new port at each beat, and its answer; it writes ``samples.NEW_FLOWS``."""

    schema = samples.NEW_FLOWS
    noun = "the stream of new flows"

    def __init__(self, traffic: UdpFlows, site: Site) -> None:
        plan = {
            "address": site.tenant_address,
            "port": FIRST_PORT + site.index,
            "tos": DSCP_VOICE_ADMIT << 2,
            "size": NEW_FLOW_BYTES,
            "every_ns": traffic.every,
            "duration_ns": site.duration_ns,
        }
        super().__init__(
            traffic.name, site, both_ends("new_flows_end", traffic.name, plan, site, prompt=True)
        )
        self._of_half_a_second = (0, 0)

    def rows(self, since_ns: int = 0) -> list[Row]:
        """Return the packets; until the end without those that may still be answered."""
        tenant, client = (script.rows(since_ns) for script in self._scripts)
        before_ns = self._site.clock() - self._started_ns - ON_THE_WAY_NS
        return list(sent_since(since_ns, packets(client, tenant, before_ns)))

    def heard(self, row: Row) -> bool | None:
        if "sent" not in row:
            return None
        self._of_half_a_second = len(row["answered"]), len(row["sent"])
        if row["answered"]:
            self._last_ns = row["answered"][-1][1]
        return bool(row["answered"])

    def told(self, live: Live) -> Live:
        if self._last_ns is None:
            return live
        answered, sent = self._of_half_a_second
        text = f"{answered} of {sent} new flows answered in the last half second"
        return replace(live, text=f"{text}, last {format_duration(self._last_ns)}")


def packets(client: Sequence[Row], tenant: Sequence[Row], before_ns: int) -> Iterator[Row]:
    """Yield the packets from the two ends' lines; the unanswered only if sent ``before_ns``.

    What the tenant received and the client had no answer to was lost on its way down.
    """
    received = {seq for row in tenant for seq in row.get("received", ())}
    answered = {seq: rtt_ns for row in client for seq, rtt_ns in row.get("answered", ())}
    for row in client:
        for seq, t_ns in row.get("sent", ()):
            if seq in answered:
                yield {"seq": seq, "t_ns": t_ns, "rtt_ns": answered[seq], "lost": "none"}
            elif t_ns < before_ns:
                lost = "down" if seq in received else "up"
                yield {"seq": seq, "t_ns": t_ns, "rtt_ns": None, "lost": lost}
