"""A run in virtual time, where its kernel was built: valid on any host, and its links exact."""

from __future__ import annotations

import struct
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.compute as pc
import pytest

from testbed import paths
from testbed.lab import machine
from testbed.model.times import VIRTUAL
from testbed.result.record import State
from testbed.result.store import Result

PING = """\
# ping.yaml: what does a heartbeat over 30 ms each way measure?
topology: hub-two-uplinks
duration: 5 s
seed: 7
uplinks:
  starlink: {fixed: {delay: 30 ms, rate: 100 Mbit/s}}
  lte: {fixed: {delay: 30 ms, rate: 100 Mbit/s}}
hub: {failover: none, cache: off}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
objectives:
  - {metric: interruption, of: heartbeat, at_most: 50 ms}
"""
HOLDER = """\
import signal
from testbed.lab import machine

with machine.own_folder() as folder:
    (folder / "out").mkdir()
    print(folder, flush=True)
    signal.pause()
"""
WAITS_BY_RDTSC = """\
#include <stdio.h>
#include <x86intrin.h>

int main(void)
{
	unsigned long long began = __rdtsc();

	while (__rdtsc() < began + 1000000)
		;
	puts("over");
	return 0;
}
"""
WAITS_BY_POLL = """\
#include <poll.h>
#include <stdio.h>
#include <time.h>

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	long long until = now() + 1000000;
	int polls = 0;

	while (now() < until)
		polls += poll(NULL, 0, 0) == 0;
	printf("%d\\n", polls);
	return 0;
}
"""
LOOKS_AT_CLOCKS = """\
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const clockid_t CLOCKS[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME};

static long long now(clockid_t clock, int call)
{
	struct timespec t;

	if (call)
		syscall(SYS_clock_gettime, clock, &t);
	else
		clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int main(void)
{
	for (int of = 0; of < 4; of++) {
		long long began = now(CLOCKS[of], 1), last = began;
		int apart = 0;

		for (int look = 1; look <= 5000; look++) {
			long long at = now(CLOCKS[of], look % 7 == 0);

			apart += at == last + 1;
			last = at;
		}
		printf("%d %lld\\n", apart, last - began);
	}
	struct timespec settle = {1, 0}, wait = {0, 1000000};
	nanosleep(&settle, NULL); /* a machine's timers are exact from its first tick on */
	long long before = now(CLOCK_MONOTONIC, 0);
	nanosleep(&wait, NULL);
	printf("%lld\\n", (now(CLOCK_MONOTONIC, 0) - before) / 1000000);
	while (now(CLOCK_MONOTONIC, 0) < before + 3000000)
		;
	puts("over");
	return 0;
}
"""
WAITS_FOR_A_THREAD = """\
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static atomic_int done;

static void *work(void *of)
{
	atomic_store(&done, 1);
	return of;
}

int main(void)
{
	pthread_t thread;
	int calls = 0;

	sleep(1);
	pthread_create(&thread, NULL, work, NULL);
	while (!atomic_load(&done))
		calls += getppid() > 0;
	pthread_join(thread, NULL);
	printf("%d\\n", calls);
	return 0;
}
"""
WIRES = """\
set -e
for end in near far; do
  ip netns add $end
  ip link add ${end}0 netns $end type veth peer name ${end}1
  ip link set ${end}1 up
  ip -n $end link set ${end}0 up
done
ip -n near address add 198.51.100.1/30 dev near0
ip -n far address add 198.51.100.2/30 dev far0
"""
PINGS = """\
import subprocess
from contextlib import closing
from pathlib import Path
from testbed.link.backend import LinkSpec
from testbed.link.bridge import parse_values
from testbed.link.native import NativeBackend, Spin

way = parse_values("delay 30ms", "").schedule()
ping = ["ip", "netns", "exec", "near", "ping", "-q", "-i", "0.1"]
with closing(NativeBackend(Path("/tmp/link"), spin=Spin.NEVER)) as link:
    link.open([LinkSpec("wire", "near1", "far1", way, way, 0)])
    subprocess.run([*ping, "-c", "1", "198.51.100.2"], stdout=subprocess.DEVNULL, check=True)  # asks for its neighbour
    subprocess.run([*ping, "-c", "100", "198.51.100.2"], check=True)
"""
INTERFACE, PACKET = 1, 6
"""Kinds of a pcapng file's blocks."""
ENDS_S = 900.0  # of a host's time, which is nobody's promise


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    if fault := machine.fault_of_host():
        pytest.skip(fault)
    folder = tmp_path_factory.mktemp("virtual")
    scenario = folder / "ping.yaml"
    scenario.write_text(PING)
    command = [sys.executable, "-m", "testbed", "run", str(scenario), "--time", "virtual", "--results", str(folder)]
    command += ["--capture", "starlink"]
    done = subprocess.run(
        command, cwd=paths.ROOT, capture_output=True, text=True, timeout=ENDS_S, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return Result.load(next(folder.glob("*-ping")))


def passed(capture: Path) -> list[list[int]]:
    """Return when packets passed each interface of a pcapng file, in the file's order: CLOCK_REALTIME ns."""
    data, at, times = capture.read_bytes(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == INTERFACE:
            times.append([])
        elif kind == PACKET:
            interface, high, low = struct.unpack_from("<III", data, at + 8)
            times[interface].append(high << 32 | low)
        at += length
    return times


def told(command: list[str], folder: Path) -> list[str]:
    """Return what a command says that a machine executes."""
    if fault := machine.fault_of_host():
        pytest.skip(fault)
    with (
        (folder / "console").open("wb") as log,
        machine.running(command, folder, log, 7, {"nothing": b""}) as running,
    ):
        return [line.decode() for line in running.lines()]


def told_by(source: str, folder: Path) -> list[str]:
    """Return what a program in C says in a machine."""
    (folder / "program.c").write_text(source)
    subprocess.run(["cc", "-pthread", "-o", folder / "program", folder / "program.c"], check=True)
    return told([str(folder / "program")], folder)


def test_a_run_in_virtual_time_is_complete_and_says_so(result: Result) -> None:
    """It begins on the day that all begin, is valid however busy the host is, and has the hash of its evidence."""
    record = result.record

    assert (State.COMPLETE, VIRTUAL, "") == (record.state, record.time, record.invalid)
    assert machine.START_NS <= record.created_ns < machine.START_NS + 60_000_000_000
    assert 64 == len(record.evidence_sha256)
    assert {"report.html", "timeline.png"} <= record.files.keys()


def test_its_lab_comes_up_at_an_instant_of_its_own(result: Result) -> None:
    """Whatever the machine had to read of the host before: the rest is the same to the nanosecond each time."""
    first = next(iter(result.record.steps))

    assert machine.SETTLED_NS <= first.began_ns < machine.SETTLED_NS + 1_000_000


def test_a_heartbeat_over_30_ms_each_way_takes_60(result: Result) -> None:
    """Each of the answers alike, but for some nanoseconds: what programs do on its way takes no time."""
    rtt = result.evidence.samples["heartbeat"].column("rtt_ns")

    assert 0 == rtt.null_count
    assert 60_000_000 <= pc.min(rtt).as_py() <= pc.max(rtt).as_py() < 60_100_000
    assert pc.max(rtt).as_py() - pc.min(rtt).as_py() < 1_000


def test_each_packet_captured_at_both_ends_of_a_link_took_30_ms(result: Result) -> None:
    """And its own time on a wire of 100 Mbit/s, from 64 to 1514 bytes: 5 to 121 us."""
    capture = result.record.capture
    assert capture is not None
    by_name = dict(zip(capture.interfaces, passed(result.folder / capture.file), strict=True))

    for direction in ("up", "down"):
        went, came = by_name[f"starlink {direction} entrance"], by_name[f"starlink {direction} exit"]
        took = [out - in_ for in_, out in zip(went, came, strict=True)]
        assert len(took) > 300
        assert 30_000_000 <= min(took) <= max(took) < 30_122_000


def test_a_hundred_pings_over_30_ms_each_way_are_alike(tmp_path: Path) -> None:
    """As ping(8) itself says it, to its last digit: no deviation from the mean, none lost."""
    command = f"{WIRES}cd {machine.PROJECT}\nexec {machine.PYTHON} {machine.FOLDER}/pings.py"
    (tmp_path / "pings.py").write_text(PINGS)
    *_, counts, times = filter(None, told(["sh", "-c", command], tmp_path))

    assert "100 packets transmitted, 100 received, 0% packet loss" in counts
    shortest, mean, longest, deviation = times.split()[3].split("/")
    assert ("0.000", mean, mean) == (deviation, shortest, longest)
    assert 60.0 <= float(mean) < 60.1


def test_a_machine_knows_the_project_and_its_python_by_one_name(tmp_path: Path) -> None:
    """Wherever they lie on the host: names are a part of what programs do."""
    asks = [str(machine.PYTHON), "-c", "import sys, testbed; print(sys.executable, testbed.__file__)"]

    assert [f"{machine.PYTHON} {machine.PROJECT}/testbed/__init__.py"] == told(asks, tmp_path)


def test_who_waits_by_the_processors_clock_alone_sees_it_move(tmp_path: Path) -> None:
    """A millisecond of looks at rdtsc, and no call into the kernel, comes to its end."""
    assert ["over"] == told_by(WAITS_BY_RDTSC, tmp_path)


def test_no_two_looks_at_a_clock_show_the_same(tmp_path: Path) -> None:
    """Each is a nanosecond after the last, call or not; a clock moves with the time, and for who waits by it alone."""
    assert ["5000 5000"] * 4 + ["1", "over"] == told_by(LOOKS_AT_CLOCKS, tmp_path)


def test_who_polls_without_patience_until_a_time_comes_waits_for_it(tmp_path: Path) -> None:
    """Twenty polls at one instant and one each 50 us: not the million that an instant has for nothing."""
    assert 20 < int("".join(told_by(WAITS_BY_POLL, tmp_path))) < 100


def test_who_waits_in_a_loop_for_a_thread_lets_it_go_on(tmp_path: Path) -> None:
    """No tick comes at one instant: after some thousand calls the other goes on, not after a million."""
    assert int("".join(told_by(WAITS_FOR_A_THREAD, tmp_path))) < 5_000


def test_a_run_that_is_killed_leaves_nothing_in_memory() -> None:
    """SIGKILL cannot be answered: the machine's folder is removed all the same."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], cwd=paths.ROOT, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        folder = Path(holder.stdout.readline().strip())
        assert (folder / "out").is_dir()
        holder.kill()

    ends = time.monotonic() + ENDS_S
    while folder.exists() and time.monotonic() < ends:
        time.sleep(0.02)
    assert not folder.exists()
