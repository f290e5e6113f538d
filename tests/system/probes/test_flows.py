"""Transfers, keep-alive connections and calls over a hub that changes its uplink: real TCP, TLS, NAT and ICMP."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from testbed.model.traffic import TENANT_ENDED, Dscp, HttpsKeepalive, TcpTransfer, UdpCall
from testbed.probes.kinds import probe_for
from testbed.probes.probe import Probe, ProbeState, Site
from testbed.tenant.certificates import issue
from tests.system.probes.two_wans import Lab

S = 10**9
HOST = "account.blob.core.windows.net"
TENANT = """
daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log; events {{}}
http {{
  access_log off;
  server {{
    listen 203.0.113.10:443 ssl; keepalive_timeout 60s;
    ssl_certificate {folder}/tenant.pem; ssl_certificate_key {folder}/tenant.key;
    location / {{ return 403; }}
  }}
}}
"""


def transfer(**options: Any) -> TcpTransfer:
    return TcpTransfer(kind="tcp-transfer", from_="client", to="tenant", name="sync", **options)


CALL = UdpCall(kind="udp-call", from_="client", to="tenant", name="call")


def started(traffic: Any, site: Site) -> tuple[Probe, int]:
    probe = probe_for(traffic, site)
    probe.open()
    probe.ready()
    at_ns = time.time_ns() + S
    probe.start(at_ns)
    return probe, at_ns


def wait_until(instant_ns: int, holds: Callable[[], bool] = lambda: False) -> None:
    while time.time_ns() < instant_ns and not holds():
        time.sleep(0.01)


def measured(traffic: Any, site: Site, *at: tuple[float, Callable[[], None]]) -> list[dict[str, Any]]:
    """Let a probe measure while ``at`` (seconds, action) happens; return its samples."""
    probe, at_ns = started(traffic, site)
    for second, act in at:
        wait_until(at_ns + round(second * S))
        act()
    wait_until(at_ns + site.duration_ns + S)
    return rows(probe.finish())


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


def events(rows: list[dict[str, Any]], end: str = "client") -> list[str]:
    """What happened at one end, progress left out."""
    return [r["event"] for r in rows if r["end"] == end and r["event"] != "progress" and r["t_ns"] < 3 * S]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_transfer_keeps_its_rate(lab: Lab, tmp_path: Path, direction: str) -> None:
    """A paced transfer moves its bytes in one session; sender and receiver agree on them."""
    found = measured(transfer(direction=direction, rate=8_000_000), lab.site(tmp_path, 3))

    assert ["connected"] == events(found) == events(found, "tenant")
    moved = {end: max(r["bytes"] for r in found if r["end"] == end) for end in ("client", "tenant")}
    assert 3_000_000 == pytest.approx(moved["client"], rel=0.15)
    assert moved["client"] == pytest.approx(moved["tenant"], rel=0.1)
    ticks = np.array([r["t_ns"] for r in found if r["end"] == "tenant" and r["event"] == "progress"])
    assert 10**8 == pytest.approx(np.median(np.diff(ticks)), rel=0.2)


def test_a_transfer_is_reset_by_another_uplink_and_connects_again(lab: Lab, tmp_path: Path) -> None:
    """Behind another address the tenant knows no such connection: its reset ends the session; a second begins."""
    found = measured(transfer(rate=2_000_000), lab.site(tmp_path, 3), (1, lab.fail_over))

    assert ["connected", "reset", "connected"] == events(found)
    (reset,) = (r for r in found if r["event"] == "reset" and r["end"] == "client")
    assert "ECONNRESET" in reset["reason"]
    assert {0, 1} == {r["session"] for r in found}


def test_a_transfer_waits_through_silence(lab: Lab, tmp_path: Path) -> None:
    """A path that is dark for a second and works again costs time, not the session."""
    found = measured(transfer(rate=2_000_000), lab.site(tmp_path, 3), (1, lab.go_dark), (1.6, lab.recover))

    assert ["connected"] == events(found)
    moments = np.array([r["t_ns"] for r in found if r["end"] == "tenant" and r["event"] == "progress"])
    assert 0.5 * S < np.diff(moments).max() < 1.9 * S


def test_a_transfer_without_progress_is_given_up(lab: Lab, tmp_path: Path) -> None:
    """After its time-out the client gives a silent session up, and cannot reach the tenant on a dark path."""
    site = lab.site(tmp_path, 3)
    found = measured(transfer(direction="down", rate=2_000_000, timeout=S), site, (0.5, lab.go_dark))

    assert ["connected", "gave up"] == events(found)[:2]
    lab.recover()


def test_an_icmp_error_does_not_end_a_transfer(lab: Lab, tmp_path: Path) -> None:
    """A firewall that answers "prohibited" for a moment is survived: to an open connection that is no verdict."""
    site = lab.site(tmp_path, 3)
    found = measured(transfer(rate=2_000_000), site, (1, lab.refuse), (1.5, lab.recover))

    assert ["connected"] == events(found)


def test_marks_are_on_the_packets_of_both_ends(lab: Lab, tmp_path: Path) -> None:
    """Data and acknowledgements carry the transfer's code point."""
    count = "nft add rule ip filter forward iifname {} ip dscp cs1 counter"
    for port in ("lan0", "wan0"):
        assert 0 == lab.hub.run(count.format(port).split()).returncode
    measured(transfer(rate=2_000_000, dscp=Dscp.BULK), lab.site(tmp_path, 1))
    counters = lab.hub.run(["nft", "list", "chain", "ip", "filter", "forward"]).stdout

    assert 2 == counters.count("packets") - counters.count("packets 0 ")


