"""The settings of the hub's cache, and what they are on a slow uplink where nothing else is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Size
from testbed.units import format_duration, format_size

S = 10**9
MIB = 2**20
MOST_PATIENCE = 120 * S
_LOCK, _READ, _UPLOAD = 10 * S, 3 * S, 8 * S
_SHARED_BY = 10
_SENT_AHEAD = 4 * MIB
"""What Linux takes from a sender at most before any of it has left (tcp_wmem)."""


class Patience(NamedTuple):
    """How long the cache waits, in ns: for another's slice, for the next bytes of an answer, for an upload's end."""

    lock_ns: int
    read_ns: int
    upload_ns: int


@dataclass(frozen=True)
class Cache:
    """The hub's cache: how much it keeps, how much it fetches at once, and how long it waits.

    Content is fetched in slices of ``slice`` bytes, each by one request for which all others wait for ``lock``.
    An uplink that stands still for ``read_timeout`` while content comes is taken for dark. An object is
    served for ``fresh`` without asking the tenant again, and while the tenant is asked, cannot be reached or refuses
    for as long as it takes, unless ``stale`` is off. What is left out follows from the slowest rate that the scenario
    gives an uplink.
    """

    size: Size = 2 * 10**9
    slice: Size = MIB
    lock: Duration = 0
    read_timeout: Duration = 0
    fresh: Duration = 0
    stale: bool = True
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def patience(self, down_bps: int, up_bps: int) -> Patience:
        """Return the waits that suit uplinks of these rates, in bit/s; 0 where none is known.

        A class that opens ten lessons at once has each of their slices take ten times as long: so long the lock is. A
        fetch that fails gives it up at once. A congested uplink stands still for as long as one slice takes. An
        upload is sent when the kernel has taken it, long before it has left.
        """
        return Patience(
            lock_ns=self.lock or _at_least(_LOCK, _SHARED_BY * _taken_ns(self.slice, down_bps)),
            read_ns=self.read_timeout or _at_least(_READ, _taken_ns(self.slice, down_bps)),
            upload_ns=_at_least(_UPLOAD, _taken_ns(_SENT_AHEAD, up_bps) + S),
        )

    def problems(self) -> Iterable[Problem]:
        if self.size < 10**6:
            yield Problem(self.place.at("size"), f"size is {format_size(self.size)}", "write 1 MB or more")
        if not 64_000 <= self.slice <= min(64 * MIB, self.size):
            found = f"slice is {format_size(self.slice)}"
            yield Problem(self.place.at("slice"), found, "write 64 kB to 64 MiB, and no more than size")
        for key in ("lock", "read_timeout"):
            given = getattr(self, key)
            if given and not 100 * 10**6 <= given <= MOST_PATIENCE:
                found = f"{key} is {format_duration(given)}"
                yield Problem(self.place.at(key), found, "write 100 ms to 120 s")
        if self.fresh % S:
            yield Problem(self.place.at("fresh"), "fresh is not whole seconds", "write 1 s or more")


def _taken_ns(size: int, rate_bps: int) -> int:
    return 8 * size * S // rate_bps if rate_bps else 0


def _at_least(least_ns: int, wanted_ns: int) -> int:
    return min(max(least_ns, wanted_ns), MOST_PATIENCE)
