"""A lab host's worker, and what it does with a job that it gets: unpack, play, send the whole result back."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from testbed.campaign import bench_locks, bundle, player
from testbed.campaign.bench_locks import BenchHolder
from testbed.campaign.player import Assignment, Stopped
from testbed.campaign.wire import Wire, quiet
from testbed.errors import HostError

TOPIC = "testbed-waits"
"""Under which a worker tells what a run waits for: its task's key, and a sentence."""
_SCRATCH = "testbed-worker-"
_LOOK_S = 0.5


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

    def tell(said: str) -> None:
        worker.log_event(TOPIC, {"key": key, "said": f"run {job.name} on {worker.name}: {said}"})

    with tempfile.TemporaryDirectory(prefix="run-", dir=worker.local_directory) as scratch:
        folder = Path(scratch) / job.name
        bundle.unpack(packed, folder)
        mine = BenchHolder(job.place, str(worker.name), str(worker.address), str(key), job.what, time.time_ns())
        with _sole(mine, wanted, tell):
            died = player.played(job, folder, wanted, command, tell)
        return socket.gethostname(), died, bundle.pack(folder)


@contextmanager
def _sole(mine: BenchHolder, wanted: Callable[[], bool], tell: Callable[[str], None]) -> Iterator[None]:
    """Have a bench to oneself among all hosts; of the virtual one there are enough."""
    if not mine.place:
        yield
        return
    from distributed import get_client

    client, told = get_client(), ""
    while True:
        mine = replace(mine, since_ns=time.time_ns())
        holder = BenchHolder(**client.sync(client.scheduler.bench_take, wanted=asdict(mine)))
        if (holder.address, holder.key) == (mine.address, mine.key):
            break
        if told != (told := f"bench {holder.bench} is in use by {holder}; waiting for it"):
            tell(told)
        if not wanted():
            raise Stopped
        time.sleep(_LOOK_S)
    try:
        yield
    finally:
        with suppress(OSError):  # a scheduler that is gone has no locks any more
            client.sync(client.scheduler.bench_give_back, holder=asdict(mine))


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
    bench_locks.install(scheduler)
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
