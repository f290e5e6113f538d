"""The seam between a run and whatever emulates its links: native, simulated or netem.

A back end is opened with all of its links, starts them at one instant, takes live changes, and ends
with a certificate of how exact it was. ``tests/system/link/test_contract.py`` holds for each of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from testbed.link.fidelity import Certificate
from testbed.model.impairments import Impairments
from testbed.model.link import Direction, LinkSchedule, LinkState


@dataclass(frozen=True)
class LinkSpec:
    """One link: the interfaces at its two ends and what each direction plays.

    A direction with a cell's name goes through that cell (layout.Cell) instead of a rate of its own.
    """

    name: str
    hub_interface: str
    net_interface: str
    up: LinkSchedule
    down: LinkSchedule
    seed: int = 0
    up_impairments: Impairments = Impairments()
    down_impairments: Impairments = Impairments()
    up_cell: str = ""
    down_cell: str = ""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 60 or any(c.isspace() or c == "*" for c in self.name):
            raise ValueError(f"a link's name is one word of at most 60 characters, not {self.name!r}")

    def schedule(self, direction: Direction) -> LinkSchedule:
        """Return what this direction plays."""
        return self.up if direction is Direction.UP else self.down

    def impairments(self, direction: Direction) -> Impairments:
        """Return what this direction's profile asks for on top."""
        return self.up_impairments if direction is Direction.UP else self.down_impairments


@dataclass(frozen=True)
class Change:
    """A live change: the values given replace the schedule's, for a time or until changed again."""

    delay_ns: int | None = None
    rate_bps: int | None = None
    loss: float | None = None
    state: LinkState | None = None
    for_ns: int | None = None

    def __post_init__(self) -> None:
        if self.loss is not None and not 0 <= self.loss <= 1:
            raise ValueError(f"loss is a share from 0 to 1, not {self.loss}")
        if any(value is not None and value < 0 for value in (self.delay_ns, self.rate_bps, self.for_ns)):
            raise ValueError("a delay, a rate or a duration cannot be negative")


@dataclass(frozen=True)
class Restore:
    """A live change back to the schedule, in everything."""


LinkEvent = Change | Restore


def outage(duration_ns: int, *, hold: bool = False) -> Change:
    """Return an outage: packets are dropped, or kept waiting (`hold`), for this long."""
    return Change(state=LinkState.HOLD if hold else LinkState.CUT, for_ns=duration_ns)


@dataclass(frozen=True)
class DirectionCounters:
    """What one direction has done since the start: packets and bytes (L2 frames without FCS)."""

    packets_in: int
    bytes_in: int
    packets_out: int
    bytes_out: int
    lost: int
    cut: int
    queue_drops: int
    marked_out: int
    marked_new_out: int
    inside: int

    @classmethod
    def of(cls, record: np.void) -> DirectionCounters:
        """Return the counters of one record of dtype layout.COUNTERS."""
        return cls(**{field.name: int(record[field.name]) for field in fields(cls)})


Counters = Mapping[tuple[str, Direction], DirectionCounters]


@dataclass(frozen=True)
class Capabilities:
    """What a back end can be trusted with (the defaults: with everything); the rest is refused before it starts.

    Outages and certain losses shorter than ``loss_ns`` are beyond it. ``missing`` is the evidence that it
    cannot give: its certificate says so, since what depends on it was not checked.
    """

    hold: bool = True
    instants: bool = True
    impairments: bool = True
    cells: bool = True
    mixed_queue_limits: bool = True
    loss_ns: int = 0
    missing: tuple[str, ...] = ()


class LinkBackend(ABC):
    """Emulates links; see the module's docstring."""

    capabilities = Capabilities()

    @classmethod
    def fault_of_host(cls) -> str:
        """Return why this host cannot have this back end, and what to use instead; empty where it can."""
        return ""

    @abstractmethod
    def open(self, links: Sequence[LinkSpec]) -> None:
        """Bring the links up. Until `start` they have their first segment's delay and rate, no loss
        and no outage. Raises HostError where this host cannot do it, RunError where a step failed."""

    @abstractmethod
    def start(self, at_ns: int) -> None:
        """Play all schedules from this instant of CLOCK_REALTIME."""

    @abstractmethod
    def inject(self, name: str, direction: Direction | None, event: LinkEvent) -> None:
        """Change a live link, in one direction or (None) both, without taking it down."""

    @abstractmethod
    def read(self) -> Counters:
        """Return the counters of every link and direction since the start."""

    @abstractmethod
    def close(self) -> Certificate:
        """End the links, write what is left, and return the certificate."""
