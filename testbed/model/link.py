"""What the link engine plays: one schedule for each direction of an emulated link."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray


class Direction(StrEnum):
    """A direction of a link, seen from the hub."""

    UP = "up"
    DOWN = "down"


class LinkState(IntEnum):
    """What a link does with a packet: pass it, drop it (cut), or keep it waiting (hold)."""

    PASS = 0
    CUT = 1
    HOLD = 2


@dataclass(frozen=True)
class QueueLimit:
    """The drop-tail limit of a direction's queue; 0 means no limit of that kind."""

    bytes: int = 0
    packets: int = 0
    time_ns: int = 0


@dataclass(frozen=True, eq=False)
class LinkSchedule:
    """One direction of a link over time, in n >= 1 segments (arrays of shape (n,)).

    A segment holds from its start until the next one's. After ``end_ns`` the schedule starts
    again where ``repeat`` is set; otherwise its last segment holds.

    ``t_ns``      int64    segment starts since the link's start; the first is 0, strictly increasing
    ``delay_ns``  int64    one-way delay; with ``interpolate`` it runs linearly to the next segment's
    ``loss``      float64  probability that a packet is lost, 0 to 1
    ``rate_bps``  int64    bit/s of L2 frames without FCS; 0 is unlimited
    ``state``     uint8    State

    Raises ValueError when the arrays contradict this.
    """

    t_ns: NDArray[np.int64]
    delay_ns: NDArray[np.int64]
    loss: NDArray[np.float64]
    rate_bps: NDArray[np.int64]
    state: NDArray[np.uint8]
    end_ns: int
    repeat: bool = False
    interpolate: bool = False
    queue: QueueLimit = QueueLimit()

    def __post_init__(self) -> None:
        columns = (self.t_ns, self.delay_ns, self.loss, self.rate_bps, self.state)
        if len(self.t_ns) == 0 or any(column.shape != self.t_ns.shape for column in columns):
            raise ValueError("schedule columns need one common length of at least 1")
        if self.t_ns[0] != 0 or np.any(np.diff(self.t_ns) <= 0):
            raise ValueError("segment starts need to begin at 0 and to increase")
        if self.end_ns <= self.t_ns[-1]:
            raise ValueError("the schedule's end needs to lie after its last segment's start")
        if self.delay_ns.min() < 0 or self.rate_bps.min() < 0:
            raise ValueError("delays and rates cannot be negative")
        if not np.all((self.loss >= 0) & (self.loss <= 1)) or self.state.max() > max(LinkState):
            raise ValueError("loss needs to lie in 0..1 and state to be one of State")

    def nearer(self, by_ns: int) -> LinkSchedule:
        """Return the schedule with so much less delay, as far as there is any."""
        return replace(self, delay_ns=np.maximum(self.delay_ns - by_ns, 0))

    @classmethod
    def constant(
        cls,
        *,
        delay_ns: int = 0,
        loss: float = 0.0,
        rate_bps: int = 0,
        state: LinkState = LinkState.PASS,
        queue: QueueLimit = QueueLimit(),
    ) -> LinkSchedule:
        """Return a schedule whose values never change."""
        return cls(
            t_ns=np.zeros(1, np.int64),
            delay_ns=np.array([delay_ns], np.int64),
            loss=np.array([loss], np.float64),
            rate_bps=np.array([rate_bps], np.int64),
            state=np.array([state], np.uint8),
            end_ns=1,
            queue=queue,
        )
