"""Several real hubs in one network: what each has of its own, and what they share."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest

from testbed.model import many_hubs
from testbed.model.many_hubs import with_hubs
from testbed.model.topology import INTERFACE_NAME_LIMIT, NodeKind, Topology
from testbed.paths import TOPOLOGIES
from testbed.yaml import load


@pytest.fixture
def topology() -> Topology:
    return load.read(TOPOLOGIES / "fleet-shared-cells.yaml", Topology)


def test_one_hub_is_the_topology_itself(topology: Topology) -> None:
    """Nothing is changed where there is one real hub."""
    assert topology == with_hubs(topology, 1)


def test_each_hub_has_its_own_and_the_internet_is_there_once(topology: Topology) -> None:
    """Of three hubs each has a LAN, CPEs, PoPs and links; router, edge and tenant are shared."""
    found = with_hubs(topology, 3)

    counts = {kind: (len(topology.of_kind(kind)), len(found.of_kind(kind))) for kind in NodeKind}
    once = {NodeKind.ROUTER, NodeKind.EDGE, NodeKind.TENANT}
    assert all(after == (before if kind in once else 3 * before) for kind, (before, after) in counts.items())
    assert topology.hub == found.hub
    assert ["starlink", "lte", "starlink-2", "lte-2", "starlink-3", "lte-3"] == list(found.uplinks)
    ends = [end for wire in found.connections() for end in wire]
    assert len(ends) == len(set(ends))
    emulated = {name for uplink in found.uplinks.values() for name in uplink.interfaces}
    assert 12 == len(emulated) and max(map(len, emulated)) <= INTERFACE_NAME_LIMIT
    assert all(end.port in found.nodes[end.node].ports for end in ends if end.node in found.nodes)


def test_the_internet_tells_the_hubs_apart(topology: Topology) -> None:
    """Each PoP has a network of its own with the router, which is its gateway; inside, all are alike."""
    found = with_hubs(topology, 3)
    router = found.nodes["internet"]
    networks = [ipaddress.ip_interface(address).network for address in router.ports.values()]

    assert len(networks) == len(set(networks)) == 7
    pop = found.nodes["pop-lte-3"]
    leased = topology.fleet_hub(3).uplinks["lte"]
    assert (leased.address, leased.gateway) == (pop.ports["net0"], pop.gateway)
    assert router.address("lte0-3") == pop.gateway
    assert found.nodes["hub-3"].ports == topology.hub.ports


def test_a_hub_s_own_way_to_the_internet_must_be_an_uplink(topology: Topology) -> None:
    """A wire to what all share from something that is no PoP could not be there more than once."""
    wires = (*topology.wires, ("client:eth1", "internet:extra"))

    assert not list(many_hubs.problems(topology))
    (problem,) = many_hubs.problems(replace(topology, wires=wires))
    assert "client is wired to the Internet and is no uplink's pop" in str(problem)
