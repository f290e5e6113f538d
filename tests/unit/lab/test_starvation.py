"""How long threads waited for a processor, by what the kernel says of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.lab.starvation import Starvation, Wait

MS = 10**6
AZURITE = 7


class Kernel:
    """What a kernel would say of one thread, look by look, each 500 ms after the one before."""

    def __init__(self, proc: Path) -> None:
        self._process = proc / str(AZURITE)
        self._task = self._process / "task" / str(AZURITE)
        self._task.mkdir(parents=True)
        (self._process / "cmdline").write_text("node\0azurite\0")
        (self._process / "comm").write_text("node\n")
        (proc / "meminfo").touch()
        self.starvation, self._t_ns, self._ran_ns, self._waited_ns = Starvation(proc), 0, 0, 0
        self.then(0, 0)

    def then(self, ran_ms: int, waited_ms: int) -> Wait | None:
        """Look again; return the longest wait so far."""
        self._t_ns += 500 * MS
        self._ran_ns += ran_ms * MS
        self._waited_ns += waited_ms * MS
        (self._task / "schedstat").write_text(f"{self._ran_ns} {self._waited_ns} 12\n")
        self.starvation.look(self._t_ns)
        return self.starvation.longest


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_waits_without_a_pause_add_up(kernel: Kernel) -> None:
    kernel.then(100, 400)

    assert Wait("node", 850 * MS, 1500 * MS) == kernel.then(50, 450)


def test_a_pause_between_them_ends_a_row(kernel: Kernel) -> None:
    """Who sleeps has done its work: what it waited for before delays nothing that comes after."""
    kernel.then(100, 400)
    kernel.then(10, 200)

    assert Wait("node", 450 * MS, 2000 * MS) == kernel.then(50, 450)


def test_what_was_booked_late_ends_no_row(kernel: Kernel) -> None:
    """A wait that goes on during a look is seen at the next one."""
    kernel.then(100, 400)
    kernel.then(100, 300)

    assert Wait("node", 1150 * MS, 2000 * MS) == kernel.then(100, 450)


def test_many_short_waits_between_pauses_are_none(kernel: Kernel) -> None:
    found = [kernel.then(4, 280) for _ in range(10)]

    assert Wait("", 0, 1000 * MS) == found[-1]


def test_a_wait_longer_than_a_look_counts_whole(kernel: Kernel) -> None:
    """The kernel books a wait when it is over."""
    kernel.then(0, 0)
    kernel.then(0, 0)

    assert Wait("node", 1400 * MS, 2000 * MS) == kernel.then(20, 1400)


def test_work_alone_is_no_wait(kernel: Kernel) -> None:
    assert Wait("", 0, 1000 * MS) == kernel.then(500, 0)


@pytest.fixture
def rivals() -> Iterator[list[int]]:
    """Two programs that both want the same processor all the time."""
    core = min(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, {{{core}}}); print(flush=True)\nwhile True: pass"
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) for _ in range(2)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    yield [process.pid for process in started]
    for process in started:
        process.kill()
        process.communicate()


def test_the_kernel_tells_who_waits(rivals: list[int], tmp_path: Path) -> None:
    """Of two rivals on one processor each waits while the other runs."""
    if not Path("/proc/self/schedstat").exists():
        pytest.skip("this kernel keeps no account of waits (CONFIG_SCHED_INFO)")
    for pid in rivals:
        (tmp_path / str(pid)).symlink_to(f"/proc/{pid}")
    found = Starvation(tmp_path)

    for _ in range(60):
        found.look(time.time_ns())
        if found.longest is not None and found.longest.waited_ns > 0:
            break
        time.sleep(0.5)  # from one look to the next, as in a run

    assert found.longest is not None
    assert found.longest.name.startswith("python")
