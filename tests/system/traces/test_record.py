"""A recording of an emulated link says what the link played."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from testbed.dish.process import DishProcess
from testbed.dish.settings import Settings
from testbed.lab.devices import NamespaceAccess
from testbed.link.backend import LinkSpec
from testbed.link.native import LINKD, NativeBackend
from testbed.model.dish import Dish
from testbed.model.trace import SeriesName
from testbed.model.uplink import FixedLink
from testbed.paths import ROOT
from testbed.traces import edit, profile, store, synth
from testbed.traces.compile import compile_link
from testbed.traces.losses import loss_runs

S = 10**9
DISH = "10.9.0.2:9200"


class Host:
    """A network namespace, held by a process."""

    def __init__(self, stack: ExitStack) -> None:
        self.keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo up; exec sleep 300"], stdout=subprocess.PIPE
        )
        stack.callback(self.keeper.wait)
        stack.callback(self.keeper.kill)
        assert self.keeper.stdout
        stack.enter_context(self.keeper.stdout).readline()

    def argv(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", "-t", str(self.keeper.pid), "-n", *command]

    def do(self, line: str) -> None:
        subprocess.run(self.argv(line.split()), check=True)


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host, Host]]:
    """A lab host, the emulated link's middle, and a far host."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if not LINKD.exists():
        pytest.skip("linkd is not built: make -C testbed/link/core")
    with ExitStack() as stack:
        near, middle, far = (Host(stack) for _ in range(3))
        for host, end, address in ((near, "l0", "10.9.0.1/24"), (far, "r0", "10.9.0.2/24")):
            host.do(f"ip link add wan0 type veth peer name {end} netns {middle.keeper.pid}")
            host.do(f"ip addr add {address} dev wan0")
            host.do("ip link set wan0 up")
        yield near, middle, far


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from testbed.cli import main; raise SystemExit(main())", "trace", *words]


