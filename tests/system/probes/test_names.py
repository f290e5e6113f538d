"""Queries of a LAN client to a real dnsmasq on the hub."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.model.traffic import DnsQuery
from tests.system.probes.test_flows import HOST, S, measured, wait_until
from tests.system.probes.two_wans import Lab

pytestmark = pytest.mark.skipif(shutil.which("dnsmasq") is None, reason="needs dnsmasq")
SERVE = "dnsmasq --keep-in-foreground --user=root --conf-file=/dev/null --no-hosts --no-resolv --pid-file="


@pytest.fixture
def resolver(lab: Lab) -> Iterator[Callable[[str], None]]:
    """Starts the hub's resolver, which knows one address for all names below the tenant's."""
    running = []

    def start(address: str) -> None:
        running.append(lab.hub.popen([*SERVE.split(), f"--address=/{HOST}/{address}"]))
        wait_until(time.time_ns() + 5 * S, lambda: ":53" in lab.hub.run(["ss", "-Hlun"]).stdout)

    yield start
    for process in running:
        process.kill()
        process.wait()


def asked(lab: Lab, folder: Path, *at: Any, **options: Any) -> list[dict[str, Any]]:
    traffic = DnsQuery(
        kind="dns-query", from_="client", to="tenant", every=100_000_000, timeout=S, name="names", **options
    )
    site = lab.site(folder, 2, tenant_host=HOST, resolver="192.168.10.1")
    return measured(traffic, site, *at)


def test_every_query_asks_for_a_new_name_and_is_compared(lab: Lab, tmp_path: Path, resolver: Any) -> None:
    """Twenty names that nobody knew before, each with the address that it should have."""
    resolver("203.0.113.10")
    rows = asked(lab, tmp_path)

    assert {(0, True, None)} == {(r["rcode"], r["right"], r["error"]) for r in rows}
    assert [f"q{n:06}.{HOST}" for n in range(20)] == [r["name"] for r in rows]
    assert all(r["latency_ns"] > 0 for r in rows)


def test_another_address_is_not_the_right_one(lab: Lab, tmp_path: Path, resolver: Any) -> None:
    """A resolver that sends clients elsewhere has answered, and not found the name."""
    resolver("203.0.113.99")

    rows = asked(lab, tmp_path, names="same")
    assert {(HOST, 0, False)} == {(r["name"], r["rcode"], r["right"]) for r in rows}


def test_a_hub_without_a_resolver_and_a_silent_one_are_told(lab: Lab, tmp_path: Path) -> None:
    """Nothing listens: refused at once. The hub drops the queries: each waits for its time-out."""

    def drop() -> None:
        for command in ("add table ip deaf", "add chain ip deaf in { type filter hook input priority 0; }"):
            assert 0 == lab.hub.run(["nft", command]).returncode
        assert 0 == lab.hub.run(["nft", "add rule ip deaf in udp dport 53 drop"]).returncode

    rows = asked(lab, tmp_path, (1.0, drop))

    assert {None} == {r["rcode"] for r in rows} == {r["right"] for r in rows}
    assert rows[0]["error"].startswith("ConnectionRefusedError: ")
    assert "timeout: 1 s" == rows[-1]["error"]
