"""The terminal of a Starlink uplink as its own API tells of it: its firmware, and what it tells wrongly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration

ADDRESS, PORT = "192.168.100.1", 9200
"""Where every Starlink terminal is asked, on the way of its uplink."""


class Firmware(NamedTuple):
    """A firmware's full name, and whether get_status has a latency while the dish is connected."""

    version: str
    tells_latency: bool


FIRMWARES: Mapping[str, Firmware] = {
    "2024.11": Firmware("2024.11.18.mr46048.1", tells_latency=False),  # starlink-grpc-tools, issue 100
    "2026.04": Firmware("2026.04.07.mr77639.1", tells_latency=True),
}
BOOT_NS = 114 * 10**9
"""From power-off to service: the median of the outages for which dishes gave BOOTING as the cause."""
Cause = Literal["no-downlink", "no-pings", "no-sats", "no-schedule", "obstructed"]


@dataclass(frozen=True)
class DishFault:
    """What goes wrong with the dish's answers from ``at`` on; the link has no part in it.

    ``hangs``: for so long no question is answered. ``wrong``: for so long it says that it is
    ``connected``, or in an ``outage``, whatever the link does; or goes on saying what it said (``frozen``).
    """

    at: Duration
    hangs: Duration = 0
    wrong: Duration = 0
    says: Literal["connected", "outage", "frozen"] | None = None
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def end_ns(self) -> int:
        """When it is over, in ns since the scenario's start."""
        return self.at + self.hangs + self.wrong

    @property
    def title(self) -> str:
        """The fault in a few words."""
        if self.hangs:
            return f"dish hangs {units.format_duration(self.hangs)}"
        return f"dish wrong {units.format_duration(self.wrong)}" + (f" ({self.says})" if self.says else "")

    def problems(self) -> Iterable[Problem]:
        if bool(self.hangs) == bool(self.wrong):
            found = "the dish's fault has " + ("both hangs and wrong" if self.hangs else "no duration")
            yield Problem(self.place, found, "write one of 'hangs: 25 s' and 'wrong: 25 s, says: connected'")
        elif self.hangs and self.says:
            yield Problem(self.place.at("says"), "a dish that hangs says nothing", "leave 'says' away")
        elif self.wrong and not self.says:
            expected = "add 'says: connected', 'says: outage' or 'says: frozen'"
            yield Problem(self.place, "the dish is wrong, and nothing tells in what", expected)


@dataclass(frozen=True)
class Dish:
    """What the dish of an uplink is.

    ``outages`` is the cause that it gives for an outage of the sky; a reboot is BOOTING, and NO_PINGS
    where packets wait or are all lost although the link is not cut. One that is told to reboot takes ``boot``;
    a third of it, its API and its port are away as well.
    """

    firmware: Literal["2024.11", "2026.04"] = "2026.04"
    outages: Cause = "no-downlink"
    boot: Duration = BOOT_NS
    faults: tuple[DishFault, ...] = ()
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def shifted(self, by_ns: int) -> Dish:
        """Return the dish with its faults so much later."""
        return replace(self, faults=tuple(replace(fault, at=fault.at + by_ns) for fault in self.faults))
