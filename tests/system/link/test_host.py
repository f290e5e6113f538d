"""What the engine asks of its host, and how it leaves it: interfaces of other kinds, permissions, the clock, memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from testbed.link import pair
from testbed.link.backend import LinkSpec
from testbed.link.native import NativeBackend, Spawn
from testbed.model.link import Direction, LinkSchedule

MS = 10**6
DELAY = LinkSchedule.constant(delay_ns=5 * MS)
TAPS = """
import fcntl, os, select, struct, time
def tap(name):
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH", name, 0x1002))
    return fd
near, far = tap(b"t0"), tap(b"t1")
print(flush=True)
delays, head = [], bytes.fromhex("020000000002" "020000000001" "88b5")
while len(delays) < 20:
    try:
        os.write(near, head + struct.pack("<q", time.monotonic_ns()) + bytes(50))
    except OSError:
        pass  # the interface is still down
    while select.select([far], [], [], 0.02)[0]:
        frame = os.read(far, 2048)
        if frame[:14] == head:
            delays.append(time.monotonic_ns() - struct.unpack_from("<q", frame, 14)[0])
print(min(delays), flush=True)
select.select([], [], [], 60)
"""
STEPPED_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);

	if (!real)
		real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	int failed = real(clock, t);

	if (clock == CLOCK_REALTIME && !access(getenv("STEPPED"), F_OK))
		t->tv_sec += 100;
	return failed;
}
"""


def rtts(lab: pair.Pair) -> list[float]:
    out = lab.left.run("ping", "-c", "20", "-i", "0.02", "-W", "1", "10.0.0.2")
    return [float(x) for x in re.findall(r"time=([\d.]+)", out)]


def wrapped(*wrapper: str):  # type: ignore[no-untyped-def]
    """Return the maker of a back end whose linkd is started by another command."""

    def make(folder: Path, spawn: object) -> NativeBackend:
        return NativeBackend(folder, lambda argv: spawn([*wrapper, *argv]))  # type: ignore[operator]

    return make


def test_taps_are_joined_and_given_back(tmp_path: Path) -> None:
    """Frames go from one tap to another with the link's delay; afterwards both are down, as they were."""
    with ExitStack() as stack:
        middle = stack.enter_context(pair.host())
        user = middle.spawn([sys.executable, "-c", TAPS])
        stack.callback(user.kill)
        assert user.stdout is not None
        user.stdout.readline()
        backend = NativeBackend(tmp_path, middle.spawn)
        backend.open([LinkSpec("taps", "t0", "t1", DELAY, DELAY)])
        assert int(user.stdout.readline()) >= 5 * MS
        assert "UP" in middle.run("ip", "-br", "link", "show", "t0").split("<")[1]
        certificate = backend.close()

        assert "AF_PACKET" == certificate.sending
        assert () == certificate.faults
        for name in ("t0", "t1"):
            assert "UP" not in middle.run("ip", "-br", "link", "show", name).split("<")[1]


def test_an_interface_is_given_back_as_it_was(tmp_path: Path) -> None:
    """GRO, IPv6 and the interface's state are the link's own while it runs, and then the user's again."""
    with pair.host() as outside, pair.host() as middle:
        for end, name in ((outside, "l0"), (outside, "r0")):
            pair._plug(end, f"far-{name}", middle, name)
            middle.run("ethtool", "-K", name, "gro", "on")
            middle.run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=0")
        middle.run("ip", "link", "set", "l0", "up")

        def state(name: str) -> tuple[bool, bool, bool]:
            gro = "generic-receive-offload: on" in middle.run("ethtool", "-k", name)
            ipv6 = "0" == middle.run("sysctl", "-n", f"net.ipv6.conf.{name}.disable_ipv6").strip()
            return gro, ipv6, "UP" in middle.run("ip", "-o", "link", "show", name).split(">")[0].split(",")

        backend = NativeBackend(tmp_path, middle.spawn)
        backend.open([pair.spec(up=DELAY, down=DELAY)])
        assert [(False, False, True)] * 2 == [state("l0"), state("r0")]
        backend.close()
        assert [(True, True, True), (True, True, False)] == [state("l0"), state("r0")]


def test_without_permission_for_real_time_it_works_and_says_so() -> None:
    """Without CAP_SYS_NICE packets are delayed all the same, and the certificate names the scheduling."""
    less = ("setpriv", "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice")
    with pair.emulated([pair.spec(up=DELAY, down=DELAY)], wrapped(*less)) as lab:
        lab.backend.start(time.time_ns())
        assert min(rtts(lab)) >= 10
        certificate = lab.backend.close()

    assert "fair" == certificate.scheduling
    assert certificate.waking in ("spins while packets are inside", "sleeps")
    assert () == certificate.faults


