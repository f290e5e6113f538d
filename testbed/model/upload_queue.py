"""The settings of the hub's store-and-forward queue for uploads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Size
from testbed.units import format_duration, format_size

S = 10**9


@dataclass(frozen=True)
class UploadQueue:
    """Uploads are acknowledged when they are on the hub's disk, and forwarded when the tenant can be had.

    What has waited for ``ttl`` is given up: 7,200 s as in Azure IoT Edge (storeAndForwardConfiguration.timeToLiveSecs).
    More than ``size`` is not taken: the client is told so.
    """

    ttl: Duration = 7200 * S
    size: Size = 10**9
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    def problems(self) -> Iterable[Problem]:
        if self.ttl < S:
            yield Problem(self.place.at("ttl"), f"ttl is {format_duration(self.ttl)}", "write 1 s or more")
        if self.size < 1000:
            yield Problem(self.place.at("size"), f"size is {format_size(self.size)}", "write 1 kB or more")
