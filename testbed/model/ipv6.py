"""The IPv6 of a topology: static addresses beyond the hub, and the prefixes that a CPE delegates to it.

Hub and LAN have nothing written down: they get what is advertised and delegated, and it changes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.quantities import Duration
from testbed.units import format_duration

SECOND_NS = 10**9
DOCUMENTATION = "2001:db8::/32"
PREFERRED_NS, VALID_NS = 150 * SECOND_NS, 300 * SECOND_NS
"""How long Starlink's prefixes live, as seen behind its terminals (OpenWrt forum; see docs/ipv6.md)."""
LAN_BITS = 64


@dataclass(frozen=True)
class Lifetimes:
    """How long a prefix lives that nobody renews: after ``preferred`` nothing new uses it, after ``valid`` nothing."""

    preferred: Duration = PREFERRED_NS
    valid: Duration = VALID_NS
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        for key, time_ns in (("preferred", self.preferred), ("valid", self.valid)):
            if time_ns < 4 * SECOND_NS or time_ns % SECOND_NS:
                found = f"{key} is {format_duration(time_ns)}"
                yield Problem(self.place.at(key), found, "write whole seconds, 4 s or more")
        if self.preferred > self.valid:
            found = f"preferred is longer than valid: {format_duration(self.preferred)}"
            expected = f"write {format_duration(self.valid)} or less"
            yield Problem(self.place.at("preferred"), found, expected)


@dataclass(frozen=True)
class Delegation:
    """What a CPE gives the hub at a port: the port's own network by advertisements, and a prefix by DHCPv6-PD.

    Of ``prefixes`` the first is delegated, and the next one after each reboot of the CPE; after the last, the first.
    """

    port: str
    prefixes: tuple[str, ...]
    lifetimes: Lifetimes = Lifetimes()
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def prefix(self, reboots: int) -> str:
        """The prefix that is delegated after so many reboots."""
        return self.prefixes[reboots % len(self.prefixes)]

    def problems(self) -> Iterable[Problem]:
        if not self.prefixes:
            yield Problem(self.place.at("prefixes"), "no prefix", "write one such as 2001:db8:a100::/56")
        for text in self.prefixes:
            prefix = _network(text)
            if prefix is None or prefix.prefixlen > LAN_BITS:
                expected = "write an IPv6 prefix that holds a /64, such as 2001:db8:a100::/56"
                yield Problem(self.place.at("prefixes"), f"{text!r}", expected)


@dataclass(frozen=True)
class Ipv6:
    """The IPv6 of a node: ``ports`` map to ``address/prefix``, ``routes`` a prefix to an address."""

    ports: Mapping[str, str] = field(default_factory=dict)
    gateway: str = ""
    routes: Mapping[str, str] = field(default_factory=dict)
    delegation: Delegation | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def address(self) -> str:
        """The node's first address; empty where it has none."""
        return next((text.partition("/")[0] for text in self.ports.values()), "")

    def problems(self) -> Iterable[Problem]:
        for port, text in self.ports.items():
            if "/" not in text or not is_ipv6(text):
                expected = "write an IPv6 address with its prefix, such as 2001:db8:1::1/64"
                yield Problem(self.place.at("ports"), f"port {port!r} has address {text!r}", expected)
        if self.gateway and ("/" in self.gateway or not is_ipv6(self.gateway)):
            expected = "write an IPv6 address, such as 2001:db8:1::1"
            yield Problem(self.place.at("gateway"), f"gateway is {self.gateway!r}", expected)
        for prefix, via in self.routes.items():
            if _network(prefix) is None or "/" in via or not is_ipv6(via):
                expected = "write an IPv6 prefix and an IPv6 address: {2001:db8:a000::/40: 2001:db8:f:1::2}"
                yield Problem(self.place.at("routes"), f"{prefix!r} via {via!r}", expected)
        yield from self._delegation_problems()

    def _delegation_problems(self) -> Iterator[Problem]:
        if self.delegation is None:
            return
        port, place = self.delegation.port, self.delegation.place.at("port")
        if port not in self.ports:
            yield Problem(place, f"no IPv6 address on port {port!r}", did_you_mean(port, self.ports))
        elif not self.ports[port].endswith(f"/{LAN_BITS}"):
            yield Problem(place, f"port {port!r} has {self.ports[port]!r}", "give the hub's network a /64")


@dataclass(frozen=True)
class DelegatedPrefix:
    """A prefix that an uplink's CPE delegates from ``start_ns`` to ``end_ns``, since the run's start."""

    uplink: str
    prefix: str
    start_ns: int
    end_ns: int

    def holds(self, address: str) -> bool:
        """Return whether an address is of this prefix."""
        return ipaddress.ip_address(address) in ipaddress.ip_network(self.prefix)


def with_lifetimes(ipv6: Ipv6, lifetimes: Lifetimes) -> Ipv6:
    """Return a node's IPv6 with other lifetimes of what it delegates."""
    if ipv6.delegation is None:
        return ipv6
    return replace(ipv6, delegation=replace(ipv6.delegation, lifetimes=lifetimes))


def is_ipv6(text: str) -> bool:
    """Return whether this is an IPv6 address, with or without its prefix length."""
    try:
        ipaddress.IPv6Interface(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> ipaddress.IPv6Network | None:
    try:
        return ipaddress.IPv6Network(text)
    except ValueError:
        return None
