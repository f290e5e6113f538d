"""What goes wrong during a scenario: where, when, how badly and for how long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Share
from testbed.model.uplink import Rates

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
    DNS_FAILURE = "dns_failure"


@dataclass(frozen=True)
class Fault:
    """What a kind of event is about: ``target`` is what fails; ``keys`` are what it takes.

    At least one of the keys in ``needs`` is given.
    """

    summary: str
    target: Literal["an uplink", "the tenant", "the resolver"] = "an uplink"
    keys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()


FAULTS: Mapping[Kind, Fault] = {
    Kind.OUTAGE: Fault("packets are dropped both ways"),
    Kind.HOLD: Fault("packets wait both ways"),
    Kind.BROWNOUT: Fault(
        "loss and delay are added each way", keys=("loss", "delay"), needs=("loss", "delay")
    ),
    Kind.RATE_CAP: Fault("the rate is at most the given one", keys=("rate",), needs=("rate",)),
    Kind.REBOOT: Fault(
        "the uplink's CPE starts anew: its port, its leases, then the sky", keys=("port_down",)
    ),
    Kind.TENANT_ERRORS: Fault("new requests are answered 503, open connections reset", "the tenant"),
    Kind.TENANT_BLACK_HOLE: Fault("packets to the tenant's service vanish", "the tenant"),
    Kind.DNS_FAILURE: Fault("the Internet's resolver fails", "the resolver", keys=("answer",)),
}
_KEYS = ("loss", "delay", "rate", "port_down", "answer")
_EXAMPLES = {"loss": "loss: 20 %", "delay": "delay: 100 ms", "rate": "rate: {up: 1 Mbit/s, down: 5 Mbit/s}"}


@dataclass(frozen=True)
class Event:
    """A fault from ``at`` on: exactly one of the kinds' keys is given, and its value is how long it lasts.

    ``uplink`` is where, for a fault of an uplink. ``loss`` and ``delay`` are added in each direction
    (``brownout``), ``rate`` is the most there is (``rate_cap``), ``port_down`` how long the CPE's port
    towards the hub is down (``reboot``), ``answer`` what the resolver does
    (``dns_failure``; silent where it is not said).
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
    dns_failure: Duration = 0
    loss: Share = 0.0
    delay: Duration = 0
    rate: Rates | None = None
    port_down: Duration = 0
    answer: Literal["silent", "servfail"] | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

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
        """What fails: an uplink's name, the tenant or the resolver; two faults of one target cannot overlap."""
        return self.uplink or FAULTS[self.kind].target

    @property
    def title(self) -> str:
        """The event in a few words."""
        words = [self.uplink, str(self.kind).replace("_", " "), units.format_duration(self.duration_ns)]
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
        if self.answer:
            how.append(self.answer)
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
        if fault.target != "an uplink" and self.uplink:
            found = f"{self.kind} is of {fault.target}, not of an uplink"
            yield Problem(self.place.at("uplink"), found, "leave 'uplink' away")
        yield from self._key_problems(fault)
        if self.rate and 0 in (self.rate.up, self.rate.down):
            yield Problem(
                self.place.at("rate"), "a rate of 0", "write more, or an outage instead of a rate_cap"
            )
        if self.kind is Kind.REBOOT and self.port_up_ns > self.end_ns:
            found = f"port_down {units.format_duration(self.port_down)} is longer than the reboot"
            yield Problem(
                self.place.at("port_down"), found, f"write {units.format_duration(self.reboot)} or less"
            )

    def _key_problems(self, fault: Fault) -> Iterator[Problem]:
        given = [key for key in _KEYS if getattr(self, key)]
        for key in given:
            if key not in fault.keys:
                owner = next(kind for kind, other in FAULTS.items() if key in other.keys)
                takes = (
                    f"{self.kind} takes {' and '.join(fault.keys)}"
                    if fault.keys
                    else f"{self.kind} takes no further key"
                )
                yield Problem(self.place.at(key), f"{key!r} belongs to {owner}", takes)
        if fault.needs and not set(fault.needs) & set(given):
            expected = " and/or ".join(f"'{_EXAMPLES[key]}'" for key in fault.needs)
            yield Problem(self.place, f"{self.kind} changes nothing", f"add {expected}")
