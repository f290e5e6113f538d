"""A dish's own view of a run: whether it answers, since when it is up, its outages; pure, its time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from testbed.dish import obstructions
from testbed.dish.sky import Darkness, Pings, Sky
from testbed.model.dish import Dish, DishFault

S = 10**9
RING_S = 900
BEFORE_S = 86_400
"""How long the dish has been up when a lab is: a day, so that a restart shows."""
TOLD_AFTER_NS = S // 10
"""An outage that is shorter is told by nobody: an assumption."""
_CAUSES = {"no-downlink": "NO_DOWNLINK", "no-pings": "NO_PINGS", "no-sats": "NO_SATS"}
_CAUSES |= {"no-schedule": "NO_SCHEDULE", "obstructed": "OBSTRUCTED"}


class DishOutage(NamedTuple):
    """An outage as the dish tells it, in ns since the run's start; ``end_ns`` None: it goes on."""

    start_ns: int
    end_ns: int | None
    cause: str

    def during(self, t_ns: int) -> bool:
        """Whether it is going on."""
        return self.start_ns <= t_ns and (self.end_ns is None or t_ns < self.end_ns)


@dataclass(frozen=True)
class Restart:
    """A reboot: the API is away from ``at_ns`` until ``answers_ns``, the sky until ``end_ns``."""

    at_ns: int
    answers_ns: int
    end_ns: int


@dataclass
class Terminal:
    """What the dish of a link knows at ``t_ns``, in ns since the run's start (negative: before it).

    ``restarts`` are the scenario's; ``restart`` and ``stow`` are orders of whoever asks the dish.
    """

    sky: Sky
    dish: Dish
    restarts: list[Restart] = field(default_factory=list)
    stowed: list[tuple[int, int | None]] = field(default_factory=list)
    cleared_ns: int = -BEFORE_S * S
    """When the map of obstructions was thrown away last."""

    def restart(self, t_ns: int) -> Restart:
        """Restart now; return when it is over."""
        begun = Restart(t_ns, t_ns + self.dish.boot // 3, t_ns + self.dish.boot)
        self.restarts.append(begun)
        return begun

    def stow(self, t_ns: int, unstow: bool) -> bool:
        """Fold the dish, or unfold it; return whether that changes anything."""
        now = bool(self.stowed) and self.stowed[-1][1] is None
        if now != unstow:
            return False
        if unstow:
            self.stowed[-1] = (self.stowed[-1][0], t_ns)
        else:
            self.stowed.append((t_ns, None))
        return True

    @property
    def is_stowed(self) -> bool:
        """Whether it has been told to stow and not to unstow."""
        return bool(self.stowed) and self.stowed[-1][1] is None

    def answers(self, t_ns: int) -> bool:
        """Whether its API is up."""
        return not any(r.at_ns <= t_ns < r.answers_ns for r in self.restarts)

    def next_change(self, t_ns: int) -> int | None:
        """Return when its API goes or comes next; None: it stays."""
        edges = [edge for r in self.restarts for edge in (r.at_ns, r.answers_ns) if edge > t_ns]
        return min(edges, default=None)

    def up_since(self, t_ns: int) -> int:
        """Return when its power came last."""
        return max((r.at_ns for r in self.restarts if r.at_ns <= t_ns), default=-BEFORE_S * S)

    def boots(self, t_ns: int) -> int:
        """Return how often it has restarted."""
        return sum(r.at_ns <= t_ns for r in self.restarts)

    def fault(self, t_ns: int) -> DishFault | None:
        """Return what is wrong with its answers."""
        return next((fault for fault in self.dish.faults if fault.at <= t_ns < fault.end_ns), None)

    def pings(self, begin_ns: int, end_ns: int) -> Pings:
        """Return what became of its pings; without a sky none comes back."""
        orders = [(r.at_ns, r.end_ns) for r in self.restarts] + self.stowed
        if any(begin < end_ns and (end is None or begin_ns < end) for begin, end in orders):
            lasting = [(begin, end_ns if end is None else min(end, end_ns)) for begin, end in orders]
            gone = sum(max(0, end - max(begin, begin_ns)) for begin, end in lasting)
            seen = self.sky.pings(begin_ns, end_ns)
            share = max(0.0, 1 - gone / (end_ns - begin_ns))
            return Pings(max(seen.drop, 1 - share), seen.latency_ms if share > 0 else None)
        return self.sky.pings(begin_ns, end_ns)

    def outage(self, t_ns: int) -> DishOutage | None:
        """Return the outage that is going on."""
        lasting = [o for o in self._all() if o.during(t_ns) and t_ns - o.start_ns >= TOLD_AFTER_NS]
        return lasting[0] if lasting else None

    def outages(self, t_ns: int) -> Iterator[DishOutage]:
        """Yield those that began in the last 900 s and since it was switched on, in order of time; all are over."""
        since = max(self.up_since(t_ns), t_ns - RING_S * S)
        for outage in sorted(self._all(), key=lambda outage: outage.start_ns):
            if since <= outage.start_ns and outage.end_ns is not None and outage.end_ns <= t_ns:
                yield outage

    def obstructed_ns(self, t_ns: int) -> int:
        """Return how long something has stood before the sky since it was switched on."""
        mine = [
            o for o in self._all() if o.cause == "OBSTRUCTED" and self.up_since(t_ns) <= o.start_ns < t_ns
        ]
        return sum(min(o.end_ns or t_ns, t_ns) - o.start_ns for o in mine)

    def sky_map(self, t_ns: int) -> list[float]:
        """Return what it knows of the sky, cell by cell (see testbed.dish.obstructions)."""
        since_ns = max(self.up_since(t_ns), self.cleared_ns)
        blocked = [o for o in self._all() if o.cause == "OBSTRUCTED"]

        def obstructed(second: int) -> bool:
            begin, end = second * S, (second + 1) * S
            return any(o.start_ns < min(end, t_ns) and (o.end_ns is None or begin < o.end_ns) for o in blocked)

        known = since_ns == -BEFORE_S * S
        first = 0 if known else -(-since_ns // S)
        return obstructions.drawn(range(first, max(t_ns, 0) // S), obstructed, known)

    def _all(self) -> Iterator[DishOutage]:
        for restart in self.restarts:
            yield DishOutage(restart.at_ns, restart.end_ns, "BOOTING")
        for begin_ns, end_ns in self.stowed:
            yield DishOutage(begin_ns, end_ns, "STOWED")
        for dark in _outside(self.sky.darkness, self.restarts):
            if dark.end_ns - dark.start_ns >= TOLD_AFTER_NS:
                cause = _CAUSES[self.dish.outages] if dark.cut else "NO_PINGS"
                yield DishOutage(dark.start_ns, dark.end_ns, cause)


def _outside(darkness: Iterable[Darkness], restarts: Iterable[Restart]) -> Iterator[Darkness]:
    """Yield what of the darkness no restart accounts for."""
    restarts = tuple(restarts)
    for dark in darkness:
        parts = [dark]
        for r in restarts:
            parts = [piece for part in parts for piece in _without(part, r)]
        yield from parts


def _without(dark: Darkness, restart: Restart) -> Iterator[Darkness]:
    if restart.end_ns <= dark.start_ns or dark.end_ns <= restart.at_ns:
        yield dark
        return
    if dark.start_ns < restart.at_ns:
        yield dark._replace(end_ns=restart.at_ns)
    if restart.end_ns < dark.end_ns:
        yield dark._replace(start_ns=restart.end_ns)
