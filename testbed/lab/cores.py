"""A processor core for the link engine alone, so that nothing of a run can delay its packets.

The engine spins while packets are in flight: an idle virtual processor wakes late. It gets a core of
its own, reserved among all runs of this host, and everything else of the run stays on the others.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCKS = Path("/run/lock")


@contextmanager
def reserved(locks: Path = LOCKS) -> Iterator[int | None]:
    """Reserve a core while the context lasts; None where other runs hold all but the first one.

    The kernel drops the lock with the process, however that ends.
    """
    for core in sorted(os.sched_getaffinity(0), reverse=True)[:-1]:
        with (locks / f"testbed-core-{core}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield core
            return
    yield None


def dedicate(core: int, engine: str = "linkd", proc: Path = Path("/proc")) -> None:
    """Give a core to the packet thread of ``engine`` (it has real-time priority), and the others to all else.

    Call it in the run's sandbox, where no other process can be seen, when bring-up is over: until
    then the core is better used by whoever has work. What starts later inherits its parent's cores.
    """
    others = os.sched_getaffinity(0) - {core}
    for task in proc.glob("[0-9]*/task/[0-9]*"):
        with suppress(ProcessLookupError, FileNotFoundError):  # it ended meanwhile
            thread = int(task.name)
            mine = (task / "comm").read_text().strip() == engine and os.sched_getscheduler(
                thread
            ) == os.SCHED_FIFO
            os.sched_setaffinity(thread, {core} if mine else others)
