"""From when on a probe's client may have done all it has to: one that ends before is missed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from testbed.model.traffic import DnsQuery, HttpsKeepalive, Ipv6Source, QuicEcho
from testbed.probes.kinds import probe_for
from testbed.probes.probe import Site
from testbed.tenant.certificates import ServerFiles

KINDS = {"dns-query": DnsQuery, "https-keepalive": HttpsKeepalive, "ipv6-source": Ipv6Source, "quic": QuicEcho}


@pytest.mark.parametrize("kind", KINDS)
def test_who_asks_at_a_beat_is_done_after_the_last(kind: str, tmp_path: Path) -> None:
    """It has nothing to do between its last beat and the end."""
    traffic = cast(Any, KINDS[kind])(name="t", kind=kind, from_="client", to="tenant", every=3 * 10**8)
    nobody, files = cast(Any, None), ServerFiles(tmp_path, tmp_path, tmp_path)
    site = Site(nobody, nobody, 9 * 10**9, tmp_path, tmp_path, authority=tmp_path, identity=files)

    assert 87 * 10**8 == cast(Any, probe_for(traffic, site)).done_from_ns
