"""Topologies: every file in the repository loads, and can be looked up as a table and as a drawing."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.cli import drawing
from testbed.errors import InputError
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load

TWO_UPLINKS = paths.TOPOLOGIES / "hub-two-uplinks.yaml"


@pytest.mark.parametrize("name", plan.names(paths.TOPOLOGIES))
def test_every_topology_loads_and_draws_each_node(name: str) -> None:
    """No node of a topology is missing from its drawing or from its table."""
    topology = load.read(paths.TOPOLOGIES / f"{name}.yaml", Topology)

    drawn, listed = drawing.draw(topology), {row[0] for row in drawing.table(topology)}

    assert [] == [node for node in topology.nodes if f" {node} " not in drawn.replace("\n", " ")]
    assert set(topology.nodes) == listed


def test_the_two_uplinks_lie_side_by_side() -> None:
    """The drawing runs from the clients to the tenant, one line for each uplink."""
    drawn = drawing.draw(load.read(TWO_UPLINKS, Topology))

    assert (
        "  client ─┬─ lan ─── hub ─┬── dish ───══ starlink ══─── pop-starlink ─┬─ internet ─── edge ─── tenant\n"
        " client2 ─┘               └─ modem ───════ lte ═════───── pop-lte ────┘"
    ) == drawn


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "[hub:wan0, dish:lan0]",
            "[hub:wan0, dosh:lan0]",
            "unknown node in 'dosh:lan0'; did you mean 'dish'?",
        ),
        ("[hub:wan0, dish:lan0]", "[hub:wan0, dish:lan]", "unknown port in 'dish:lan'; did you mean 'lan0'?"),
        (
            "[hub:wan1, modem:lan0]",
            "[hub:wan0, modem:lan0]",
            "'hub:wan0' is wired twice; give each wire ports of its own",
        ),
        ("hub_port: wan1", "hub_port: wan7", "the hub has no port 'wan7'; did you mean 'wan1'?"),
        ("metric: 200", "metric: 100", "two uplinks have one metric; give each its own"),
        ("192.168.10.102/24", "192.168.10.402/24", "port 'eth0' has address '192.168.10.402/24'"),
        ("kind: hub", "kind: client", "0 nodes of kind hub; give exactly one"),
        ("kind: router", "kind: edge", "2 nodes of kind edge; give at most one"),
        ("probe_target: 203.0.113.1", "probe_target: azure", "'azure'; write an IPv4 address"),
        ("nat: [cell0]", "nat: [cel0]", "unknown port 'cel0'; did you mean 'cell0'?"),
    ],
)
def test_a_bad_topology_is_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    """A mistake in a topology is named before anything is built."""
    text = TWO_UPLINKS.read_text()
    assert before in text
    (tmp_path / "t.yaml").write_text(text.replace(before, after, 1))

    with pytest.raises(InputError) as refusal:
        load.read(tmp_path / "t.yaml", Topology)

    assert message in str(refusal.value)
