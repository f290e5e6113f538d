"""The processors' time for what keeps time: the link engine's packets, the heartbeat that measures them, the hub.

On a busy core a packet waits for milliseconds until its process runs. So a run goes before what else the host does,
reserves one core among all runs of this host, and when bring-up is over everything else of the run leaves it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCKS = Path("/run/lock")
ENGINE = "linkd"
HEARTBEAT = ("irtt", "anchor")
TUNNELS = ("wireguard-go", "bfdd")
"""What carries the heartbeat through tunnels and watches them; starved, it takes the hub for cut off."""
LEAST_NICE = -20
"""What the engine asks for together with real-time priority, and keeps while it waits for more of that."""
NICE = -10
"""What all of a run has at least: nine times the share of the host's ordinary programs, one by one."""


@contextmanager
def reserved(locks: Path = LOCKS) -> Iterator[int | None]:
    """Reserve a core while the context lasts; None where other runs hold all but the first one.

    The kernel drops the lock with the process, however that ends.
    """
    locks.mkdir(parents=True, exist_ok=True)
    for core in sorted(os.sched_getaffinity(0), reverse=True)[:-1]:
        with (locks / f"testbed-core-{core}").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield core
            return
    yield None


def prefer(proc: Path = Path("/proc")) -> None:
    """Let all of a sandbox go before what else the host does.

    Call it in the run's sandbox, where no other process can be seen. Where the kernel weighs sessions, each a group
    of its own (autogroup, see sched(7)), the nice value of a process counts inside of its session alone: so sessions
    get it too. What starts later inherits it, except in a session of its own.
    """
    for group in proc.glob("[0-9]*/autogroup"):
        with suppress(OSError):  # it ended meanwhile; or may not, in a container
            group.write_text(str(NICE))
    for task in proc.glob("[0-9]*/task/[0-9]*"):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpriority(os.PRIO_PROCESS, int(task.name)) > NICE:
                os.setpriority(os.PRIO_PROCESS, int(task.name), NICE)


def dedicate(core: int, proc: Path = Path("/proc")) -> None:
    """Leave ``core`` to the engine and the heartbeat, the other cores to all other processes of the sandbox.

    Call it in the run's sandbox, where no other process can be seen. What starts later inherits its
    parent's cores. The engine has real-time priority and sleeps between packets, so that the heartbeat
    has the core for itself then; where the engine may not have that priority, nothing is moved.
    """
    tasks = [(task, _comm(task)) for task in proc.glob("[0-9]*/task/[0-9]*")]
    engine = {int(task.name) for task, comm in tasks if comm == ENGINE and _real_time(int(task.name))}
    others = os.sched_getaffinity(0) - {core}
    for task, comm in tasks if engine else ():
        timely = int(task.name) in engine or comm in (*HEARTBEAT, *TUNNELS)
        with suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(int(task.name), {core} if timely else others)


def ticks(stat: Path = Path("/proc/stat")) -> tuple[int, int]:
    """Return the clock ticks that the hypervisor took from all processors since boot, and all ticks; see proc(5)."""
    counts = [int(word) for word in stat.read_text().split("\n", 1)[0].split()[1:9]]
    return counts[7], sum(counts)


def stolen_share(since: tuple[int, int]) -> float:
    """Return the share of all processors' time that the hypervisor took since these ticks, from 0 to 1."""
    stolen, passed = (now - then for then, now in zip(since, ticks(), strict=True))
    return stolen / max(passed, 1)


def _comm(task: Path) -> str:
    with suppress(OSError):
        return (task / "comm").read_text().strip()
    return ""


def _real_time(thread: int) -> bool:
    with suppress(ProcessLookupError):
        return os.getpriority(os.PRIO_PROCESS, thread) == LEAST_NICE
    return False