def call_rows(rows: list[dict[str, Any]], direction: str, t0: float, t1: float) -> list[dict[str, Any]]:
    return [r for r in rows if r["direction"] == direction and t0 * S <= r["t_ns"] < t1 * S]


def test_a_call_is_timed_one_way_in_both_directions(lab: Lab, tmp_path: Path) -> None:
    """Fifty packets a second arrive each way, in a fraction of a millisecond."""
    found = measured(CALL, lab.site(tmp_path, 2))

    for direction in ("up", "down"):
        mine = call_rows(found, direction, 0.5, 2)
        assert 75 == pytest.approx(len(mine), abs=15)
        assert 0.9 < np.mean([r["delay_ns"] is not None for r in mine])
        assert 0 < np.median([r["delay_ns"] for r in mine if r["delay_ns"] is not None]) < 20_000_000


def test_a_call_lives_through_a_failover_and_an_icmp_error(lab: Lab, tmp_path: Path) -> None:
    """After a firewall's "prohibited" and a change of uplink, packets arrive again in both directions."""
    site = lab.site(tmp_path, 4)
    found = measured(CALL, site, (1, lab.refuse), (1.5, lab.recover), (2, lab.fail_over))

    lost = [r["delay_ns"] is None for r in call_rows(found, "up", 1.1, 1.4)]
    assert all(lost)
    for direction in ("up", "down"):
        assert 0.9 < np.mean([r["delay_ns"] is not None for r in call_rows(found, direction, 3, 4)])


def test_the_call_carries_its_mark_both_ways(lab: Lab, tmp_path: Path) -> None:
    """AF41 is on the packets of both ends."""
    for port in ("lan0", "wan0"):
        rule = f"nft add rule ip filter forward iifname {port} ip dscp af41 counter"
        assert 0 == lab.hub.run(rule.split()).returncode
    measured(CALL, lab.site(tmp_path, 1))
    counters = lab.hub.run(["nft", "list", "chain", "ip", "filter", "forward"]).stdout

    assert 2 == counters.count("packets") - counters.count("packets 0 ")


@pytest.fixture
def https(lab: Lab, tmp_path: Path) -> Site:
    """A site whose tenant answers HTTPS."""
    if shutil.which("nginx") is None:
        pytest.skip("needs nginx")
    files = issue(tmp_path, HOST, "203.0.113.10", datetime.now(UTC))
    (tmp_path / "nginx.conf").write_text(TENANT.format(folder=tmp_path))
    lab.tenant.popen(["nginx", "-c", str(tmp_path / "nginx.conf")])
    wait_until(time.time_ns() + 5 * S, lambda: ":443" in lab.tenant.run(["ss", "-Hltn"]).stdout)
    return lab.site(tmp_path, 4, tenant_host=HOST, authority=files.authority)


KEEPALIVE = HttpsKeepalive(
    kind="https-keepalive", from_="client", to="tenant", every=200_000_000, timeout=2 * S, name="portal"
)


def test_a_connection_is_kept_alive(https: Site) -> None:
    """All requests are answered on one connection, which is made once."""
    found = measured(KEEPALIVE, https)

    assert {(0, "answered", 403)} == {(r["session"], r["event"], r["status"]) for r in found}
    assert 20 == pytest.approx(len(found), abs=4)
    assert [True] + [False] * (len(found) - 1) == [r["connect_ns"] is not None for r in found]


def test_another_uplink_resets_the_connection(lab: Lab, https: Site) -> None:
    """The tenant does not know the connection's new address; the next request goes over a second one."""
    found = measured(KEEPALIVE, https, (1.5, lab.fail_over))

    assert ["reset"] == [r["event"] for r in found if r["event"] != "answered"]
    assert {0, 1} == {r["session"] for r in found}


def test_a_session_that_the_tenant_closed_is_marked(lab: Lab, https: Site) -> None:
    """The same reset is the tenant's own where the tenant says so: by the name of the session."""
    site = replace(https, closed=lambda: frozenset({"portal-0"}))
    found = measured(KEEPALIVE, site, (1.5, lab.fail_over))

    assert [TENANT_ENDED] == [r["event"] for r in found if r["event"] != "answered"]


def test_a_request_without_an_answer_is_given_up(lab: Lab, https: Site) -> None:
    """On a dark path the request that waited too long ends the session."""
    found = measured(KEEPALIVE, https, (1, lab.go_dark))
    lab.recover()

    assert "gave up" == next(r["event"] for r in found if r["event"] != "answered")


def test_the_screen_says_it_in_words(lab: Lab, tmp_path: Path) -> None:
    """While it runs, a call tells its delay and a transfer its rate and session; then they have ended."""
    for traffic, word in ((CALL, "one way"), (transfer(rate=2_000_000), "Mbit/s, session 1")):
        probe, at_ns = started(traffic, lab.site(tmp_path, 2))
        assert ProbeState.STARTING is probe.poll().state
        wait_until(at_ns + 3 * S // 2)
        live = probe.poll()
        assert ProbeState.RUNNING is live.state
        assert word in live.text
        assert probe.so_far().num_rows > 5
        wait_until(at_ns + 2 * S)
        probe.finish()
