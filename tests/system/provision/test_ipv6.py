"""IPv6 as Starlink gives it, over the emulated links: prefixes on the LAN, who carries, what becomes of an old one."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed import paths
from testbed.lab.network import Network
from testbed.lab.provision import provision
from testbed.link.backend import LinkSpec
from testbed.link.native import NativeBackend
from testbed.model.topology import EMULATOR
from testbed.run import plan
from testbed.run.variables import hub_variables
from testbed.tenant.backend import Access, Endpoint
from tests.system.lab.conftest import sh
from tests.system.provision.test_hub import until

DROP = "{ type filter hook forward priority 0; policy drop; }"
TENANT = "2001:db8:1::10"
SCENARIO = """\
topology: hub-dual-stack
duration: 90 s
uplinks:
  starlink: {fixed: {delay: 10 ms}, lifetimes: {preferred: 60 s, valid: 120 s}}
  lte: {fixed: {delay: 40 ms}, lifetimes: {preferred: 60 s, valid: 120 s}}
hub: {failover: ping-tracked, cache: off}
traffic: {heartbeat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}}
objectives: [{metric: interruption, at_most: 1 s}]
"""


@dataclass(frozen=True)
class DualStack:
    """A provisioned lab of the topology hub-dual-stack."""

    network: Network

    def sh(self, node: str, script: str) -> str:
        return sh(self.network.devices[node], script)

    def addresses(self, node: str = "client") -> Mapping[str, bool]:
        """Return a client's global addresses by their /64, and whether each may be used for something new."""
        shown = json.loads(self.sh(node, "ip -6 -json address show scope global dev eth0"))
        found = [entry for interface in shown for entry in interface["addr_info"] if "local" in entry]
        return {_network(e["local"]): not e.get("deprecated") and not e.get("tentative") for e in found}

    def source(self) -> str:
        """Return the /64 that the client would send from."""
        route = json.loads(self.sh("client", f"ip -6 -json route get {TENANT}"))[0]
        return _network(route["prefsrc"])

    def reaches_the_tenant(self) -> bool:
        return "1 received" in self.sh("client", f"ping -6 -c 1 -W 2 {TENANT} || true")


def _network(address: str) -> str:
    return ":".join(address.split(":")[:3])


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DualStack]:
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("starts daemons in namespaces: 'make test-system' runs it in a sandbox")
    if not Path("/proc/sys/net/ipv6").is_dir():
        pytest.skip("this kernel has no IPv6")
    folder = tmp_path_factory.mktemp("dual")
    (folder / "dual.yaml").write_text(SCENARIO)
    planned = plan.make(folder / "dual.yaml")
    network = Network(planned.topology, folder)
    network.build()
    network.start_services({})
    links = NativeBackend(folder / "links", network.devices[EMULATOR].popen, spin=False)
    uplinks = planned.topology.uplinks.items()
    links.open([LinkSpec(n, *u.interfaces, *planned.links[n].pair, seed=1) for n, u in uplinks])
    hub = network.devices["hub"]
    endpoint = Endpoint("account.example", "203.0.113.10", 443, "content", None)
    variables = hub_variables(planned.scenario, planned.topology, endpoint, dict.fromkeys(Access, ""))
    (folder / "ansible").mkdir()
    provision(paths.PLAYBOOKS / "hub.yml", {"hubs": [hub]}, {"hub": variables}, folder / "ansible")
    lab = DualStack(network)
    until(lambda: lab.addresses() == {"2001:db8:a100": True, "2001:db8:b100": False}, 20)
    yield lab
    links.close()


def test_a_client_gets_an_address_of_each_uplink(lab: DualStack) -> None:
    """That of the uplink that carries is the one to use; it reaches the tenant over the emulated link as it is."""
    assert "2001:db8:a100" == lab.source()
    assert lab.reaches_the_tenant()
    assert "ip6 nat" not in lab.sh("hub", "nft list ruleset")


def test_the_tenant_sees_the_client_s_own_address(lab: DualStack) -> None:
    """No address is translated between client and tenant."""
    listening = lab.network.devices["tenant"].popen(
        ["python3", "-uc", _ONE_PACKET, TENANT], stdout=-1, text=True
    )
    assert listening.stdout is not None
    assert "ready\n" == listening.stdout.readline()
    sent = lab.sh("client", f'python3 -c "{_SEND}" {TENANT}')

    assert sent == listening.stdout.readline()
    listening.wait(10)


_ONE_PACKET = """\
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind((sys.argv[1], 4000)); s.settimeout(20)
print('ready'); print(s.recvfrom(100)[1][0])
"""
_SEND = (
    "import socket, sys; s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.connect((sys.argv[1], 4000)); "
    "s.send(b'x'); print(s.getsockname()[0])"
)


def test_at_failover_clients_change_their_prefix_and_back(lab: DualStack) -> None:
    """The failed uplink's prefix is deprecated on the LAN at once, though it lives; it is preferred at its return."""
    lab.sh("dish", f"nft add table inet cut; nft 'add chain inet cut f {DROP}'")
    until(lambda: lab.source() == "2001:db8:b100", 15)
    assert lab.reaches_the_tenant()
    assert {"2001:db8:a100": False, "2001:db8:b100": True} == lab.addresses()
    lab.sh("dish", "nft delete table inet cut")
    until(lambda: lab.source() == "2001:db8:a100", 20)
    assert lab.reaches_the_tenant()


def test_after_a_reboot_there_is_another_prefix(lab: DualStack) -> None:
    """The CPE delegates its next one; the old one is deprecated, and no rule of the hub's is left of it."""
    lab.sh("dish", "ip link set lan0 down")
    lab.network.stop_service("dish")
    lab.network.stop_ipv6("dish")
    lab.sh("dish", "ip link set lan0 up")
    lab.network.start_service("dish")
    lab.network.start_ipv6("dish")
    until(lambda: lab.addresses().get("2001:db8:a200", False), 40)
    until(lambda: lab.source() == "2001:db8:a200", 20)

    assert lab.reaches_the_tenant()
    assert not lab.addresses().get("2001:db8:a100", False)
    assert "2001:db8:a100" not in lab.sh("hub", "ip -6 rule; ip -6 address show dev lan0")
