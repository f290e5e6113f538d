"""IPv6 in topologies and scenarios: each mistake stands beside the message that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.ipv6 import Lifetimes
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load

DUAL = (paths.TOPOLOGIES / "hub-dual-stack.yaml").read_text(encoding="utf-8")
SCENARIO = """\
topology: hub-dual-stack
duration: 60 s
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
traffic:
  heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms, family: ipv6}
  lan: {kind: ipv6-source, from: client, to: tenant}
hub: {ra_interval: 4 s}
objectives: [{metric: address_gap, at_most: 5 s}]
"""
TOPOLOGIES = {
    "IPv6 where IPv4 stands": (
        "ports: {lan0: 100.64.10.1/24,",
        "ports: {lan0: '2001:db8:a::1/64',",
        "port 'lan0' has the IPv6 address '2001:db8:a::1/64', where its IPv4 address stands; write that, and beside "
        "it 'ipv6: {ports: {lan0: 2001:db8:a::1/64}}'",
    ),
    "gateway": (
        "gateway: 100.127.10.1",
        "gateway: '2001:db8::1'",
        "gateway is the IPv6 address '2001:db8::1'; write it in 'ipv6: {...}' (docs/ipv6.md), and an IPv4 address here",
    ),
    "lease": (
        "address: 192.168.8.100",
        "address: '2001:db8::100'",
        "lease is the IPv6 address '2001:db8::100'; write it in 'ipv6: {...}' (docs/ipv6.md), and an IPv4 address here",
    ),
    "probe target": ("probe_target: 203.0.113.1", "probe_target: '2001:db8:1::1'", "write an IPv4 address"),
    "no prefix": ('["2001:db8:a100::/56", "2001:db8:a200::/56"]', "[]", "no prefix; write one such as"),
    "too long": ("2001:db8:a200::/56", "2001:db8:a200::/72", "'2001:db8:a200::/72'; write an IPv6 prefix that holds"),
    "host bits": ("2001:db8:a200::/56", "2001:db8:a200::1/56", "'2001:db8:a200::1/56'; write an IPv6 prefix"),
    "IPv4 in ports": ('lan0: "2001:db8:b::1/64"', "lan0: 10.0.0.1/24", "port 'lan0' has address '10.0.0.1/24'; write"),
    "no /64": ('"2001:db8:a::1/64"', '"2001:db8:a::1/48"', "port 'lan0' has '2001:db8:a::1/48'; give the hub's"),
    "no such port": ("delegation: {port: lan0", "delegation: {port: lan1", "no IPv6 address on port 'lan1'; did you"),
    "route": ('"2001:db8:1::/64": "', '"2001:db8:1::/64": "x', "via 'x2001:db8:f:5::2'; write an IPv6 prefix and"),
    "of the hub": (
        "wan1: dhcp}",
        "wan1: dhcp}\n    ipv6: {}",
        "IPv6 is written down for a hub; leave it away: hub and LAN get what a CPE delegates",
    ),
    "a PoP that delegates": (
        'gateway: "2001:db8:f:3::1"',
        'gateway: "2001:db8:f:3::1"\n      delegation: {port: sky0, prefixes: ["2001:db8:c::/56"]}',
        "a pop delegates a prefix; let a cpe delegate",
    ),
    "lifetimes": (
        '"2001:db8:a200::/56"]',
        '"2001:db8:a200::/56"], lifetimes: {preferred: 9 s, valid: 6 s}',
        "preferred is longer than valid: 9 s; write 6 s or less",
    ),
}
SCENARIOS = {
    "heartbeat without IPv6": (
        "hub-dual-stack",
        "hub-two-uplinks",
        "s.yaml:5: 'heartbeat' goes by IPv6, which topology hub-two-uplinks does not have; take one with IPv6: "
        "'topology: hub-dual-stack'",
    ),
    "address without IPv6": (
        "hub-dual-stack",
        "hub-two-uplinks",
        "s.yaml:6: 'lan' goes by IPv6, which topology hub-two-uplinks does not have; take one with IPv6: "
        "'topology: hub-dual-stack'",
    ),
    "a failover of IPv4": (
        "ra_interval: 4 s",
        "failover: bgp-bfd",
        "s.yaml:5: 'heartbeat' goes by IPv6, and failover bgp-bfd carries IPv4 alone; choose ping-tracked or none",
    ),
    "too often": ("4 s}", "1 s}", "s.yaml:7: ra_interval is 1 s; write whole seconds, 4 s to 1800 s (RFC 4861)"),
    "family": ("family: ipv6", "family: ipv5", "s.yaml:5: unknown family 'ipv5'; did you mean 'ipv6'?"),
    "nothing to live long": (
        "topology: hub-dual-stack\nduration: 60 s\nuplinks: {starlink: {fixed: {delay: 25 ms}}",
        "topology: hub-two-uplinks\nduration: 60 s\n"
        "uplinks: {starlink: {fixed: {delay: 25 ms}, lifetimes: {preferred: 10 s, valid: 20 s}}",
        "s.yaml:3: lifetimes of IPv6 prefixes, and uplink starlink of topology hub-two-uplinks delegates none; "
        "leave them away, or take another topology",
    ),
    "a short life": (
        "25 ms}}",
        "25 ms}, lifetimes: {preferred: 1 s, valid: 20 s}}",
        "s.yaml:3: preferred is 1 s; write whole seconds, 4 s or more",
    ),
}


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_a_topology_with_a_mistake_is_refused(name: str, tmp_path: Path) -> None:
    """It is named before anything is built."""
    before, after, message = TOPOLOGIES[name]
    assert before in DUAL
    (tmp_path / "t.yaml").write_text(DUAL.replace(before, after, 1))

    with pytest.raises(InputError) as refusal:
        load.read(tmp_path / "t.yaml", Topology)

    assert message in str(refusal.value)


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_that_asks_for_what_is_not_there_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dry run says where and what would be right, whether it has a topology with IPv6 or not."""
    before, after, message = SCENARIOS[name]
    assert before in SCENARIO
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(SCENARIO.replace(before, after, 1))

    with pytest.raises(InputError) as refusal:
        plan.make(Path("s.yaml"))

    assert message in str(refusal.value).splitlines()


def test_a_scenario_s_lifetimes_are_those_that_are_played(tmp_path: Path) -> None:
    """They replace the topology's for the uplink that they are written for, and for no other."""
    path = tmp_path / "s.yaml"
    path.write_text(SCENARIO.replace("25 ms}}", "25 ms}, lifetimes: {preferred: 10 s, valid: 20 s}}", 1))
    delegations = plan.make(path).topology.delegations

    assert (10 * 10**9, 20 * 10**9) == _lives(delegations["starlink"].lifetimes)
    assert (150 * 10**9, 300 * 10**9) == _lives(delegations["lte"].lifetimes)


def _lives(lifetimes: Lifetimes) -> tuple[int, int]:
    return lifetimes.preferred, lifetimes.valid
