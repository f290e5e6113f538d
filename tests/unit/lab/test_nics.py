"""A NIC's settings: read from what ``ip`` prints, written as what ``ip`` reads."""

from __future__ import annotations

from typing import Any

from testbed.lab.nics import Nic

LINK: dict[str, Any] = {
    "ifname": "enp1s0",
    "flags": ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
    "mtu": 9000,
    "ifalias": "to the left",
    "addr_info": [
        {
            "family": "inet",
            "local": "10.9.0.1",
            "prefixlen": 24,
            "broadcast": "10.9.0.255",
            "scope": "global",
        },
        {
            "family": "inet",
            "local": "10.8.0.7",
            "prefixlen": 16,
            "scope": "global",
            "dynamic": True,
            "valid_life_time": 3600,
            "preferred_life_time": 1800,
        },
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64, "scope": "link"},
    ],
}
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "10.9.0.0/24", "dev": "enp1s0", "protocol": "kernel", "prefsrc": "10.9.0.1"},
    {"dst": "10.77.0.0/16", "gateway": "10.9.0.254", "dev": "enp1s0", "protocol": "static", "metric": 5},
]


def test_a_nic_is_brought_back_to_what_it_was() -> None:
    """MTU, state, addresses with their lifetimes and routes come back; what the kernel makes itself does not."""
    assert (
        "link set dev enp1s0 mtu 9000",
        "link set dev enp1s0 up",
        "address replace 10.9.0.1/24 brd + dev enp1s0",
        "address replace 10.8.0.7/16 dev enp1s0 valid_lft 3600 preferred_lft 1800",
        "route replace 10.77.0.0/16 via 10.9.0.254 metric 5 proto static dev enp1s0",
    ) == Nic.of(LINK, ROUTES).settings


def test_a_nic_that_was_down_stays_down() -> None:
    """A NIC that nobody used is given back as it was."""
    settings = Nic.of(LINK | {"flags": ["BROADCAST"], "addr_info": []}, []).settings

    assert ("link set dev enp1s0 mtu 9000", "link set dev enp1s0 down") == settings


def test_only_the_nic_of_the_default_route_carries_it() -> None:
    """The host's way out is known by its NIC."""
    assert not Nic.of(LINK, ROUTES).default_route
    assert Nic.of(LINK | {"ifname": "eth0"}, ROUTES).default_route
