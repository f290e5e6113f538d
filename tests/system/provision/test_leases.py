"""What the role wan does when an uplink's network is another one after its cable was out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.system.provision.conftest import Lab
from tests.system.provision.test_hub import best_route, until

SERVE = """
rm -f /run/leases; ip address flush dev lan0; ip address add {router}/24 dev lan0
dnsmasq --user=root --conf-file=/dev/null --no-hosts --no-resolv --no-ping --pid-file=/run/dnsmasq.pid \\
    --interface=lan0 --server=203.0.113.1 --dhcp-authoritative --dhcp-leasefile=/run/leases \\
    --dhcp-range={address},{address},1h --dhcp-option=option:router,{router}
"""
UNPLUG = "ip link set lan0 down; kill -KILL $(cat /run/dnsmasq.pid)"


@pytest.fixture(scope="module")
def hub(lab: Lab) -> Iterator[Lab]:
    """The lab with a hub that pings through its uplinks."""
    lab.provision(hub_cache=False)
    yield lab


def unplugged(lab: Lab) -> None:
    """Take the dish's cable out, and wait until the hub has seen it."""
    lab.sh("dish", UNPLUG)
    until(lambda: "unplugged" in lab.sh("hub", "ls /run/hub"), 10)


def events(lab: Lab) -> list[str]:
    """Return what became of the dish's lease, in order."""
    log = lab.sh("hub", "grep starlink /var/log/hub/uplinks.jsonl || true")
    return re.findall(r'"state": "(bound|deconfigured)"', log)


def test_another_network_is_leased_within_a_minute(hub: Lab) -> None:
    """After a reboot with another range the hub has the new address alone, and starlink carries by it."""
    unplugged(hub)
    hub.sh("dish", SERVE.format(router="100.64.77.1", address="100.64.77.150") + "ip link set lan0 up")
    until(lambda: "100.64.77.150" in hub.sh("hub", "ip -br -4 a show dev wan0"), 60)
    until(lambda: best_route(hub) == "wan0", 10)

    assert ["100.64.77.150/24"] == hub.sh("hub", "ip -br -4 a show dev wan0").split()[2:]
    assert "from 100.64.10.100" not in hub.sh("hub", "ip rule")
    assert "via 100.64.77.1 dev wan0" in hub.sh("hub", "ip route show table 101; ip route")
    hub.sh("hub", "ping -q -c 1 -W 2 -I 100.64.77.150 203.0.113.10")


def test_the_same_lease_breaks_nothing(hub: Lab) -> None:
    """After a reboot with the same range the hub asked anew, and neither address nor tracked flow went meanwhile."""
    hub.sh("client", "ping -q -c 1 -W 2 203.0.113.10")
    before = events(hub)
    unplugged(hub)
    hub.sh("dish", SERVE.format(router="100.64.77.1", address="100.64.77.150") + "ip link set lan0 up")
    until(lambda: len(events(hub)) > len(before), 60)

    assert ["bound"] == events(hub)[len(before) :]
