"""The network that Mininet builds: every wire, address and service of the topology, in namespaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.lab.network import CONGESTION_CONTROL, Network
from testbed.model.topology import NodeKind
from tests.system.lab.conftest import NAME, sh


def test_every_port_has_its_address(network: Network) -> None:
    """Each port exists in its node, with the address that the file gives it; the hub's come with provisioning."""
    for node in network.topology.nodes.values():
        shown = sh(network.devices[node.name], "ip -brief address")
        words = {line.partition("@")[0]: line.split() for line in shown.splitlines()}
        for port, address in node.ports.items():
            assert "UP" == words[port][1]
            assert address in words[port] or "/" not in address or node.kind is NodeKind.HUB


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("client", "192.168.10.102"),
        ("dish", "203.0.113.10"),
        ("modem", "203.0.113.10"),
        ("tenant", "198.51.100.2"),
    ],
)
def test_nodes_reach_each_other(network: Network, node: str, address: str) -> None:
    """Clients meet on the LAN; both uplinks reach the tenant through their PoP's address translation."""
    assert "1 received" in sh(network.devices[node], f"ping -c 1 -W 5 {address}")


@pytest.mark.parametrize(
    ("port", "address", "router"),
    [("wan0", "100.64.10.100", "100.64.10.1"), ("wan1", "192.168.8.100", "192.168.8.1")],
)
def test_a_hub_gets_a_lease_on_each_wan_port(network: Network, port: str, address: str, router: str) -> None:
    """A hub that is plugged in comes up by itself: address, router and name service by DHCP."""
    said = sh(
        network.devices["hub"],
        "printf '#!/bin/sh\\nenv\\n' > /run/show; chmod +x /run/show; "
        f"udhcpc -i {port} -n -q -f -t 10 -T 1 -s /run/show",
    )

    assert f"ip={address}" in said
    assert f"router={router}" in said
    assert f"dns={router}" in said


def test_the_tenant_s_name_is_known_behind_the_dish(network: Network) -> None:
    """The dish forwards name service to the Internet's, which knows the storage account."""
    lookup = f"from socket import gethostbyname as g; print(g('{NAME}'))"
    script = f'echo nameserver 100.64.10.1 > /etc/resolv.conf; /usr/bin/python3 -c "{lookup}"'

    assert "203.0.113.10\n" == sh(network.devices["dish"], script)


def test_what_a_device_writes_stays_its_own(network: Network) -> None:
    """/etc, /var, /root and /run are private to each device; the host's files do not change."""
    before = Path("/etc/hostname").read_text()
    for folder in ("/etc", "/var", "/root", "/run"):
        sh(network.devices["dish"], f"echo dish > {folder}/testbed-private; echo changed > /etc/hostname")
        absent = f"test ! -e {folder}/testbed-private"
        sh(network.devices["modem"], absent)
        assert not Path(folder, "testbed-private").exists()
    assert before == Path("/etc/hostname").read_text()


def test_tcp_does_not_depend_on_the_host(network: Network) -> None:
    """A connection beyond a node's own network has the kernel's congestion control, whatever the host chose."""
    script = (
        "from socket import *; c = create_connection(('198.51.100.9', 53)); "
        "print(c.getsockopt(IPPROTO_TCP, TCP_CONGESTION, 16).rstrip(bytes(1)).decode())"
    )

    assert f"{CONGESTION_CONTROL}\n" == sh(network.devices["dish"], f'/usr/bin/python3 -c "{script}"')


def test_every_service_is_running(network: Network) -> None:
    """A service that ended is found, by its name."""
    assert [] == [part.name for part in network.parts() if part.ended(0)]
