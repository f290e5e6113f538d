"""Who has a bench among all hosts, as the scheduler keeps it."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

import pytest

from testbed.campaign.bench_locks import BenchHolder, BenchLocks, install
from testbed.campaign.wire import quiet

SINCE_NS = 1_800_000_000 * 10**9
FIRST = BenchHolder("shelf/east-00ff", "lab-1-345", "tls://10.0.0.1:4000", "run-1", "run 1 of smoke", SINCE_NS)
SECOND = replace(FIRST, worker="lab-2-78", address="tls://10.0.0.2:4000", key="run-2", what="run 2 of smoke")


def test_a_bench_is_had_by_one() -> None:
    """Whoever asks is told who has it; another bench is another one's."""
    locks, other = BenchLocks(), replace(SECOND, place="shelf/west-00ff")

    assert FIRST == locks.take(FIRST)
    assert FIRST == locks.take(SECOND)
    assert other == locks.take(other)
    assert [FIRST, other] == locks.holders()


def test_whoever_asks_twice_has_it() -> None:
    """An answer may have been lost; a second run of the same worker is another one."""
    locks, later = BenchLocks(), replace(FIRST, since_ns=FIRST.since_ns + 1)
    locks.take(FIRST)

    assert later == locks.take(later)
    assert later == locks.take(replace(FIRST, key="run-3"))


def test_only_its_holder_frees_it() -> None:
    """What another one gives back, which had it before, changes nothing."""
    locks = BenchLocks()
    locks.take(FIRST)

    locks.give_back(SECOND)
    assert [FIRST] == locks.holders()
    locks.give_back(FIRST)
    assert SECOND == locks.take(SECOND)


def test_a_dead_workers_benches_are_free() -> None:
    """All of them, and no other worker's."""
    locks, other = BenchLocks(), replace(SECOND, place="shelf/west-00ff")
    locks.take(FIRST)
    locks.take(replace(FIRST, place="box/-00ff"))
    locks.take(other)

    locks.forget(FIRST.address)
    assert [other] == locks.holders()


def test_a_holder_is_told_by_worker_time_and_run() -> None:
    """As people name the bench: without the hash of its file."""
    assert "shelf/east" == FIRST.bench
    assert "shelf" == replace(FIRST, place="shelf/-00ff").bench
    assert f"lab-1-345 since {FIRST.since} (run 1 of smoke)" == str(FIRST)


@pytest.mark.timeout(60)
def test_a_scheduler_frees_what_a_worker_had_that_is_gone() -> None:
    """By its own words, over its wire: who asks is told who has it; a worker that it has lost takes nothing more."""
    pytest.importorskip("distributed", reason="requirements-campaign.txt is not installed")
    with quiet():
        asyncio.run(_lose_a_worker())


async def _lose_a_worker() -> None:
    from distributed import Scheduler, Worker
    from distributed.core import rpc

    scheduler = Scheduler(host="127.0.0.1", port=0, protocol="tcp://", dashboard=False, dashboard_address="127.0.0.1:0")
    install(scheduler)
    async with scheduler, rpc(scheduler.address) as asked:
        workers = [
            await Worker(scheduler.address, name=name, nthreads=1, memory_limit=0, dashboard_address="127.0.0.1:0")
            for name in ("lab-1", "lab-2")
        ]
        first, second = (replace(FIRST, worker=str(w.name), address=str(w.address)) for w in workers)

        assert first == BenchHolder(**await asked.bench_take(wanted=asdict(first)))
        assert first == BenchHolder(**await asked.bench_take(wanted=asdict(second)))
        await workers[0].close()
        while first.address in scheduler.workers:  # it hears of that by the end of a connection
            await asyncio.sleep(0.01)
        assert not await asked.bench_holders()
        assert second == BenchHolder(**await asked.bench_take(wanted=asdict(second)))
        with pytest.raises(RuntimeError, match="does not know lab-1 any more"):
            await asked.bench_take(wanted=asdict(first))
        await asked.bench_give_back(holder=asdict(first))
        assert [asdict(second)] == list(await asked.bench_holders())
        await asked.bench_give_back(holder=asdict(second))
        assert not await asked.bench_holders()
        await workers[1].close()
