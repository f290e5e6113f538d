"""What a link does to packets beyond its schedule: reordering, duplicates, corruption."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Impairments:
    """What a profile may ask for on top of a schedule: shares of packets, 0 to 1.

    A reordered packet takes ``reorder_ns`` longer, and those behind it pass; a duplicate follows its
    original at once; a corrupted packet has one bit of its payload flipped.
    """

    reorder: float = 0.0
    reorder_ns: int = 0
    duplicate: float = 0.0
    corrupt: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.reorder, self.duplicate, self.corrupt)
        if self.reorder_ns < 0 or any(not 0 <= share <= 1 for share in shares):
            raise ValueError("impairments are shares from 0 to 1, and reorder_ns is not negative")


NO_IMPAIRMENTS = Impairments()
