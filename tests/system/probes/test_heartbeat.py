"""The heartbeat over a hub that changes its uplink: real irtt, real NAT, real ICMP errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from testbed.errors import HostError, RunError
from testbed.model.traffic import UdpEcho
from testbed.probes import responder
from testbed.probes.heartbeat import Heartbeat
from testbed.probes.probe import ProbeState
from testbed.probes.responder import read_moves
from tests.system.conftest import ByTheClock
from tests.system.probes.two_wans import Lab

TRAFFIC = UdpEcho(kind="udp-echo", from_="client", to="tenant", every=10**7, name="heartbeat")
LEAD_NS = 1_000_000_000

pytestmark = pytest.mark.skipif(
    not responder.ANCHOR.is_file(), reason="needs build/anchor (make -C testbed/probes/core)"
)


def _wait_until(instant_ns: int, holds: Callable[[], bool] = lambda: False) -> None:
    while time.time_ns() < instant_ns and not holds():
        time.sleep(0.01)


def _started(lab: Lab, folder: Path, duration_s: float) -> tuple[Heartbeat, int]:
    probe = Heartbeat(TRAFFIC, lab.site(folder, duration_s))
    probe.open()
    probe.ready()
    at_ns = time.time_ns() + LEAD_NS
    probe.start(at_ns)
    return probe, at_ns


def _answered(path: Path, after_ns: int, before_ns: int) -> float:
    table = pq.read_table(path)
    t_ns = table["t_ns"].to_numpy()
    inside = (t_ns >= after_ns) & (t_ns < before_ns)
    assert inside.sum() > 20
    return float(np.mean(table["lost"].to_numpy(zero_copy_only=False)[inside] == "none"))


def test_measures_on_through_a_failover(lab: Lab, tmp_path: Path, by_the_clock: ByTheClock) -> None:
    """The heartbeat's answers return after the hub moved to another uplink; the move is in the evidence."""
    probe, at_ns = _started(lab, tmp_path, 3)
    _wait_until(at_ns + 10**9)
    lab.go_dark()
    _wait_until(at_ns + 2 * 10**9)
    lab.fail_over()
    lab.recover()
    _wait_until(at_ns + 3 * 10**9)
    path = probe.finish()

    with by_the_clock():
        assert _answered(path, -LEAD_NS // 2, int(0.9e9)) > 0.95
        assert 0 == _answered(path, int(1.1e9), int(1.9e9))
        assert _answered(path, int(2.1e9), int(3e9)) > 0.95
    (move,) = read_moves(tmp_path / "heartbeat-anchor.log")
    assert ("198.51.100.2", "198.51.100.6") == tuple(end.partition(":")[0] for end in (move.old, move.new))
    with by_the_clock():
        assert 2.0 <= (move.at_ns - at_ns) / 1e9 < 3


def test_covers_the_whole_run_at_its_cadence(lab: Lab, tmp_path: Path, by_the_clock: ByTheClock) -> None:
    """Samples begin before the start instant, end with the duration and stand 10 ms apart."""
    probe, at_ns = _started(lab, tmp_path, 1)
    _wait_until(at_ns + 10**9)
    t_ns = pq.read_table(probe.finish())["t_ns"].to_numpy()

    with by_the_clock():
        assert -LEAD_NS <= t_ns[0] < 0
        assert 0.9e9 < t_ns[-1] < 1.5e9
        assert 1e7 == pytest.approx(np.median(np.diff(t_ns)), rel=0.05)


def _direct(lab: Lab, disturb: Callable[[], None]) -> dict[str, Any]:
    """Run irtt without anchors for 2 s and disturb it after 1 s."""
    server = lab.tenant.popen(
        ["irtt", "server", "-b", "203.0.113.10:2112", "-i", "0", "--timeout=0"], stdout=subprocess.PIPE
    )
    server.stdout.readline()
    client = lab.client.popen(
        ["irtt", "client", "-4", "-Q", "-i", "10ms", "-d", "2s", "--wait=100ms", "-o", "-", "203.0.113.10"],
        stdout=subprocess.PIPE,
    )
    _wait_until(time.time_ns() + 10**9)
    disturb()
    document, _ = client.communicate(timeout=60)
    server.kill()
    server.communicate()
    return json.loads(document)  # type: ignore[no-any-return]


def test_irtt_alone_loses_everything_after_a_failover(lab: Lab, by_the_clock: ByTheClock) -> None:
    """Why there is an anchor: irtt's server ignores a session whose address changed."""
    trips = _direct(lab, lab.fail_over)["round_trips"]

    with by_the_clock():
        assert {"false"} == {trip["lost"] for trip in trips[:90]}
        assert "false" not in {trip["lost"] for trip in trips[120:]}


def test_irtt_alone_ends_at_an_icmp_error(lab: Lab, by_the_clock: ByTheClock) -> None:
    """Why the client has an anchor too: one 'prohibited' from a hub's firewall ends irtt."""
    with by_the_clock():
        assert len(_direct(lab, lab.refuse)["round_trips"]) < 120


def test_survives_icmp_errors(lab: Lab, tmp_path: Path, by_the_clock: ByTheClock) -> None:
    """A hub that refuses instead of dropping is an interruption like any other."""
    probe, at_ns = _started(lab, tmp_path, 2)
    _wait_until(at_ns + 10**9 // 2)
    lab.refuse()
    _wait_until(at_ns + 10**9)
    lab.recover()
    _wait_until(at_ns + 2 * 10**9)
    path = probe.finish()

    with by_the_clock():
        assert 0 == _answered(path, int(0.6e9), int(0.9e9))
        assert _answered(path, int(1.1e9), 2 * 10**9) > 0.95


def test_packets_carry_the_mark_both_ways(lab: Lab, tmp_path: Path, by_the_clock: ByTheClock) -> None:
    """The links' counters tell the heartbeat by DSCP 46 in both directions."""
    for chain, direction in (("up", "iifname lan0"), ("down", "oifname lan0")):
        for rule in (
            f"add chain ip filter {chain} {{ type filter hook forward priority -10; }}",
            f"add rule ip filter {chain} {direction} udp dport != 53 ip dscp != ef counter",
            f"add rule ip filter {chain} {direction} ip dscp ef counter",
        ):
            lab.hub.run(["nft", rule])
    probe, at_ns = _started(lab, tmp_path, 0.5)
    _wait_until(at_ns + 10**9 // 2)
    probe.finish()

    for chain in ("up", "down"):
        unmarked, marked = _counted(lab, chain)
        assert 0 == unmarked
        assert marked > 0
        with by_the_clock():
            assert marked > 50


def _counted(lab: Lab, chain: str) -> list[int]:
    rules = json.loads(lab.hub.run(["nft", "--json", "list", "chain", "ip", "filter", chain]).stdout)[
        "nftables"
    ]
    parts = [part for rule in rules if "rule" in rule for part in rule["rule"]["expr"]]
    return [part["counter"]["packets"] for part in parts if "counter" in part]


def test_the_screen_sees_silence_and_recovery(lab: Lab, tmp_path: Path, by_the_clock: ByTheClock) -> None:
    """Polling tells running, silent and running again, with the packets missing in the last second."""
    probe, at_ns = _started(lab, tmp_path, 10)
    _wait_until(at_ns + 10**9)
    running = probe.poll()
    lab.go_dark()
    _wait_until(at_ns + 3 * 10**9, lambda: probe.poll().state is ProbeState.SILENT)
    silent = probe.poll()
    lab.recover()
    _wait_until(at_ns + 5 * 10**9, lambda: probe.poll().state is ProbeState.RUNNING)
    again = probe.poll().state
    probe.finish()

    assert running.last_ns is not None
    with by_the_clock():
        assert ProbeState.RUNNING is running.state
        assert running.answered > 90
        assert 0 < running.last_ns < 10**8
        assert (ProbeState.SILENT, 0) == (silent.state, silent.answered)
        assert 50 < silent.failed <= 101
        assert ProbeState.RUNNING is again
    assert ProbeState.ENDED is probe.poll().state


def test_an_interruption_keeps_what_was_measured(lab: Lab, tmp_path: Path, by_the_clock: ByTheClock) -> None:
    """Finishing early writes the samples so far, and calls nothing lost that was still on its way."""
    probe, at_ns = _started(lab, tmp_path, 60)
    _wait_until(at_ns + 10**9)
    begun = time.monotonic()
    path = probe.finish()

    with by_the_clock():
        assert time.monotonic() - begun < 20  # of 60 s
        assert 1 == _answered(path, 0, 10**9)


def test_a_killed_irtt_leaves_its_samples_and_is_reported(
    lab: Lab, tmp_path: Path, by_the_clock: ByTheClock
) -> None:
    """When irtt dies, what it had printed becomes samples, and the run learns of it."""
    probe, at_ns = _started(lab, tmp_path, 2)
    _wait_until(at_ns + 10**9)
    assert probe._process
    os.kill(probe._process.pid, signal.SIGKILL)
    _wait_until(at_ns + 2 * 10**9)
    with pytest.raises(RunError, match="heartbeat: irtt ended before its time: seq="):
        probe.finish()

    table = pq.read_table(tmp_path / "heartbeat.parquet")
    with by_the_clock():
        assert 0.5e9 < table["t_ns"].to_numpy()[-1] < 1.5e9
        assert 1e7 == pytest.approx(np.median(np.diff(table["t_ns"].to_numpy())), rel=0.1)


def test_an_unreachable_tenant_is_reported(lab: Lab, tmp_path: Path) -> None:
    """Where irtt cannot even open its session, the error says what irtt said."""
    lab.go_dark()
    probe, at_ns = _started(lab, tmp_path, 0.2)
    _wait_until(at_ns + 10**9 // 5)
    _wait_until(time.time_ns() + 10**10, lambda: probe.poll().state is ProbeState.FAILED)

    with pytest.raises(RunError, match="no reply from server"):
        probe.finish()


def test_a_missing_anchor_is_reported(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the built anchor the probe says how to build it."""
    monkeypatch.setattr(responder, "ANCHOR", tmp_path / "anchor")

    with pytest.raises(HostError, match="anchor is not built; run 'make build'"):
        Heartbeat(TRAFFIC, lab.site(tmp_path, 1)).open()


def test_a_port_in_use_is_reported(lab: Lab, tmp_path: Path) -> None:
    """An anchor that cannot listen says why."""
    site = lab.site(tmp_path, 1)
    first, second = responder.Responder(site, "first"), responder.Responder(site, "second")
    first.open()
    first.ready()
    second.open()
    with pytest.raises(RunError, match=r"(?s)second: its server did not start: .*address already in use"):
        second.ready()
    first.close()
    second.close()
