"""What is sent through the hub, and measured: one class for each kind of traffic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem
from testbed.model.quantities import Duration, Frequency


@dataclass(frozen=True)
class UdpEcho:
    """A UDP packet at a fixed interval that the tenant answers: the heartbeat."""

    kind: Literal["udp-echo"]
    from_: str = field(metadata={"yaml_key": "from"})
    to: str
    every: Duration
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = ""

    def problems(self) -> Iterable[Problem]:
        if self.every < 10**6:
            found = f"every is {units.format_duration(self.every)}"
            yield Problem(self.place.at("every"), found, "write 1 ms or more")


@dataclass(frozen=True)
class HttpGet:
    """Open-loop requests through the hub's cache for objects of a catalogue."""

    kind: Literal["http-get"]
    from_: str = field(metadata={"yaml_key": "from"})
    catalogue: str
    rate: Frequency
    timeout: Duration = 10 * 10**9
    place: Place = field(default=NOWHERE, compare=False, repr=False)
    name: str = ""

    def problems(self) -> Iterable[Problem]:
        if not 0 < self.rate <= 1000:
            yield Problem(
                self.place.at("rate"), f"rate is {self.rate:g}/s", "write more than 0/s, up to 1000/s"
            )


Traffic = UdpEcho | HttpGet
