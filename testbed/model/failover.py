"""The settings of the hub's failover implementations, and what they promise: how long a dead uplink stays unnoticed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Share
from testbed.units import format_duration, format_share

MS = 10**6
S = 10**9
ETHERNET_BYTES, IP_BYTES, UDP_BYTES = 14, 20, 8  # IPv4, without options


class Promise(NamedTuple):
    """The shortest and the longest interruption that the timers allow, in ns."""

    best_ns: int
    worst_ns: int


def tunnelled_frame_bytes(payload_bytes: int) -> int:
    """Return the length of the Ethernet frame that carries a UDP payload inside a WireGuard tunnel over IPv4.

    WireGuard pads the inner packet to a multiple of 16 bytes and adds a header and a tag of 16 bytes
    each (Donenfeld: WireGuard, 5.4.6).
    """
    inner = IP_BYTES + UDP_BYTES + payload_bytes
    padded = -(-inner // 16) * 16
    return ETHERNET_BYTES + IP_BYTES + UDP_BYTES + 16 + padded + 16


@dataclass(frozen=True)
class PingTracking:
    """The timers of a hub that pings a target through each uplink.

    A ping leaves every ``interval`` and counts as failed after ``timeout``; ``fall`` failures in
    a row take the uplink out, ``rise`` answers in a row bring it back. With ``probe: tcp`` it is no ping but
    a TCP connection to the tenant's service: an uplink that lets pings through and nothing else has failed, too.
    """

    interval: Duration = 1 * S
    timeout: Duration = 1 * S
    fall: int = 2
    rise: int = 5
    probe: Literal["ping", "tcp"] = "ping"
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def promise(self) -> Promise:
        """The interruption when an uplink goes dark and another one is good.

        Best case: the outage begins just before a ping leaves, so that ``fall`` pings fail with the
        last one's time-out: (fall - 1) x interval + timeout. Worst case: it begins just after a ping
        was answered, one interval more.
        """
        best = (self.fall - 1) * self.interval + self.timeout
        return Promise(best_ns=best, worst_ns=best + self.interval)

    def problems(self) -> Iterable[Problem]:
        for key in ("interval", "timeout"):
            if getattr(self, key) < S or getattr(self, key) % S:
                yield Problem(self.place.at(key), f"{key} is not whole seconds", "write 1 s or more")
        if self.timeout > self.interval:
            found = f"timeout is longer than the interval of {self.interval // S} s"
            yield Problem(self.place.at("timeout"), found, "a ping has to fail before the next one leaves")
        for key in ("fall", "rise"):
            if getattr(self, key) < 1:
                yield Problem(self.place.at(key), f"{key} is {getattr(self, key)}", "write 1 or more")


@dataclass(frozen=True)
class Bfd:
    """The timers of a hub that runs BGP with BFD (RFC 5880) to its edge through one tunnel for each uplink.

    A BFD packet leaves every ``interval``; ``multiplier`` of them missing take the uplink out.
    ``hold`` is BGP's own hold time: so long without a message of BGP's takes the uplink out as well, BFD or
    not. Left out it is three times the detection time, in whole seconds, and never less than 3 s.
    """

    interval: Duration = 300 * MS
    multiplier: int = 3
    hold: Duration = 0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def promise(self) -> Promise:
        """The interruption when an uplink goes dark and another one is good.

        The detection time is multiplier x interval since the last BFD packet arrived (RFC 5880, 6.8.4).
        Worst case: the outage begins just after one; best case: just before the next one was due.
        """
        return Promise(best_ns=self.detection_ns - self.interval, worst_ns=self.detection_ns)

    @property
    def detection_ns(self) -> int:
        """How long BFD waits for a packet."""
        return self.multiplier * self.interval

    @property
    def hold_ns(self) -> int:
        """BGP's hold time, the given one or the one that suits BFD."""
        return self.hold or max(-(-3 * self.detection_ns // S), 3) * S

    def problems(self) -> Iterable[Problem]:
        if not 10 * MS <= self.interval <= 60 * S or self.interval % MS:
            found = "interval is not whole milliseconds from 10 ms to 60 s"
            yield Problem(self.place.at("interval"), found, "write one such as 300 ms")
        if not 2 <= self.multiplier <= 255:
            found = f"multiplier is {self.multiplier}"
            yield Problem(
                self.place.at("multiplier"), found, "write 2 to 255: a single lost packet is no outage"
            )
        if self.hold and (self.hold < 3 * S or self.hold % S):
            found = "hold is not whole seconds from 3 s on"
            yield Problem(self.place.at("hold"), found, "write 3 s, the shortest that BGP knows, or more")
        # A message of BGP's comes every third of the hold time: at a cut up to that much of it has passed.
        elif 2 * self.hold_ns < 3 * self.detection_ns:
            found = f"hold of {self.hold // S} s can end before BFD's {format_duration(self.detection_ns)} do"
            expected = f"write {-(-3 * self.detection_ns // (2 * S))} s or more, or leave it out"
            yield Problem(self.place.at("hold"), found, expected)


@dataclass(frozen=True)
class DishAware:
    """When a hub that pings believes its dish as well.

    The dish is asked every ``interval``, and has as long to answer. ``fall`` answers in a row that tell an outage, or
    that ``drop`` of its pings or more are lost, take its uplink out; ``rise`` without either let it back,
    when pings do too. A dish that does not answer is not believed: pings decide.
    """

    interval: Duration = 500 * MS
    fall: int = 3
    rise: int = 4
    drop: Share = 1.0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def promise(self, pings: Promise) -> Promise:
        """Return the interruption when an uplink goes dark: by the dish at best, by pings where it says nothing.

        Best case: the outage is told just before the dish is asked: (fall - 1) x interval.
        """
        return Promise(best_ns=min((self.fall - 1) * self.interval, pings.best_ns), worst_ns=pings.worst_ns)

    def problems(self) -> Iterable[Problem]:
        if not 100 * MS <= self.interval <= 10 * S:
            yield Problem(self.place.at("interval"), "interval is out of range", "write 100 ms to 10 s")
        for key in ("fall", "rise"):
            if getattr(self, key) < 1:
                yield Problem(self.place.at(key), f"{key} is {getattr(self, key)}", "write 1 or more")
        if not 0 < self.drop <= 1:
            found = f"drop is {format_share(self.drop)}"
            yield Problem(self.place.at("drop"), found, "write more than 0 %, and 100 % at most")


@dataclass(frozen=True)
class Overflow:
    """When new flows of a hub leave its preferred uplink for the second one, and when they come back.

    The preferred uplink is measured every ``interval``. Its queueing delay is its round-trip time
    less the lowest one seen. ``enter`` measurements in a row above ``busy`` send new flows to the
    second uplink; ``leave`` in a row below ``calm``, with no more than ``share`` of the throughput of
    the congested time on both uplinks together, bring them back. So does ``retry`` without one
    above ``busy``, whatever they carry: the preferred uplink's capacity may have grown.
    """

    interval: Duration = 500 * MS
    busy: Duration = 100 * MS
    calm: Duration = 40 * MS
    enter: int = 2
    leave: int = 10
    share: Share = 0.7
    retry: Duration = 30 * S
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if not 100 * MS <= self.interval <= 10 * S:
            yield Problem(self.place.at("interval"), "interval is out of range", "write 100 ms to 10 s")
        if not 0 < self.calm < self.busy:
            found = "calm is not below busy"
            yield Problem(self.place.at("calm"), found, "leave a gap between the two, or flows go to and fro")
        for key in ("enter", "leave"):
            if getattr(self, key) < 1:
                yield Problem(self.place.at(key), f"{key} is {getattr(self, key)}", "write 1 or more")
        if self.retry < self.leave * self.interval:
            found = "retry is shorter than leave takes"
            yield Problem(self.place.at("retry"), found, "write leave x interval or more")
        if not 0 < self.share < 1:
            found = f"share is {format_share(self.share)}"
            yield Problem(self.place.at("share"), found, "write more than 0 % and less than 100 %")
