"""What goes wrong during a scenario: where, when, how badly and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Share, Size
from testbed.model.topology import LEAST_LEASE_NS, is_address
from testbed.model.uplink import Rates, mtu_problems
from testbed.yaml.load import Quantity

REBOOT_PORT_SHARE = 3
"""A rebooting dish's port is down for a third of the reboot, unless the event says otherwise: an assumption."""


class Kind(StrEnum):
    """The kinds of events; each is also the key that gives the event's duration."""

    OUTAGE = "outage"
    HOLD = "hold"
    BROWNOUT = "brownout"
    RATE_CAP = "rate_cap"
    REBOOT = "reboot"
    TENANT_ERRORS = "tenant_errors"
    TENANT_BLACK_HOLE = "tenant_black_hole"
    CONTENT_CHANGES = "content_changes"
    DNS_FAILURE = "dns_failure"
    BLACK_HOLE = "black_hole"
    MTU = "mtu"
    TARGET_DOWN = "target_down"
    UNPLUG = "unplug"
    LEASE = "lease"
    DHCP_DOWN = "dhcp_down"
    POWER_OFF = "power_off"
    CLOCK_STEP = "clock_step"
    CACHE_DOWN = "cache_down"


@dataclass(frozen=True)
class Fault:
    """What a kind of event is about: ``target`` is what fails; ``keys`` are what it takes.

    At least one of the keys in ``needs`` is given. ``or_uplink``: with an uplink it fails as seen through that one
    alone. ``by_link``: the link's schedule has it, to the nanosecond; the others are applied in the lab. ``touches``
    is what of its target it has for itself while it lasts: two faults with one in common cannot overlap.
    """

    summary: str
    target: Literal["an uplink", "the tenant", "the resolver", "the probe target", "the hub"] = "an uplink"
    keys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    or_uplink: bool = False
    by_link: bool = False
    touches: frozenset[str] = frozenset({"service"})


_LINK, _PORT, _LEASES = frozenset({"link"}), frozenset({"port"}), frozenset({"leases"})
FAULTS: Mapping[Kind, Fault] = {
    Kind.OUTAGE: Fault("packets are dropped both ways", by_link=True, touches=_LINK),
    Kind.HOLD: Fault("packets wait both ways", by_link=True, touches=_LINK),
    Kind.BROWNOUT: Fault(
        "loss and delay are added each way",
        keys=("loss", "delay"),
        needs=("loss", "delay"),
        by_link=True,
        touches=_LINK,
    ),
    Kind.RATE_CAP: Fault(
        "the rate is at most the given one", keys=("rate",), needs=("rate",), by_link=True, touches=_LINK
    ),
    Kind.REBOOT: Fault(
        "the uplink's CPE starts anew: its port, its leases, then the sky",
        keys=("port_down", "address"),
        by_link=True,
        touches=_LINK | _PORT | _LEASES,
    ),
    Kind.TENANT_ERRORS: Fault(
        "new requests are refused, open connections reset", "the tenant", keys=("status", "retry_after")
    ),
    Kind.TENANT_BLACK_HOLE: Fault("packets to the tenant's service vanish", "the tenant"),
    Kind.DNS_FAILURE: Fault(
        "the resolver fails", "the resolver", keys=("answer",), or_uplink=True, touches=frozenset({"names"})
    ),
    Kind.CONTENT_CHANGES: Fault(
        "every object of the tenant's content gets a new version", "the tenant", touches=frozenset({"content"})
    ),
    Kind.BLACK_HOLE: Fault(
        "some packets vanish both ways, others pass",
        keys=("protocol", "port", "passes"),
        needs=("protocol", "passes"),
        touches=frozenset({"path"}),
    ),
    Kind.MTU: Fault(
        "the path takes shorter packets", keys=("size", "icmp"), needs=("size",), touches=frozenset({"mtu"})
    ),
    Kind.TARGET_DOWN: Fault(
        "what the hub pings is silent",
        "the probe target",
        keys=("address",),
        or_uplink=True,
        touches=frozenset({"target"}),
    ),
    Kind.UNPLUG: Fault("the cable between hub and CPE is out", touches=_PORT),
    Kind.LEASE: Fault(
        "the CPE leases another address, or refuses",
        keys=("address", "time", "refused"),
        needs=("address", "time", "refused"),
        touches=_LEASES,
    ),
    Kind.DHCP_DOWN: Fault("the CPE answers no DHCP", touches=frozenset({"dhcp"})),
    Kind.POWER_OFF: Fault("the hub has no power, then boots", "the hub"),
    Kind.CLOCK_STEP: Fault(
        "the hub's clock is wrong", "the hub", keys=("by",), needs=("by",), touches=frozenset({"clock"})
    ),
    Kind.CACHE_DOWN: Fault("the hub's cache is dead, the hub forwards", "the hub", touches=frozenset({"cache"})),
}
_EXAMPLES = {
    "loss": "loss: 20 %",
    "delay": "delay: 100 ms",
    "rate": "rate: {up: 1 Mbit/s, down: 5 Mbit/s}",
    "protocol": "protocol: tcp",
    "passes": "passes: icmp",
    "size": "size: 1420 B",
    "address": "address: 100.64.10.150",
    "time": "time: 2 min",
    "refused": "refused: on",
    "by": "by: -8760 h",
}
ALL = "all"
"""The address of ``target_down`` that stands for every probe target."""
HARMLESS = (Kind.TARGET_DOWN,)
"""An uplink carries as before while these last: they are no reason to leave it."""
_KEYS = tuple(dict.fromkeys(key for fault in FAULTS.values() for key in fault.keys))
Protocol = Literal["tcp", "udp", "icmp"]
REFUSALS = (403, 429, 503)
"""The statuses with which a tenant can refuse."""


