"""A recording of an emulated link says what the link played."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from testbed.link.backend import LinkSpec
from testbed.link.native import LINKD, NativeBackend
from testbed.paths import ROOT
from testbed.traces import store
from testbed.traces.compile import compile_link

S = 10**9
FAKE_GRPCURL = """#!/bin/sh
echo '{ "apiVersion": "25",'
echo '  "dishGetStatus": { "popPingDropRate": 0, "popPingLatencyMs": 31.5, "downlinkThroughputBps": 1000 } }'
"""


class Host:
    """A network namespace, held by a process."""

    def __init__(self, stack: ExitStack) -> None:
        self.keeper = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo up; exec sleep 120"], stdout=subprocess.PIPE
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


def record(near: Host, folder: Path, *options: str, path: str = "") -> subprocess.Popen[bytes]:
    words = command(
        "record", "--uplink", "wan0", "--to", "10.9.0.2", "--interval", "10ms", "-o", str(folder), *options
    )
    environment = os.environ | {"PATH": f"{path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(near.argv(words), env=environment)


def test_a_recording_says_what_the_link_played(hosts: tuple[Host, Host, Host], tmp_path: Path) -> None:
    """Each probe met the trace's RTT at its send time: the median error is below 1 ms, losses lie where they were."""
    near, middle, _ = hosts
    truth = store.read(store.find("starlink-bent-pipe"))
    pair = compile_link(truth, duration_ns=40 * S, seed=1)
    backend = NativeBackend(tmp_path / "link", lambda argv: subprocess.Popen(middle.argv(argv)))
    backend.open([LinkSpec("wan", "l0", "r0", pair.up, pair.down, seed=1)])
    try:
        started = time.time_ns() + S // 5
        backend.start(started)
        assert 0 == record(near, tmp_path / "recording", "--duration", "20s").wait(60)
    finally:
        backend.close()

    recorded = store.read(tmp_path / "recording" / "ping.txt")

    probes = recorded.probes
    assert probes is not None
    assert recorded.provenance.start_ns is not None
    at = recorded.provenance.start_ns + probes.t_ns - started
    inside = (at > 0) & (at < 18 * S)
    met = truth.probes
    assert met is not None
    expected = np.interp(at[inside & ~probes.lost], met.t_ns[~met.lost], met.value[~met.lost])
    error = np.abs(probes.value[inside & ~probes.lost] - expected)
    assert np.count_nonzero(inside) > 500
    assert np.median(error) < S // 1000
    lost_truth, lost = met.t_ns[met.lost & (met.t_ns < 18 * S)], at[inside & probes.lost]
    assert all(np.abs(lost - t).min() < S // 20 for t in lost_truth[:: max(1, len(lost_truth) // 3)])


def test_a_killed_recording_is_readable_and_the_dish_is_on_its_clock(
    hosts: tuple[Host, Host, Host], tmp_path: Path
) -> None:
    """After SIGKILL what was recorded until the last second is imported; the dish's replies lie in the same time."""
    near, middle, _ = hosts
    middle.do("ip link add br0 type bridge")
    for port in ("l0", "r0"):
        middle.do(f"ip link set {port} master br0 up")
    middle.do("ip link set br0 up")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "grpcurl").write_text(FAKE_GRPCURL)
    (tools / "grpcurl").chmod(0o755)

    recording = record(near, tmp_path / "recording", "--dish", "192.0.2.1:9200", path=str(tools))
    file = tmp_path / "recording" / "ping.txt"
    deadline = time.monotonic() + 30
    while not (file.exists() and file.read_text().count("bytes from") > 300) and time.monotonic() < deadline:
        with pytest.raises(subprocess.TimeoutExpired):
            recording.wait(0.2)
    recording.send_signal(signal.SIGKILL)
    recording.wait(10)

    dish = store.read(tmp_path / "recording" / "dish.txt")
    pings = store.read(file)
    assert pings.probes is not None
    assert dish.probes is not None
    assert len(pings.probes) > 250
    assert 31_500_000 == dish.probes.value[0]
    assert pings.provenance.start_ns is not None
    assert dish.provenance.start_ns is not None
    assert abs(pings.provenance.start_ns - dish.provenance.start_ns) < 2 * S


@pytest.mark.parametrize("killed", [False, True])
def test_irtt_is_used_where_the_far_end_answers_it(
    hosts: tuple[Host, Host, Host], tmp_path: Path, killed: bool
) -> None:
    """Its lines are a recording at any time, also after SIGKILL; ended in order, its document tells more."""
    near, middle, far = hosts
    middle.do("ip link add br0 type bridge")
    for port in ("l0", "r0"):
        middle.do(f"ip link set {port} master br0 up")
    middle.do("ip link set br0 up")
    server = subprocess.Popen(far.argv(["irtt", "server", "-b", "10.9.0.2"]), stdout=subprocess.DEVNULL)
    folder = tmp_path / "recording"
    try:
        listening = "until grep -q :0840 /proc/net/udp /proc/net/udp6; do :; done"  # port 2112
        subprocess.run(far.argv(["sh", "-c", listening]), check=True, timeout=10)
        recording = record(near, folder, "--duration", "4s")
        if killed:
            with pytest.raises(subprocess.TimeoutExpired):
                recording.wait(3)
            recording.send_signal(signal.SIGKILL)
        assert (-signal.SIGKILL if killed else 0) == recording.wait(20)
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
