"""The dish's rings: 900 seconds of its pings and its throughput, the newest at (current - 1) mod 900."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from testbed.dish.terminal import RING_S

RINGS = ("pop_ping_drop_rate", "pop_ping_latency_ms", "downlink_throughput_bps", "uplink_throughput_bps")


@dataclass(frozen=True)
class DishSecond:
    """What a second was like: drop rate (0 to 1), latency in ms (0: no ping came back), throughput in bit/s."""

    drop: float
    latency_ms: float
    down_bps: float
    up_bps: float


@dataclass
class Rings:
    """The rings since the dish was switched on; ``current`` counts the seconds."""

    current: int = 0
    _seconds: list[DishSecond] = field(default_factory=lambda: [DishSecond(0, 0, 0, 0)] * RING_S)

    def add(self, second: DishSecond) -> None:
        """Take a second in."""
        self._seconds[self.current % RING_S] = second
        self.current += 1

    def kept(self) -> Rings:
        """Return them as they are now."""
        return Rings(self.current, list(self._seconds))

    def columns(self) -> Iterator[tuple[str, list[float]]]:
        """Yield each ring by its field's name."""
        yield RINGS[0], [second.drop for second in self._seconds]
        yield RINGS[1], [second.latency_ms for second in self._seconds]
        yield RINGS[2], [second.down_bps for second in self._seconds]
        yield RINGS[3], [second.up_bps for second in self._seconds]
