"""What ping-tracked failover promises: how long a dead uplink can stay unnoticed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration

S = 10**9


class Promise(NamedTuple):
    """The shortest and the longest interruption that the timers allow, in ns."""

    best_ns: int
    worst_ns: int


@dataclass(frozen=True)
class PingTracking:
    """The timers of a hub that pings a target through each uplink.

    A ping leaves every ``interval`` and counts as failed after ``timeout``; ``fall`` failures in
    a row take the uplink out, ``rise`` answers in a row bring it back.
    """

    interval: Duration = 1 * S
    timeout: Duration = 1 * S
    fall: int = 2
    rise: int = 5
    place: Place = field(default=NOWHERE, compare=False, repr=False)

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


def promised_interruption(timers: PingTracking) -> Promise:
    """Return the interruption the timers allow when an uplink goes dark and another one is good.

    Best case: the outage begins just before a ping leaves, so that ``fall`` pings fail with the
    last one's time-out: (fall - 1) x interval + timeout. Worst case: it begins just after a ping
    was answered, one interval more.
    """
    best = (timers.fall - 1) * timers.interval + timers.timeout
    return Promise(best_ns=best, worst_ns=best + timers.interval)
