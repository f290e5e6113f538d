"""Who has a bench among all hosts of a crew: kept by the scheduler, for as long as it has the worker that took it.

So a bench is free at the moment when a lost run may be begun elsewhere, and not before.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class BenchHolder:
    """Who has a ``place``, the bench's hub as locks name it: the ``worker``, by its name and ``address``, its task's
    ``key``, ``what`` it plays, since when (CLOCK_REALTIME of its host)."""

    place: str
    worker: str
    address: str
    key: str
    what: str
    since_ns: int

    @property
    def bench(self) -> str:
        """The bench and its hub, for people: a place without its file's hash."""
        return self.place.rpartition("-")[0].removesuffix("/")

    @property
    def since(self) -> str:
        """Since when, for people here."""
        return f"{datetime.fromtimestamp(self.since_ns / 1e9).astimezone():%d %b %H:%M:%S}"

    def __str__(self) -> str:
        return f"{self.worker} since {self.since} ({self.what})"


class BenchLocks:
    """The locks; their handlers take and return plain mappings, as Dask's wire has them."""

    def __init__(self) -> None:
        self._held: dict[str, BenchHolder] = {}

    def take(self, wanted: BenchHolder) -> BenchHolder:
        """Return who has the place now: ``wanted`` itself, where nobody else had it."""
        holder = self._held.get(wanted.place)
        if holder is None or (holder.address, holder.key) == (wanted.address, wanted.key):
            self._held[wanted.place] = holder = wanted  # asked twice, where an answer was lost
        return holder

    def give_back(self, holder: BenchHolder) -> None:
        """Free a place, where this task of this worker has it."""
        if (mine := self._held.get(holder.place)) and (mine.address, mine.key) == (holder.address, holder.key):
            del self._held[holder.place]

    def forget(self, address: str) -> None:
        """Free all that a worker has, which is gone."""
        self._held = {place: holder for place, holder in self._held.items() if holder.address != address}

    def holders(self) -> list[BenchHolder]:
        """Return who has what, by place."""
        return [self._held[place] for place in sorted(self._held)]


def install(scheduler: Any) -> None:
    """Have a scheduler keep the locks of benches."""
    from distributed.diagnostics.plugin import SchedulerPlugin

    locks = BenchLocks()

    class Forgets(SchedulerPlugin):  # type: ignore[misc]  # Dask tells no types
        def remove_worker(self, scheduler: Any, worker: str, **_: Any) -> None:
            locks.forget(worker)

    def take(wanted: dict[str, Any]) -> dict[str, Any]:
        holder = BenchHolder(**wanted)
        if holder.address not in scheduler.workers:  # it was taken for dead, and its run was given to another
            raise RuntimeError(f"the scheduler does not know {holder.worker} any more")
        return asdict(locks.take(holder))

    def give_back(holder: dict[str, Any]) -> None:
        locks.give_back(BenchHolder(**holder))

    def holders() -> list[dict[str, Any]]:
        return [asdict(holder) for holder in locks.holders()]

    scheduler.add_plugin(Forgets())
    scheduler.handlers |= {"bench_take": take, "bench_give_back": give_back, "bench_holders": holders}
