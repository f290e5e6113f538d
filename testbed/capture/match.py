"""Which packets came into a link and never left it: entrance and exit matched by the packets' own bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

SLACK_NS = 20_000_000
Key = Hashable
"""What tells a packet from others: the bytes that were kept of it, and its length."""


@dataclass
class Crossing:
    """One direction of a link, told packet by packet in the order of time.

    A link changes no byte and keeps the order: what came in before a packet that has come out, and has not come out
    itself, is lost; SLACK_NS before it, as two processors may hand a link packets in another order than they noted
    them in. Of packets that are alike the one is taken that took nearest to what the last one took.
    ``longest_ns`` is the longest time a packet took; ``strangers`` came out and had not been seen to come in.
    """

    longest_ns: int = 0
    strangers: int = 0
    _waiting: dict[Key, deque[tuple[int, int]]] = field(default_factory=dict)
    _order: deque[tuple[int, int, Key]] = field(default_factory=deque)
    _took_ns: int | None = None

    def enter(self, number: int, t_ns: int, key: Key) -> None:
        """A packet comes in; ``number`` is its own, and grows."""
        self._waiting.setdefault(key, deque()).append((number, t_ns))
        self._order.append((number, t_ns, key))

    def leave(self, t_ns: int, key: Key) -> Iterator[int]:
        """A packet comes out; yield the numbers of those that came in before it and were lost.

        A packet that takes long is no loss until one behind it has come out.
        """
        alike = self._waiting.get(key)
        if not alike:
            self.strangers += 1
            return
        which = self._nearest(alike, t_ns)
        number, entered_ns = alike[which]
        del alike[which]
        if not alike:
            del self._waiting[key]
        self._took_ns = t_ns - entered_ns
        self.longest_ns = max(self.longest_ns, self._took_ns)
        yield from self._lost_before(entered_ns - SLACK_NS)

    def end(self, t_ns: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the numbers of the others: lost, and perhaps still on the link when the capture ended at ``t_ns``."""
        left: list[tuple[int, int]] = sorted(each for alike in self._waiting.values() for each in alike)
        spare_ns = self.longest_ns + max(self.longest_ns // 2, 100_000_000)
        lost = tuple(number for number, entered_ns in left if t_ns - entered_ns > spare_ns)
        return lost, tuple(number for number, entered_ns in left if t_ns - entered_ns <= spare_ns)

    def _nearest(self, alike: deque[tuple[int, int]], t_ns: int) -> int:
        if len(alike) == 1 or self._took_ns is None:
            return 0
        took_ns = self._took_ns
        return min(range(len(alike)), key=lambda which: abs(t_ns - alike[which][1] - took_ns))

    def _lost_before(self, entered_ns: int) -> Iterator[int]:
        while self._order and self._order[0][1] < entered_ns:
            lost, _, key = self._order.popleft()
            alike = self._waiting.get(key)
            if alike and alike[0][0] == lost:
                alike.popleft()
                if not alike:
                    del self._waiting[key]
                yield lost
