"""How the hub is provisioned: the device under test's own choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.cache import Cache
from testbed.model.failover import Bfd, DishAware, Overflow, PingTracking, Promise, tunnelled_frame_bytes
from testbed.model.quantities import Duration, Rate, Size
from testbed.model.traffic import HEARTBEAT_BYTES, NEW_FLOW_BYTES
from testbed.model.upload_queue import UploadQueue
from testbed.yaml import load

FAILOVERS = ("ping-tracked", "dish-aware", "weighted", "overflow", "bgp-bfd", "none")
"""The failovers that come with the testbed: roles below playbooks/roles/failover."""
_FRESH = 600 * 10**9
MSS_BYTES = (536, 1460)
"""Of IPv4's least MTU, and of Ethernet's."""


@dataclass(frozen=True)
class HubProfile:
    """How the hub is provisioned.

    ``provision: none``: not at all. It is closed, or somebody else's: cabled, powered, and measured from outside.
    ``failover`` is one of FAILOVERS, or the folder of a role of one's own (``./my-role``, from the scenario's file),
    which ``variables`` are given to. ``timers`` are those of ``ping-tracked``, ``dish-aware``, ``weighted`` and
    ``overflow``, ``bfd`` those of ``bgp-bfd``, ``dish`` what makes ``dish-aware`` believe its dish, ``weights`` the
    shares of new flows of ``weighted``; where a run exchanges the ``failover`` (``--set``) they may stay.
    ``cache`` is on, off, or what its settings are. ``fresh`` is how long it serves an object without asking
    the tenant whether it has changed.
    ``connect_timeout`` is what the cache grants each step of a connection to the tenant, TCP's and TLS's:
    more than the slowest uplink's round trip, and no more than clients should wait for stale content.
    ``mss`` is the most that a TCP segment through an uplink may carry, said to both ends as they meet; without it they
    learn by ICMP alone that a path takes less than theirs.
    ``queue`` keeps uploads until the tenant has them: on, off, or what its settings are.
    ``ra_interval`` is the longest time between two IPv6 advertisements on the LAN.
    ``qos`` sends by each uplink no more than its rate in ``shape``, marked calls before the rest, bulk last.
    """

    OTHERWISE: ClassVar[Mapping[str, str]] = {
        f"cache_{key}": f"write it as a setting of the cache: cache: {{{key}: ...}}" for key in load.keys(Cache)
    }

    provision: Literal["roles", "none"] = "roles"
    failover: str = field(default="ping-tracked", metadata={"choices": FAILOVERS, "else": "/"})
    timers: PingTracking = field(default_factory=PingTracking)
    bfd: Bfd = field(default_factory=Bfd)
    dish: DishAware = field(default_factory=DishAware)
    overflow: Overflow = field(default_factory=Overflow)
    weights: Mapping[str, int] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    cache: bool | Cache = True
    fresh: Duration = _FRESH
    connect_timeout: Duration = 10**9
    mss: Size = 0
    ra_interval: Duration = 4 * 10**9
    queue: bool | UploadQueue = False
    qos: bool = False
    shape: Mapping[str, Rate] = field(default_factory=dict)
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def closed(self) -> bool:
        """Whether nothing is configured on the hub, nor looked up there: all that is known comes from outside."""
        return self.provision == "none"

    @property
    def own_role(self) -> bool:
        """Whether the failover is a role of one's own."""
        return "/" in self.failover and not self.closed

    @property
    def tunnelled(self) -> bool:
        """Whether LAN traffic crosses the uplinks inside tunnels to the edge."""
        return self.failover == "bgp-bfd" and not self.closed

    @property
    def pings(self) -> bool:
        """Whether the chosen failover learns by pings what works."""
        return not self.closed and self.failover in ("ping-tracked", "dish-aware", "weighted", "overflow")

    @property
    def cached(self) -> Cache | None:
        """The cache's settings; None without one."""
        if not self.cache:
            return None
        given = Cache() if self.cache is True else self.cache
        return replace(given, fresh=given.fresh or self.fresh)

    @property
    def queued(self) -> UploadQueue | None:
        """The queue's settings; None without one."""
        return (UploadQueue() if self.queue is True else self.queue) or None

    @property
    def mark_lengths(self) -> tuple[int, int]:
        """Bytes of a frame that carries a heartbeat, and a new flow, where a tunnel hides the mark; 0: it shows."""
        if not self.tunnelled:
            return 0, 0
        return tunnelled_frame_bytes(HEARTBEAT_BYTES), tunnelled_frame_bytes(NEW_FLOW_BYTES)

    @property
    def promise(self) -> Promise | None:
        """The interruption that the chosen failover's timers allow; None without failover, or where nobody knows."""
        if self.failover == "none" or self.own_role or self.closed:
            return None
        if self.failover == "dish-aware":
            return self.dish.promise(self.timers.promise)
        return self.bfd.promise if self.tunnelled else self.timers.promise

    def problems(self) -> Iterable[Problem]:
        if "/" not in self.failover and self.failover not in FAILOVERS:
            known = did_you_mean(self.failover, FAILOVERS)
            expected = (
                f"{known}; or write ./{self.failover}, a folder with a role of your own (docs/roles.md)"
            )
            yield Problem(self.place.at("failover"), f"unknown failover {self.failover!r}", expected)
        if self.variables and "/" not in self.failover:
            found = f"variables beside failover {self.failover}, which is no role of your own"
            yield Problem(self.place.at("variables"), found, "leave them out")
        for uplink, weight in self.weights.items():
            if not 0 <= weight <= 100:
                yield Problem(self.place.at("weights"), f"weight of {uplink} is {weight}", "write 0 to 100")
        if self.weights and not any(self.weights.values()):
            yield Problem(self.place.at("weights"), "no uplink has a weight above 0", "give one a share")
        if self.queue and not self.cache:
            found = "a queue of uploads without the cache, whose server takes them"
            yield Problem(self.place.at("queue"), found, "write cache: on")
        if self.qos and not self.shape:
            expected = "write shape: {starlink: 8 Mbit/s}, a little below the uplink's own upload rate"
            yield Problem(self.place.at("qos"), "qos without a rate to keep to", expected)
        if self.qos and self.tunnelled:
            found = f"qos with failover {self.failover}, whose tunnels hide the packets' marks"
            yield Problem(self.place.at("qos"), found, "choose another failover")
        if self.connect_timeout < 100 * 10**6:
            found = f"connect_timeout is {units.format_duration(self.connect_timeout)}"
            yield Problem(self.place.at("connect_timeout"), found, "write 100 ms or more")
        if self.mss and not MSS_BYTES[0] <= self.mss <= MSS_BYTES[1]:
            expected = "write {} B to {} B: what the path takes, less 40 B".format(*MSS_BYTES)
            yield Problem(self.place.at("mss"), f"mss is {self.mss} B", expected)
        if not 4 <= self.ra_interval / 10**9 <= 1800 or self.ra_interval % 10**9:
            found = f"ra_interval is {units.format_duration(self.ra_interval)}"
            yield Problem(self.place.at("ra_interval"), found, "write whole seconds, 4 s to 1800 s (RFC 4861)")
        if self.fresh < 10**9 or self.fresh % 10**9:
            yield Problem(self.place.at("fresh"), "fresh is not whole seconds", "write 1 s or more")
        if isinstance(self.cache, Cache) and self.cache.fresh and self.fresh != _FRESH:
            yield Problem(self.place.at("fresh"), "fresh stands beside the cache's own", "write it once")
        for uplink, rate_bps in self.shape.items():
            if rate_bps < 64_000:
                found = f"shape of {uplink} is {units.format_rate(rate_bps)}"
                yield Problem(self.place.at("shape"), found, "write 64 kbit/s or more")
