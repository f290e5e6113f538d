"""The physics of a link, slowly and obviously: exact fractions, one packet after the other.

Shares nothing with the engine but the meaning of its inputs; the draws of chance are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from testbed.model.link import LinkSchedule, LinkState

BIT_NS = 10**9  # a bit takes BIT_NS / rate_bps nanoseconds


@dataclass
class SlowLink:
    """One direction that started at time 0; `send` in order of time, the outcome is final at once."""

    schedule: LinkSchedule
    horizon: int  # what takes longer than this is stuck
    lost: frozenset[int] = frozenset()
    busy_until: Fraction = Fraction(0)
    last_departure: int = -1
    waiting: list[tuple[Fraction, int]] = field(default_factory=list)  # (end of service, size)
    number: int = 0

    def segment(self, t: int) -> int:
        """Return the index of the segment at time t."""
        s = self.schedule
        t = t % s.end_ns if s.repeat else t
        return max(i for i in range(len(s.t_ns)) if s.t_ns[i] <= t)

    def segment_end(self, t: int) -> int | None:
        """Return the first time after t that belongs to another segment or repetition."""
        s, i = self.schedule, self.segment(t)
        lap = t - t % s.end_ns if s.repeat else 0
        if i + 1 < len(s.t_ns):
            return lap + int(s.t_ns[i + 1])
        return lap + s.end_ns if s.repeat else None

    def delay(self, t: int) -> int:
        """Return the one-way delay of a packet that leaves the server at t."""
        s, i = self.schedule, self.segment(t)
        last = i + 1 == len(s.t_ns)
        if not s.interpolate or (last and not s.repeat):
            return int(s.delay_ns[i])
        start, end = int(s.t_ns[i]), s.end_ns if last else int(s.t_ns[i + 1])
        there = Fraction((t % s.end_ns if s.repeat else t) - start, end - start)
        a, b = int(s.delay_ns[i]), int(s.delay_ns[0 if last else i + 1])
        return int(a + (b - a) * there // 1) if b >= a else int((a * (1 - there) + b * there) // 1)

    def service(self, start: Fraction, size: int) -> Fraction | None:
        """Return when a packet that the server takes at `start` is through; None: not by the horizon."""
        t, left = start, Fraction(size * 8 * BIT_NS)
        while t <= self.horizon:
            i, end = self.segment(int(t)), self.segment_end(int(t))
            rate = int(self.schedule.rate_bps[i])
            if self.schedule.state[i] == LinkState.HOLD:
                if end is None:
                    return None
            elif rate == 0:
                return t
            elif end is None or t + left / rate <= end:
                return t + left / rate
            else:
                left -= rate * (end - t)
            t = Fraction(end)
        return None

    def send(self, t: int, size: int) -> int | str:
        """Return when the packet leaves, or what became of it: lost, cut, full, stuck."""
        s, i = self.schedule, self.segment(t)
        number, self.number = self.number, self.number + 1
        if s.state[i] == LinkState.CUT:
            return "cut"
        if number in self.lost:
            return "lost"
        inside = [(end, n) for end, n in self.waiting if end > t]
        queued = sum(n for _, n in inside) + size
        limit, rate = s.queue, int(s.rate_bps[i])
        if limit.bytes and queued > limit.bytes or limit.packets and len(inside) + 1 > limit.packets:
            return "full"
        if limit.time_ns and rate and queued * 8 * BIT_NS > rate * limit.time_ns:
            return "full"
        served = self.service(max(Fraction(t), self.busy_until), size)
        self.busy_until = Fraction(10**30) if served is None else served
        self.waiting = [*inside, (self.busy_until, size)]
        if served is None:
            return "stuck"
        left = ceil(served)
        self.last_departure = max(left + self.delay(left), self.last_departure)
        return self.last_departure if self.last_departure <= self.horizon else "stuck"
