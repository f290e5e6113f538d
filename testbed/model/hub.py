"""How the hub is provisioned: the device under test's own choices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from testbed.model.failover import PingTracking


@dataclass(frozen=True)
class HubProfile:
    """How the hub is provisioned."""

    failover: Literal["ping-tracked", "none"] = "ping-tracked"
    timers: PingTracking = field(default_factory=PingTracking)
    cache: bool = True
