"""A lab host's worker, and what it does with a job that it gets: unpack, play, send the whole result back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from testbed.campaign import bundle, player
from testbed.campaign.player import Assignment, Stopped
from testbed.campaign.wire import Wire, quiet
from testbed.errors import HostError

_SCRATCH = "testbed-worker-"
_LOCK = "testbed-bench-"


def play(assignment: bytes, packed: bytes, command: Sequence[str]) -> tuple[str, str, bytes]:
    """Play a job on this worker; return its host's name, why the run died (or nothing), and the packed result.

    Only plain data goes to and fro. Raises Stopped when nobody waits for it any more, PlayerLost.
    """
    from distributed import get_worker

    worker = get_worker()
    key, job = worker.get_current_task(), msgspec.json.decode(assignment, type=Assignment)

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state != "cancelled" and str(worker.status.name) == "running"

    with tempfile.TemporaryDirectory(prefix="run-", dir=worker.local_directory) as scratch:
        folder = Path(scratch) / job.name
        bundle.unpack(packed, folder)
        with _sole(job.place, wanted):
            died = player.played(job, folder, wanted, command)
        return socket.gethostname(), died, bundle.pack(folder)


@contextmanager
def _sole(place: str, wanted: Callable[[], bool]) -> Iterator[None]:
    """Have a bench to oneself among all hosts: the scheduler holds the lock, and frees it when this worker is dead."""
    if not place:
        yield
        return
    from distributed import Lock

    lock = Lock(f"{_LOCK}{place}")
    while not lock.acquire(timeout=1):
        if not wanted():
            raise Stopped
    try:
        yield
    finally:
        lock.release()


def work(wire: Wire, has: Mapping[str, float], places: int, tell: Callable[[str], None]) -> None:
    """Be a worker until the scheduler is gone or a signal ends it. Raises HostError where there is no scheduler."""
    with quiet():
        asyncio.run(_work(wire, has, places, tell))


async def _work(wire: Wire, has: Mapping[str, float], places: int, tell: Callable[[str], None]) -> None:
    from distributed import Worker

    with scratch() as folder:
        worker = Worker(
            str(wire),
            nthreads=places,
            name=f"{socket.gethostname()}-{os.getpid()}",
            resources=dict(has),
            security=wire.security(),
            host=None if wire.tls else wire.host,
            dashboard_address="127.0.0.1:0",
            local_directory=str(folder),
            memory_limit=0,
            death_timeout=30,
        )
        try:
            await worker
        except (OSError, TimeoutError) as error:
            raise HostError(f"no scheduler answers at {wire}; start one there: testbed scheduler") from error
        tell(f"worker {worker.name} of {wire}: {places} at once in virtual time, one in real time")
        await _until_over(worker, tell)


def schedule(wire: Wire, tell: Callable[[str], None]) -> None:
    """Be the scheduler until a signal ends it. Raises HostError where the address is taken."""
    with quiet():
        asyncio.run(_schedule(wire, tell))


async def _schedule(wire: Wire, tell: Callable[[str], None]) -> None:
    from distributed import Scheduler

    scheduler = Scheduler(
        host=wire.host,
        port=wire.port,
        protocol=wire.scheme,
        security=wire.security(),
        dashboard=False,
        dashboard_address="127.0.0.1:0",
    )
    try:
        await scheduler
    except OSError as error:
        raise HostError(f"{wire} cannot be listened at: {error}") from error
    tell(f"scheduler at {scheduler.address}")
    await _until_over(scheduler, tell)


async def _until_over(server: Any, tell: Callable[[str], None]) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    ends = {asyncio.create_task(over.wait()), asyncio.create_task(server.finished())}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    tell("ends" if over.is_set() else "ends: the scheduler is gone")
    await server.close()


@contextmanager
def scratch() -> Iterator[Path]:
    """Have a folder for runs; those of workers that were killed are removed first."""
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_SCRATCH}*"):
        owner = left.name.removeprefix(_SCRATCH).partition("-")[0]
        if not Path("/proc", owner).exists():
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-", ignore_cleanup_errors=True) as name:
        yield Path(name)