def record(near: Host, folder: Path, *options: str, said: int | None = None) -> subprocess.Popen[str]:
    words = command(
        "record", "--uplink", "wan0", "--to", "10.9.0.2", "--interval", "10ms", "-o", str(folder), *options
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(near.argv(words), env=environment, stdout=said, stderr=said, text=True)


def join_wires(middle: Host) -> None:
    """Make a plain bridge of the middle."""
    middle.do("ip link add br0 type bridge")
    for port in ("l0", "r0"):
        middle.do(f"ip link set {port} master br0 up")
    middle.do("ip link set br0 up")


@contextmanager
def dish(middle: Host, far: Host, folder: Path) -> Iterator[None]:
    """Join the wires by a link of 31.5 ms that loses a tenth, and run its dish on the far host."""
    one_way = FixedLink(15_750_000, loss=1 - 0.9**0.5)
    pair = compile_link(one_way, duration_ns=300 * S, seed=1)
    backend = NativeBackend(folder / "link", lambda argv: subprocess.Popen(middle.argv(argv)))
    backend.open([LinkSpec("wan", "l0", "r0", pair.up, pair.down, seed=1)])
    try:
        settings = Settings("wan", str(folder / "link"), DISH, Dish())
        process = DishProcess(NamespaceAccess("far", far.keeper.pid), settings, folder, folder)
        process.open()
        try:
            process.ready()
            started = time.time_ns()
            backend.start(started)
            process.start(started - 2 * S)  # no ping of its last second is older than the link
            yield
        finally:
            process.close()
    finally:
        backend.close()


def programs_in(host: Host) -> list[str]:
    """Return the programs that run in a host's network namespace, without the one that holds it."""
    namespace = os.readlink(f"/proc/{host.keeper.pid}/ns/net")
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            if os.readlink(entry / "ns/net") == namespace and int(entry.name) != host.keeper.pid:
                found.append((entry / "comm").read_text().strip())
    return found


def wait_for(file: Path, text: str, count: int, running: subprocess.Popen[str]) -> None:
    """Wait until a file holds a text so often, for at most a minute."""
    deadline = time.monotonic() + 60
    while not (file.exists() and file.read_text().count(text) >= count):
        assert time.monotonic() < deadline, f"{file.name} has too few lines"
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(0.1)


def test_a_recording_says_what_the_link_played(hosts: tuple[Host, Host, Host], tmp_path: Path) -> None:
    """Each probe met the trace's RTT at its send time, not that of 0.1 s later; losses lie where they were."""
    near, middle, _ = hosts
    truth = synth.synthesise(
        profile.read("starlink-isl"), duration_ns=90 * S, seed=1
    )  # gaps that cannot be missed
    pair = compile_link(truth, duration_ns=90 * S, seed=1)
    backend = NativeBackend(tmp_path / "link", lambda argv: subprocess.Popen(middle.argv(argv)))
    backend.open([LinkSpec("wan", "l0", "r0", pair.up, pair.down, seed=1)])
    try:
        started = time.time_ns() + S // 5
        backend.start(started)
        assert 0 == record(near, tmp_path / "recording", "--duration", "20s", "--dish", "none").wait(100)
    finally:
        backend.close()

    recorded = store.read(tmp_path / "recording" / "ping.txt")

    probes = recorded.probes
    assert probes is not None
    assert recorded.provenance.start_ns is not None
    at = recorded.provenance.start_ns + probes.t_ns - started
    inside = (at > 0) & (at < 88 * S)
    met = truth.probes
    assert met is not None
    assert np.count_nonzero(inside) > 300

    def error_ns(shift_ns: int) -> float:
        answered = inside & ~probes.lost
        expected = np.interp(at[answered] + shift_ns, met.t_ns[~met.lost], met.value[~met.lost])
        return float(np.median(np.abs(probes.value[answered] - expected)))

    assert error_ns(0) < error_ns(S // 10) / 2  # what a busy host adds is in both
    lost, runs = at[inside & probes.lost], loss_runs(met)
    recorded_ns = at[inside].min(), at[inside].max()
    whole = (runs.begin_ns > recorded_ns[0]) & (runs.begin_ns + runs.lasted_ns < recorded_ns[1])
    gaps = (runs.length >= 10) & whole  # ping sends too seldom to meet each shorter one
    assert gaps.any()
    for begin, lasted in zip(runs.begin_ns[gaps], runs.lasted_ns[gaps], strict=True):
        assert np.count_nonzero((lost >= begin) & (lost < begin + lasted)) >= 5


def test_a_killed_recording_keeps_all_that_was_said(hosts: tuple[Host, Host, Host], tmp_path: Path) -> None:
    """After SIGKILL every line that was there before it is imported, of pings and dish, and no tool is left."""
    near, middle, far = hosts
    file, replies = (tmp_path / "recording" / name for name in ("ping.txt", "dish.txt"))
    with dish(middle, far, tmp_path):
        recording = record(near, tmp_path / "recording", "--dish", DISH)
        wait_for(replies, "dishGetStatus", 3, recording)
        wait_for(file, "bytes from", 200, recording)
        before = file.read_text().count("bytes from"), replies.read_text().count("dishGetStatus")
        recording.send_signal(signal.SIGKILL)
        recording.wait(10)
        deadline = time.monotonic() + 20
        while (left := programs_in(near)) and time.monotonic() < deadline:
            time.sleep(0.1)  # each ends at the first line that nobody takes
    assert [] == left

    pings, told = store.read(file), store.read(replies)
    assert pings.probes is not None
    assert told.probes is not None
    assert np.count_nonzero(~pings.probes.lost) >= before[0]
    assert len(told.probes) >= before[1]


def test_the_dish_is_asked_by_grpc_on_the_prober_s_clock(
    hosts: tuple[Host, Host, Host], tmp_path: Path
) -> None:
    """Its latency and drop rate are in the recording, at the time that they had beside the pings."""
    near, middle, far = hosts
    folder = tmp_path / "recording"
    with dish(middle, far, tmp_path):
        recording = record(near, folder, "--dish", DISH, said=subprocess.PIPE)
        wait_for(folder / "dish.txt", "dishGetStatus", 6, recording)
        recording.send_signal(signal.SIGINT)
        said, told = recording.communicate(timeout=60)

    pings, status = (store.read(folder / name) for name in ("ping.txt", "dish.txt"))
    joined = edit.join([edit.only(pings, [SeriesName.RTT]), edit.only(status, [SeriesName.LOSS])])

    assert 0 == recording.returncode, told
    assert f"import {folder}/ping.txt {folder}/dish.txt" in said
    assert "dish-status 1" == status.provenance.made_by
    assert status.probes is not None
    assert {31_500_000} == set(status.probes.value.tolist())
    assert {100_000} == set(status.series[SeriesName.LOSS].value.tolist())
    starts = [trace.provenance.start_ns for trace in (pings, status)]
    assert starts[0] is not None
    assert starts[1] is not None
    assert {SeriesName.RTT, SeriesName.LOSS} == joined.series.keys()
    overlap = min(starts[0] + pings.duration_ns, starts[1] + status.duration_ns) - max(starts[0], starts[1])
    assert overlap == joined.duration_ns > 0


def test_where_no_dish_answers_it_is_recorded_without(hosts: tuple[Host, Host, Host], tmp_path: Path) -> None:
    """The recorder says so, at once and at the end, and its status is good."""
    near, middle, _ = hosts
    join_wires(middle)

    recording = record(near, tmp_path / "recording", "--duration", "3s", said=subprocess.PIPE)
    said, told = recording.communicate(timeout=60)

    assert 0 == recording.returncode
    assert "the dish at 192.168.100.1:9200 does not answer" in told
    assert "no dish answered at 192.168.100.1:9200: recorded without it" in said
    assert ["ping.txt"] == [file.name for file in (tmp_path / "recording").iterdir()]


@pytest.mark.parametrize("killed", [False, True])
def test_irtt_is_used_where_the_far_end_answers_it(
    hosts: tuple[Host, Host, Host], tmp_path: Path, killed: bool
) -> None:
    """Its lines are a recording at any time, also after SIGKILL; ended in order, its document tells more."""
    near, middle, far = hosts
    join_wires(middle)
    server = subprocess.Popen(far.argv(["irtt", "server", "-b", "10.9.0.2"]), stdout=subprocess.DEVNULL)
    folder = tmp_path / "recording"
    try:
        listening = "until grep -q :0840 /proc/net/udp /proc/net/udp6; do :; done"  # port 2112
        subprocess.run(far.argv(["sh", "-c", listening]), check=True, timeout=60)
        recording = record(near, folder, "--duration", "60s" if killed else "4s", "--dish", "none")
        if killed:
            wait_for(folder / "irtt.txt", "seq=", 60, recording)
            recording.send_signal(signal.SIGKILL)
        assert (-signal.SIGKILL if killed else 0) == recording.wait(60)
    finally:
        server.kill()
        server.wait()

    lines = store.read(folder / "irtt.txt").probes
    assert lines is not None
    assert len(lines) > 50
    if not killed:
        document = store.read(folder / "irtt.json.gz").probes
        assert document is not None
        assert len(document) - 5 <= len(lines) <= len(document)
        shared = ~lines.lost & ~document.lost[: len(lines)]
        assert np.allclose(document.value[: len(lines)][shared], lines.value[shared], rtol=0.01)
