"""What the link of an uplink plays in a scenario: a trace or fixed values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.dish import Dish
from testbed.model.ipv6 import Lifetimes
from testbed.model.link import QueueLimit
from testbed.model.quantities import Duration, Rate, Share, Size
from testbed.yaml import load


@dataclass(frozen=True)
class FixedLink:
    """A link whose values never change, the same in both directions."""

    delay: Duration
    rate: Rate = 0
    loss: Share = 0.0


@dataclass(frozen=True)
class Rates:
    """Rates of the two directions, for a trace that has none."""

    up: Rate
    down: Rate


@dataclass(frozen=True)
class Queue:
    """The drop-tail limit of each direction of a link; the first limit reached drops."""

    bytes: Size = 0
    packets: int = 0
    time: Duration = 0

    @property
    def limit(self) -> QueueLimit:
        return QueueLimit(bytes=self.bytes, packets=self.packets, time_ns=self.time)


MTU_BYTES = (576, 1500)
"""What an IPv4 host must take (RFC 791), and what Ethernet does."""


@dataclass(frozen=True)
class Mtu:
    """What an uplink's path takes at most, in bytes of IP packets; without ``icmp`` it says so to nobody."""

    size: Size = MTU_BYTES[1]
    icmp: bool = True
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        yield from mtu_problems(self.size, self.place.at("size"))


def mtu_problems(size: int, place: Place) -> Iterable[Problem]:
    """Yield what is wrong with a size of packets."""
    if not MTU_BYTES[0] <= size <= MTU_BYTES[1]:
        yield Problem(place, f"packets of {size} B", "write {} B to {} B".format(*MTU_BYTES))


@dataclass(frozen=True)
class UplinkProfile:
    """What an uplink's link plays: a trace or fixed values; ``mtu`` is what its path takes, and
    ``lifetimes`` how long the IPv6 prefixes live that its CPE gives, in place of the topology's.

    ``align: slot`` starts the trace so that its handovers fall on whole multiples of 15 s of the
    scenario; ``align: start`` plays it from its first sample. ``repeat`` starts it again at its end.
    ``dish`` puts a Starlink terminal's API beside it (192.168.100.1:9200): true, or what it is.
    ``region: included`` says that the delay has the way to the tenant's region in it: with a storage account as
    tenant, which has that way of its own, it is taken off.
    """

    trace: str = ""
    fixed: FixedLink | None = None
    align: Literal["start", "slot"] = "start"
    repeat: bool = False
    rate: Rates | None = None
    queue: Queue = Queue()
    mtu: Size | Mtu = MTU_BYTES[1]
    dish: bool | Dish = False
    lifetimes: Lifetimes | None = None
    region: Literal["included", "excluded"] = "excluded"
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = load.of_key()

    @property
    def path_mtu(self) -> Mtu:
        """What the path takes, and whether it says so."""
        return self.mtu if isinstance(self.mtu, Mtu) else Mtu(self.mtu)

    @property
    def terminal(self) -> Dish | None:
        """The dish that tells of itself; None without one."""
        return (Dish() if self.dish is True else self.dish) or None

    def shifted(self, by_ns: int) -> UplinkProfile:
        """Return the profile with its dish's faults so much later."""
        return replace(self, dish=self.dish.shifted(by_ns)) if isinstance(self.dish, Dish) else self

    def problems(self) -> Iterable[Problem]:
        if not isinstance(self.mtu, Mtu):
            yield from mtu_problems(self.mtu, self.place.at("mtu"))
        if bool(self.trace) == (self.fixed is not None):
            found = "both trace and fixed values" if self.trace else "neither trace nor fixed values"
            yield Problem(
                self.place, f"the uplink has {found}", "write one of 'trace: NAME' and 'fixed: {...}'"
            )
        elif self.fixed is not None:
            yield from self._trace_problems()

    def _trace_problems(self) -> Iterable[Problem]:
        """What says how a trace is played says nothing of fixed values."""
        given = {"align": self.align == "slot", "repeat": self.repeat, "rate": self.rate is not None}
        for key in (key for key, is_given in given.items() if is_given):
            expected = "write it in 'fixed: {...}'" if key == "rate" else "leave it away"
            yield Problem(
                self.place.at(key), f"{key} is of a trace, and the uplink has fixed values", expected
            )
