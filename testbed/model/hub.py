"""How the hub is provisioned: the device under test's own choices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from testbed.model.failover import Bfd, Overflow, PingTracking, Promise, tunnelled_frame_bytes
from testbed.model.traffic import HEARTBEAT_BYTES


@dataclass(frozen=True)
class HubProfile:
    """How the hub is provisioned.

    ``timers`` are those of ``ping-tracked`` and ``overflow``, ``bfd`` those of ``bgp-bfd``; what the chosen
    ``failover`` does not use is kept, so that a scenario can exchange it and nothing else.
    """

    failover: Literal["ping-tracked", "bgp-bfd", "overflow", "none"] = "ping-tracked"
    timers: PingTracking = field(default_factory=PingTracking)
    bfd: Bfd = field(default_factory=Bfd)
    overflow: Overflow = field(default_factory=Overflow)
    cache: bool = True

    @property
    def tunnelled(self) -> bool:
        """Whether LAN traffic crosses the uplinks inside tunnels to the edge."""
        return self.failover == "bgp-bfd"

    @property
    def mark_length(self) -> int:
        """Bytes of a frame that carries a heartbeat where a tunnel hides its mark; 0: the mark shows."""
        return tunnelled_frame_bytes(HEARTBEAT_BYTES) if self.tunnelled else 0

    @property
    def promise(self) -> Promise | None:
        """The interruption that the chosen failover's timers allow; None without failover."""
        if self.failover == "none":
            return None
        return self.bfd.promise if self.tunnelled else self.timers.promise