def test_a_busy_engine_is_an_ordinary_thread_at_times() -> None:
    """RT throttling would take 50 ms of each second from a thread that never sleeps: it takes turns."""
    queued = LinkSchedule.constant(rate_bps=20_000_000)  # a frame of 98 bytes each 39 us: it spins from one to the next
    with pair.emulated([pair.spec(up=queued, down=LinkSchedule.constant())]) as lab:
        threads = [int(task.name) for task in Path(f"/proc/{lab.backend.pid}/task").iterdir()]
        lab.backend.start(time.time_ns())
        flood = lab.left.spawn(["ping", "-q", "-f", "-l", "1000", "-w", "60", "10.0.0.2"])
        seen: list[bool] = []
        while flood.poll() is None and [True, False, True] != seen[-3:]:
            real_time = any(os.SCHED_FIFO == os.sched_getscheduler(thread) for thread in threads)
            seen += [real_time] if [real_time] != seen[-1:] else []
        flood.kill()
        flood.wait()
        certificate = lab.backend.close()

    if True not in seen and "SCHED_FIFO" != certificate.scheduling:
        pytest.skip("real-time scheduling is not permitted here")
    assert [True, False, True] == seen[-3:]
    assert "SCHED_FIFO" == certificate.scheduling


@pytest.fixture
def stepped(tmp_path: Path) -> Sequence[str]:
    """A command whose program sees a CLOCK_REALTIME 100 s ahead as soon as the file `stepped` is there."""
    source, library = tmp_path / "clock.c", tmp_path / "clock.so"
    source.write_text(STEPPED_CLOCK)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=60)
    return "env", f"LD_PRELOAD={library}", f"STEPPED={tmp_path / 'stepped'}"


def test_a_frame_too_large_for_its_exit_is_lost_and_counted() -> None:
    """From an MTU of 9000 to one of 1500 it has no way; the frames around it go on, and the engine too."""
    with pair.emulated([pair.spec(up=DELAY, down=DELAY)], jumbo) as lab:
        lab.left.run("ip", "link", "set", "e0", "mtu", "9000")
        lab.backend.start(time.time_ns())
        large = lab.left.spawn(
            ["ping", "-q", "-M", "do", "-s", "8000", "-c", "50", "-i", "0.01", "-W", "1", "10.0.0.2"]
        )
        assert min(rtts(lab)) >= 10
        large.communicate(timeout=60)
        certificate = lab.backend.close()

    assert () == certificate.faults
    assert {"send_failed": 50} == certificate.directions[0].causes


def jumbo(folder: Path, spawn: Spawn) -> NativeBackend:
    """Make the left end's MTU 9000, and the middle's towards it."""
    assert 0 == spawn(["ip", "link", "set", "l0", "mtu", "9000"]).wait()
    return NativeBackend(folder, spawn)


def test_a_stepped_wall_clock_moves_nothing(stepped: Sequence[str], tmp_path: Path) -> None:
    """Delays and the schedule go on when CLOCK_REALTIME jumps by 100 s; the certificate tells of the step."""
    twice = LinkSchedule.constant(delay_ns=10 * MS)
    with pair.emulated([pair.spec(up=twice, down=twice)], wrapped(*stepped)) as lab:
        lab.backend.start(time.time_ns())
        assert 20 <= min(rtts(lab)) < 40
        (tmp_path / "stepped").touch()
        after = rtts(lab)
        certificate = lab.backend.close()

    assert 20 == len(after)
    assert 20 <= min(after) < 40
    assert (1, 100 * 10**9) == (certificate.clock_steps, round(certificate.clock_step_max_ns, -8))
    assert certificate.clock_doubts >= 20
    assert 0 == sum(d.unasked_losses for d in certificate.directions)


def test_memory_does_not_grow_with_traffic() -> None:
    """After what is in flight at once has been seen once, another 10,000 packets need no more memory."""
    with pair.emulated([pair.spec(up=DELAY, down=DELAY)]) as lab:
        lab.backend.start(time.time_ns())
        resident = []
        for _ in range(3):
            lab.left.run("ping", "-q", "-f", "-l", "100", "-c", "5000", "-s", "1400", "10.0.0.2")
            status = Path(f"/proc/{lab.backend.pid}/status").read_text()
            resident.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]))
        assert 14000 <= lab.backend.read()["link0", Direction.UP].packets_out

    assert resident[2] - resident[0] < 1024
