"""One run with all there is, captured: every part ends as it should, and every packet is accounted for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.compute as pc
import pytest

from testbed.capture.pcap import frames
from testbed.capture.points import Point
from testbed.capture.taps import Taps, fault_of_host
from testbed.lab.devices import NamespaceAccess
from testbed.model.capture import CaptureWish
from testbed.model.topology import WireEnd
from testbed.result.record import State
from testbed.result.store import Result
from tests.system.run.conftest import Testbed

EVERYTHING = """\
# does every part end as it should, and is every packet kept?
topology: hub-two-uplinks
duration: 7 s
uplinks:
  starlink: {fixed: {delay: 20 ms}, dish: {faults: [{at: 1 s, hangs: 1 s}]}}
  lte: {fixed: {delay: 30 ms}}
hub: {failover: dish-aware, cache: on}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 20 ms}
  newcomers: {kind: udp-flows, from: client, to: tenant, every: 50 ms}
  lessons: {kind: http-get, from: client2, catalogue: school-day, rate: 2/s}
  uploads: {kind: http-put, from: client2, size: 20 kB, rate: 1/s}
  sync: {kind: tcp-transfer, from: client, to: tenant, direction: up, rate: 1 Mbit/s}
  portal: {kind: https-keepalive, from: client, to: tenant, every: 500 ms}
  lecture: {kind: udp-call, from: client, to: tenant}
events:
  - {at: 2 s, uplink: starlink, reboot: 3 s, port_down: 1 s}
  - {at: 3 s, tenant_errors: 2 s}
  - {at: 4 s, dns_failure: 1 s, answer: servfail}
objectives:
  - {metric: packets_lost, of: heartbeat, at_most: 100000}
"""
"""Traffic of every kind, and every event that ends a part on purpose."""


@pytest.fixture(scope="module", autouse=True)
def able() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces")
    if fault := fault_of_host():
        pytest.skip(fault)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The run, with a capture of the link that goes dark and of a port."""
    folder = tmp_path_factory.mktemp("everything")
    scenario = folder / "everything.yaml"
    scenario.write_text(EVERYTHING)
    testbed = Testbed(folder / "results")
    testbed.start(scenario, "--capture", "starlink", "client:eth0").communicate(timeout=300)
    return Result.load(testbed.result()[0])


def test_what_ends_as_it_should_is_not_told(played: Result) -> None:
    """Clients that are done, and parts that an event stops, have not ended unasked; nothing at the end goes wrong."""
    record = played.record

    assert (State.COMPLETE, (), ()) == (record.state, record.ends, record.mishaps)


@pytest.mark.parametrize("direction", ["up", "down"])
def test_packets_without_an_exit_are_those_that_the_link_cut(played: Result, direction: str) -> None:
    """As many as the engine says, and of no other cause; all others are at the exit, with those under way before."""
    capture, links = played.record.capture, played.evidence.links
    assert capture is not None
    assert links is not None
    mine = links.filter(pc.and_(pc.equal(links["link"], "starlink"), pc.equal(links["direction"], direction)))
    entrance = capture.interfaces[f"starlink {direction} entrance"]
    cut = pc.sum(mine["cut"]).as_py()

    assert ("", 0) == (capture.reason, capture.dropped)
    assert ({"cut": cut} if cut else {}) == entrance.never_left
    gone = sum(entrance.never_left.values()) + entrance.in_flight
    assert entrance.packets - gone <= capture.interfaces[f"starlink {direction} exit"].packets


def test_wireshark_opens_it(played: Result) -> None:
    """tshark has no complaint, and finds the event and what it cost."""
    if (tshark := shutil.which("tshark")) is None:
        pytest.skip("tshark is not installed: apt install tshark")
    file = played.folder / "capture.pcapng"
    command = [tshark, "-n", "-r", str(file), "-Y", "frame.comment", "-T", "fields", "-e", "frame.comment"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    assert [] == [line for line in done.stderr.splitlines() if "Running as user" not in line]
    assert "starlink reboot 3 s begins, 2.000 s after the start" in done.stdout
    assert "never left starlink up: the link was cut" in done.stdout


@contextmanager
def tapped(folder: Path, wish: CaptureWish) -> Iterator[tuple[NamespaceAccess, Taps]]:
    """Capture the loopback of a node of its own, which ends with the block."""
    with subprocess.Popen(["unshare", "--net", "--", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"],
                          stdout=subprocess.PIPE, text=True) as held:  # fmt: skip
        try:
            assert held.stdout is not None
            assert "up\n" == held.stdout.readline()
            device = NamespaceAccess("client", held.pid)
            taps = Taps(wish, (Point(WireEnd("client", "lo"), "client:lo out", "client:lo in"),), folder)
            taps.open({"client": device})
            yield device, taps
        finally:
            held.kill()


def test_all_that_passed_until_a_capture_ended_is_in_it(tmp_path: Path) -> None:
    """The kernel gathers frames before tcpdump reads them: until when none is missing is told."""
    with tapped(tmp_path, CaptureWish(("client:lo",))) as (device, taps):
        said = device.run(["ping", "-D", "-c", "250", "-i", "0.01", "127.0.0.1"]).stdout
        taps.stop()
        (raw,) = taps.raws()

    answers = [float(t) for t in re.findall(r"^\[([\d.]+)\]", said, re.M)]
    asked = sum(t < taps.ended_ns / 1e9 for t in answers)
    seen = [frame for frame in frames(raw.path) if frame.t_ns < taps.ended_ns]
    assert 50 < asked < 250
    assert 2 * asked <= len(seen)


def test_a_capture_ends_at_its_limit(tmp_path: Path) -> None:
    """One that has become too large ends, says so, and keeps what it has."""
    with tapped(tmp_path, CaptureWish(("client:lo",), limit=20_000)) as (device, taps):
        assert "" == taps.watch(1)
        sent = device.run(["ping", "-q", "-c", "400", "-i", "0.001", "127.0.0.1"])
        said = taps.watch(2)
        (raw,) = taps.raws()

    assert 0 == sent.returncode
    assert said.startswith("the capture's limit of 20 kB was reached") or "ended by itself" in said
    assert (2, said, "") == (taps.stopped_ns, taps.reason, taps.watch(3))
    assert 0 < raw.path.stat().st_size <= 20_000
