"""What an uplink's contract charges for bytes: buckets, and what follows when one is used up."""

from __future__ import annotations

import math
from dataclasses import dataclass

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True)
class DataPlan:
    """``bucket`` bytes (0: all) for ``price_usd``, which expire after ``valid_days``.

    What goes beyond a bucket costs ``overage`` USD a byte; or is throttled to ``throttle_bps`` until the bucket
    expires; or, with neither, another bucket is bought. Raises ValueError where both are given.
    """

    bucket: int
    price_usd: float
    valid_days: int = 30
    overage: float | None = None
    throttle_bps: int = 0

    def __post_init__(self) -> None:
        if self.overage is not None and self.throttle_bps:
            raise ValueError("a plan either charges for what goes beyond its bucket or throttles it")
        if self.bucket < 0 or self.valid_days < 1:
            raise ValueError("a bucket has 0 bytes (no limit) or more, and lasts a day or longer")

    def carried(self, wanted: int) -> int:
        """Return what one validity lets through of bytes that are wanted evenly over it."""
        if not self.throttle_bps or not self.bucket or wanted <= self.bucket:
            return wanted
        period_ns = self.valid_days * DAY_NS
        left_ns = period_ns - period_ns * self.bucket // wanted
        return min(wanted, self.bucket + self.throttle_bps * left_ns // (8 * 10**9))

    def charge(self, used: int) -> float:
        """Return what one validity costs in USD, of which this many bytes were used."""
        if not self.bucket or self.throttle_bps:
            return self.price_usd
        if self.overage is not None:
            return self.price_usd + max(used - self.bucket, 0) * self.overage
        return self.price_usd * max(math.ceil(used / self.bucket), 1)

    def bill(self, per_day: float, days: int) -> float:
        """Return what so many days of so many bytes each cost: a bucket that expires is bought anew."""
        total, left = 0.0, days
        while left > 0:
            span = min(left, self.valid_days)
            total += self.charge(self.carried(round(per_day * span)))
            left -= span
        return total