Shift = Annotated[int, Quantity(units.parse_shift, "how much later, or earlier: '5 s', '-8760 h'")]
Lasting = Annotated[
    int, Quantity(units.parse_duration, "for how long, and beside it what: 'lease: 20 s, address: 100.64.10.150'")
]


@dataclass(frozen=True)
class Event:
    """A fault from ``at`` on: exactly one of the kinds' keys is given, and its value is how long it lasts.

    ``uplink`` is where, for a fault of an uplink. ``loss`` and ``delay`` are added in each direction
    (``brownout``), ``rate`` is the most there is (``rate_cap``), ``port_down`` how long the CPE's port
    towards the hub is down (``reboot``), ``answer`` what the resolver does
    (``dns_failure``; silent where it is not said). A ``black_hole`` swallows ``protocol``, of a ``port`` alone where
    one is given, or all that it does not let through (``passes``). ``mtu`` lets through IP packets of at most ``size``,
    and says so to who sent a longer one, unless ``icmp`` is off. ``target_down`` silences the topology's first probe
    target, the one with the ``address``, or ``all``. What the CPE leases during a ``lease`` is ``address``, for
    ``time``; with ``refused`` it says no to everyone. After a ``reboot`` with an ``address`` it leases that for good.
    A tenant with ``tenant_errors`` answers with a ``status`` of
    REFUSALS (503 where it is not said), 429 and 503 with a ``Retry-After`` where one is given. ``content_changes``
    says how long the tenant may take until it has all of the new versions, each replaced whole. ``clock_step`` sets
    the hub's clock ``by`` so much, in ns, forwards or backwards (negative).
    """

    at: Duration
    uplink: str = ""
    outage: Duration = 0
    hold: Duration = 0
    brownout: Duration = 0
    rate_cap: Duration = 0
    reboot: Duration = 0
    tenant_errors: Duration = 0
    tenant_black_hole: Duration = 0
    content_changes: Duration = 0
    dns_failure: Duration = 0
    black_hole: Duration = 0
    mtu: Duration = 0
    target_down: Duration = 0
    unplug: Duration = 0
    lease: Lasting = 0
    dhcp_down: Duration = 0
    power_off: Duration = 0
    clock_step: Duration = 0
    cache_down: Duration = 0
    loss: Share = 0.0
    delay: Duration = 0
    rate: Rates | None = None
    port_down: Duration = 0
    answer: Literal["silent", "servfail"] | None = None
    protocol: Protocol | None = None
    port: int | None = None
    passes: Protocol | None = None
    size: Size = 0
    icmp: bool = True
    address: str = ""
    time: Duration = 0
    refused: bool = False
    status: int = 0
    retry_after: Duration = 0
    by: Shift = 0
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    OTHERWISE: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("power", "hub_reboot"), "write 'power_off: 30 s' for the hub, 'uplink: NAME, reboot: 30 s' for a CPE"
    )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The faults that were given; a good event has one."""
        return tuple(kind for kind in Kind if getattr(self, kind) > 0)

    @property
    def kind(self) -> Kind:
        """The event's fault."""
        return self.kinds[0]

    @property
    def duration_ns(self) -> int:
        """How long it lasts."""
        return int(getattr(self, self.kind))

    @property
    def end_ns(self) -> int:
        """When it is over, in ns since the scenario's start."""
        return self.at + self.duration_ns

    @property
    def port_up_ns(self) -> int:
        """When the port of a rebooting CPE is up again."""
        return self.at + (self.port_down or self.duration_ns // REBOOT_PORT_SHARE)

    @property
    def target(self) -> str:
        """What fails: an uplink's name, the tenant or the resolver."""
        return self.uplink or FAULTS[self.kind].target

    def clashes(self, earlier: Event) -> bool:
        """Whether a fault that began before has something for itself that this one touches."""
        shared = FAULTS[self.kind].touches & FAULTS[earlier.kind].touches
        return bool(shared) and self.target == earlier.target and self.at < earlier.end_ns

    @property
    def by_link(self) -> bool:
        """Whether the link's schedule has it."""
        return FAULTS[self.kind].by_link

    @property
    def title(self) -> str:
        """The event in a few words."""
        where = self.uplink or ("hub" if FAULTS[self.kind].target == "the hub" else "")
        words = [where, str(self.kind).replace("_", " "), units.format_duration(self.duration_ns)]
        return " ".join(filter(None, (*words, self._how)))

    @property
    def _how(self) -> str:
        how = []
        if self.loss:
            how.append(f"+{units.format_share(self.loss)} loss")
        if self.delay:
            how.append(f"+{units.format_duration(self.delay)}")
        if self.rate:
            how.append(f"↓{units.format_rate(self.rate.down)} ↑{units.format_rate(self.rate.up)}")
        if self.size:
            how.append(f"{self.size} B")
        if not self.icmp:
            how.append("no ICMP")
        if self.passes:
            how.append(f"passes {self.passes}")
        how += [word for word in (self.answer, self.protocol, self.address) if word]
        if self.port is not None:
            how.append(f"port {self.port}")
        if self.time:
            how.append(f"for {units.format_duration(self.time)}")
        if self.by:
            how.append(f"by {units.format_duration(self.by)}")
        if self.refused:
            how.append("refused")
        if self.status:
            how.append(f"status {self.status}")
        if self.retry_after:
            how.append(f"again after {units.format_duration(self.retry_after)}")
        return f"({', '.join(how)})" if how else ""

    def problems(self) -> Iterable[Problem]:
        if len(self.kinds) != 1:
            found = f"has both {' and '.join(self.kinds)}" if self.kinds else "has no fault that lasts"
            known = ", ".join(Kind)
            yield Problem(
                self.place, f"the event {found}", f"write one of {known} with a duration: 'outage: 25 s'"
            )
            return
        fault = FAULTS[self.kind]
        if fault.target == "an uplink" and not self.uplink:
            yield Problem(self.place, f"{self.kind} is of an uplink", "add 'uplink: NAME'")
        if fault.target != "an uplink" and self.uplink and not fault.or_uplink:
            found = f"{self.kind} is of {fault.target}, not of an uplink"
            yield Problem(self.place.at("uplink"), found, "leave 'uplink' away")
        yield from self._key_problems(fault)
        yield from self._value_problems()
        if self.rate and 0 in (self.rate.up, self.rate.down):
            yield Problem(
                self.place.at("rate"), "a rate of 0", "write more, or an outage instead of a rate_cap"
            )
        if self.kind is Kind.REBOOT and self.port_up_ns > self.end_ns:
            found = f"port_down {units.format_duration(self.port_down)} is longer than the reboot"
            yield Problem(
                self.place.at("port_down"), found, f"write {units.format_duration(self.reboot)} or less"
            )

    def _value_problems(self) -> Iterator[Problem]:
        if self.protocol and self.passes:
            expected = "write what vanishes, or what passes"
            yield Problem(self.place.at("passes"), "both protocol and passes", expected)
        if self.port is not None and self.protocol not in ("tcp", "udp"):
            yield Problem(self.place.at("port"), "a port without a protocol that has ports", "add 'protocol: tcp'")
        if self.port is not None and not 0 < self.port < 2**16:
            yield Problem(self.place.at("port"), f"port is {self.port}", "write a number from 1 to 65535")
        if self.size:
            yield from mtu_problems(self.size, self.place.at("size"))
        if self.refused and (self.address or self.time):
            yield Problem(self.place.at("refused"), "refused, and what to lease", "write one of them")
        if self.time and self.time < LEAST_LEASE_NS:
            found = f"a lease for {units.format_duration(self.time)}"
            yield Problem(self.place.at("time"), found, "write 2 min, the shortest that dnsmasq knows, or more")
        if self.address == ALL and self.kind is not Kind.TARGET_DOWN:
            yield Problem(self.place.at("address"), "address is 'all'", "write an IP address")
        if self.address not in ("", ALL) and not is_address(self.address):
            yield Problem(self.place.at("address"), f"address is {self.address!r}", "write an IP address")
        if self.status not in (0, *REFUSALS):
            yield Problem(self.place.at("status"), f"status is {self.status}", "write 403, 429 or 503")
        if self.retry_after and self.status == 403:
            expected = "leave it away: who has no right is not asked to come again"
            yield Problem(self.place.at("retry_after"), "retry_after of a 403", expected)
        if self.retry_after % 10**9:
            found = f"retry_after is {units.format_duration(self.retry_after)}"
            yield Problem(self.place.at("retry_after"), found, "write whole seconds")

    def _key_problems(self, fault: Fault) -> Iterator[Problem]:
        given = [key for key in _KEYS if getattr(self, key) != getattr(Event, key)]
        for key in given:
            if key not in fault.keys:
                owner = " and ".join(kind for kind, other in FAULTS.items() if key in other.keys)
                takes = (
                    f"{self.kind} takes {' and '.join(fault.keys)}"
                    if fault.keys
                    else f"{self.kind} takes no further key"
                )
                yield Problem(self.place.at(key), f"{key!r} belongs to {owner}", takes)
        if fault.needs and not set(fault.needs) & set(given):
            expected = " and/or ".join(f"'{_EXAMPLES[key]}'" for key in fault.needs)
            yield Problem(self.place, f"{self.kind} changes nothing", f"add {expected}")
