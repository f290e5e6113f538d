"""New flows beside the heartbeat, through a hub that keeps old flows where they are: real NAT, real marks."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from testbed.model.traffic import UdpEcho, UdpFlows
from testbed.probes.kinds import probe_for
from tests.system.probes.two_wans import Lab, _do

S = 10**9
HEARTBEAT = UdpEcho(kind="udp-echo", from_="client", to="tenant", every=10**7, name="heartbeat")
NEW_FLOWS = UdpFlows(kind="udp-flows", from_="client", to="tenant", every=10**7, name="newcomers")
KEEP = """
table ip keep {
  chain restore {
    type filter hook prerouting priority mangle; iifname "lan0" ct mark != 0 meta mark set ct mark;
  }
  chain remember {
    type filter hook postrouting priority mangle;
    oifname "wan0" ct mark 0 ct mark set 1; oifname "wan1" ct mark 0 ct mark set 2;
    oifname "wan0" ip dscp 46 counter comment "old-wan0"; oifname "wan1" ip dscp 46 counter comment "old-wan1";
    oifname "wan0" ip dscp 44 counter comment "new-wan0"; oifname "wan1" ip dscp 44 counter comment "new-wan1";
  }
}
"""


def counted(lab: Lab) -> dict[str, int]:
    """How many packets of each mark left by each uplink."""
    listed = lab.hub.run(["nft", "list", "table", "ip", "keep"]).stdout
    return {
        name: int(n) for n, name in re.findall(r'counter packets (\d+) bytes \d+ comment "([\w-]+)"', listed)
    }


def measured(
    lab: Lab, folder: Path, duration_s: float, *, keep: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """Let both measure; halfway a hub that keeps old flows takes its route to wan1. Return their samples."""
    probes = [
        probe_for(traffic, lab.site(folder, duration_s, index=index))
        for index, traffic in enumerate((HEARTBEAT, NEW_FLOWS))
    ]
    for probe in probes:
        probe.open()
    for probe in probes:
        probe.ready()
    at_ns = time.time_ns() + S
    for probe in probes:
        probe.start(at_ns)
    while time.time_ns() < at_ns + duration_s / 2 * S:
        time.sleep(0.01)
    if keep:
        _do(lab.hub, "ip route replace default via 198.51.100.5 dev wan1")
    while time.time_ns() < at_ns + (duration_s + 1) * S:
        time.sleep(0.01)
    return {path.stem: pq.read_table(path).to_pylist() for path in (probe.finish() for probe in probes)}


@pytest.fixture
def keeping(lab: Lab) -> Lab:
    """A hub that remembers for each flow which uplink it began on."""
    subprocess.run(lab.hub.argv(["nft", "-f", "-"]), input=KEEP, text=True, check=True)
    for number, gateway, port in ((1, "198.51.100.1", "wan0"), (2, "198.51.100.5", "wan1")):
        _do(lab.hub, f"ip route add default via {gateway} dev {port} table {100 + number}")
        _do(lab.hub, f"ip rule add fwmark {number} lookup {100 + number}")
    return lab


def test_new_flows_move_at_once_where_old_ones_stay(keeping: Lab, tmp_path: Path) -> None:
    """The route moves: the heartbeat's one flow stays on its uplink, new flows leave by the other."""
    found = measured(keeping, tmp_path, 4, keep=True)
    left = counted(keeping)

    assert 0 == left["old-wan1"]
    assert left["old-wan0"] > 300
    assert left["new-wan0"] > 100
    assert left["new-wan1"] > 100
    assert 0.95 < np.mean([row["lost"] == "none" for row in found["newcomers"]])


def test_each_packet_is_a_flow_of_its_own(lab: Lab, tmp_path: Path) -> None:
    """The hub knows as many flows as packets were sent, and each is answered in a few milliseconds."""
    rows = measured(lab, tmp_path, 2)["newcomers"]
    known = lab.hub.run(["conntrack", "-L", "-p", "udp", "--dport", "5402"]).stdout
    ports = {int(port) for port in re.findall(r"src=192\.168\.10\.101 \S+ sport=(\d+)", known)}

    assert len(rows) == pytest.approx(len(ports), abs=5)
    assert 200 + 50 == pytest.approx(len(rows), rel=0.2)
    assert ports <= set(range(10_000, 32_768))
    assert list(range(len(rows))) == pytest.approx([row["seq"] for row in rows], abs=30)
    assert 0 < np.median([row["rtt_ns"] for row in rows if row["rtt_ns"]]) < 20_000_000


def test_what_is_lost_has_a_direction(lab: Lab, tmp_path: Path) -> None:
    """Packets that the hub drops on their way up never came to the tenant."""
    _do(lab.hub, "nft add rule ip filter forward iifname lan0 ip dscp 44 drop")
    rows = measured(lab, tmp_path, 2)["newcomers"]

    assert {("up", None)} == {(row["lost"], row["rtt_ns"]) for row in rows}
    _do(lab.hub, "nft flush chain ip filter forward")
    _do(lab.hub, "nft add rule ip filter forward oifname lan0 ip dscp 44 drop")
    rows = measured(lab, tmp_path, 2)["newcomers"]

    assert {None} == {row["rtt_ns"] for row in rows}
    assert 0.95 < np.mean([row["lost"] == "down" for row in rows])
