"""A built network, for the tests of what is in it and of what can go wrong in it."""

from __future__ import annotations

import os

import pytest

from testbed import paths
from testbed.lab.devices import DeviceAccess
from testbed.lab.network import Network
from testbed.model.topology import EMULATOR, Topology
from testbed.yaml import load

NAME = "account.blob.core.windows.net"


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """The two-uplinks network; a bridge stands in for each emulated link."""
    if "TESTBED_SANDBOX" not in os.environ:
        pytest.skip("starts daemons in namespaces: run it in a sandbox, with 'make test-system'")
    topology = load.read(paths.TOPOLOGIES / "hub-two-uplinks.yaml", Topology)
    network = Network(topology, tmp_path_factory.mktemp("logs"))
    network.build()
    network.start_services({NAME: "203.0.113.10"})
    for uplink in topology.uplinks.values():
        bridge = f"ip link add name br-{uplink.name} type bridge && ip link set br-{uplink.name} up"
        enslave = "".join(f" && ip link set {port} master br-{uplink.name}" for port in uplink.interfaces)
        sh(network.devices[EMULATOR], bridge + enslave)
    return network


def sh(device: DeviceAccess, script: str) -> str:
    done = device.run(["sh", "-euc", script], 20)
    assert 0 == done.returncode, f"{device.name}: {script}: {done.stderr}{done.stdout}"
    return done.stdout
