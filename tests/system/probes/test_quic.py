"""QUIC over a hub that changes its uplink: real QUIC, real NAT, real silence."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from testbed.errors import RunError
from testbed.model.traffic import QuicEcho
from testbed.probes.kinds import probe_for
from testbed.probes.probe import Site
from testbed.tenant.certificates import issue
from tests.system.probes.test_flows import HOST, S, measured
from tests.system.probes.two_wans import Lab

TRAFFIC = QuicEcho(kind="quic", from_="client", to="tenant", every=100_000_000, timeout=3 * S, name="portal")


@pytest.fixture
def site(lab: Lab, tmp_path: Path) -> Site:
    identity = issue(tmp_path, HOST, "203.0.113.10", datetime.now(UTC))
    return lab.site(tmp_path, 4, tenant_host=HOST, identity=identity)


def test_a_connection_lives_on_behind_another_address(lab: Lab, site: Site) -> None:
    """After a failover the server answers to the new address; one session has all echoes."""
    rows = measured(TRAFFIC, site, (1.5, lab.fail_over))

    assert {("answered", 0)} == {(r["event"], r["session"]) for r in rows}
    assert max(r["t_ns"] for r in rows) > 3 * S
    assert [True] == [r["connect_ns"] is not None for r in rows][:1]
    said = [json.loads(line) for line in (site.logs / "portal-tenant.jsonl").read_text().splitlines()]
    assert ["198.51.100.6"] == [line["moved_to"][0] for line in said if "moved_to" in line][-1:]


def test_a_connection_that_hears_nothing_is_given_up(lab: Lab, site: Site) -> None:
    """Silence for longer than its patience ends the session; the next one begins when the path is back."""
    impatient = QuicEcho(kind="quic", from_="client", to="tenant", every=100_000_000, timeout=S, name="portal")
    rows = measured(impatient, site, (0.8, lab.go_dark), (2.3, lab.recover))

    ends = [r["event"] for r in rows if r["session"] == 0 and r["event"] != "answered"]
    assert ends and set(ends) <= {"gave up", "closed"}
    assert "answered" in {r["event"] for r in rows if r["session"] == 1}


def test_only_a_tenant_of_the_lab_has_such_an_end(lab: Lab, tmp_path: Path) -> None:
    """Without a certificate there is nothing to speak to, and the run says so before it starts."""
    with pytest.raises(RunError, match="portal: only a tenant of the lab has a QUIC end"):
        probe_for(TRAFFIC, lab.site(tmp_path, 1))
