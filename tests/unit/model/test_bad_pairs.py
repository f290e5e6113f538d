"""Scenarios that ask of a topology what it does not have, each beside the message that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.run import plan

TOPOLOGY = (paths.TOPOLOGIES / "hub-two-uplinks.yaml").read_text(encoding="utf-8")
SCENARIO = """\
topology: {topology}
duration: 90 s
uplinks: {{starlink: {{fixed: {{delay: 25 ms}}}}, lte: {{fixed: {{delay: 40 ms}}}}}}
traffic: {{heartbeat: {{kind: udp-echo, from: client, to: tenant, every: 10 ms}}}}
events: [{event}]
objectives: [{objective}]
"""
ANY_EVENT, ANY_OBJECTIVE = "{at: 1 s, tenant_errors: 1 s}", "{metric: failovers, at_most: 0}"
COST = "{metric: metered_cost, at_most: 1 USD}"

PAIRS = {
    "metered bytes without a metered uplink": (
        (", metered: true, tariff: 4.50 USD/GB", ""),
        ANY_EVENT,
        "{metric: metered_bytes, at_most: 1 MB}",
        "s.yaml:6: metered_bytes, and topology T has no metered uplink; add 'metered: true' to one",
    ),
    "stranded on nothing that is metered": (
        (", metered: true, tariff: 4.50 USD/GB", ""),
        ANY_EVENT,
        "{metric: stranded_time, at_most: 1 s}",
        "s.yaml:6: stranded_time, and topology T has no metered uplink; add 'metered: true' to one",
    ),
    "cost without a tariff": (
        (", tariff: 4.50 USD/GB", ""),
        ANY_EVENT,
        COST,
        "s.yaml:6: metered_cost, and uplink lte of topology T has no tariff; add 'tariff: 4.50 USD/GB' to it",
    ),
    "tariff without a currency": (
        ("4.50 USD/GB", "4.50"),
        ANY_EVENT,
        COST,
        "t.yaml:72: tariff is '4.50'; write a price: a number and one of the units USD/kB, USD/MB, USD/GB, "
        "USD/KiB, USD/MiB, USD/GiB, such as '4.50 USD/GB'",
    ),
    "tariff of what is not metered": (
        ("metered: true, tariff", "tariff"),
        ANY_EVENT,
        COST,
        "t.yaml:72: uplink lte has a tariff and is not metered; add 'metered: true'",
    ),
    "nothing to reboot": (
        ("  - [hub:wan0, dish:lan0]\n", ""),
        "{at: 1 s, uplink: starlink, reboot: 9 s}",
        ANY_OBJECTIVE,
        "s.yaml:5: reboot, and in topology T no wire leads to starlink's CPE; wire the hub's port to it",
    ),
    "no resolver of one uplink": (
        ("  - [hub:wan0, dish:lan0]\n", ""),
        "{at: 1 s, uplink: starlink, dns_failure: 9 s}",
        ANY_OBJECTIVE,
        "s.yaml:5: dns_failure, and in topology T no wire leads to starlink's CPE; wire the hub's port to it",
    ),
    "nothing leased": (
        ("    lease: {port: lan0, address: 192.168.8.100}\n", ""),
        "{at: 1 s, uplink: lte, dhcp_down: 9 s}",
        ANY_OBJECTIVE,
        "s.yaml:5: dhcp_down, and in topology T modem leases nothing; add 'lease: {port: lan0, ...}' to it",
    ),
    "an address of another network": (
        ("kind: router", "kind: router"),
        "{at: 1 s, uplink: lte, lease: 9 s, address: 192.168.9.7}",
        ANY_OBJECTIVE,
        "s.yaml:5: modem cannot lease 192.168.9.7; write an address of 192.168.8.0/24 that is not its own",
    ),
    "the CPE's own address": (
        ("kind: router", "kind: router"),
        "{at: 1 s, uplink: lte, reboot: 9 s, address: 192.168.8.1}",
        ANY_OBJECTIVE,
        "s.yaml:5: modem cannot lease 192.168.8.1; write an address of 192.168.8.0/24 that is not its own",
    ),
    "a target that is none": (
        ("kind: router", "kind: router"),
        "{at: 1 s, target_down: 9 s, address: 192.0.2.7}",
        ANY_OBJECTIVE,
        "s.yaml:5: the hub does not ping 192.0.2.7; write 203.0.113.1, 198.51.100.10, all",
    ),
    "no resolver": (
        ("kind: router", "kind: pop"),
        "{at: 1 s, dns_failure: 9 s}",
        ANY_OBJECTIVE,
        "s.yaml:5: topology T has no resolver that could fail; add a node of kind router",
    ),
}
"""name: (change to the topology, event, objective, message)"""


@pytest.mark.parametrize("name", PAIRS)
def test_a_topology_that_lacks_what_is_asked(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before anything starts, at the line that asks for it."""
    (before, after), event, objective, message = PAIRS[name]
    assert before in TOPOLOGY
    monkeypatch.chdir(tmp_path)
    Path("t.yaml").write_text(TOPOLOGY.replace(before, after, 1))
    Path("s.yaml").write_text(SCENARIO.format(topology=tmp_path / "t.yaml", event=event, objective=objective))

    with pytest.raises(InputError) as refusal:
        plan.make(tmp_path / "s.yaml")

    found = str(refusal.value).replace(f"{tmp_path}/t.yaml", "T").replace(f"{tmp_path}/", "")
    assert found.replace("T:", "t.yaml:").startswith(message)
