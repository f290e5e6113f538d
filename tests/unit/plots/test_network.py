"""A topology as a figure."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.topology import Topology
from testbed.plots import network
from testbed.run import plan
from testbed.yaml import load


@pytest.mark.parametrize("name", plan.names(paths.TOPOLOGIES))
def test_every_node_and_link_is_in_the_figure(name: str, tmp_path: Path) -> None:
    """By its name, and a link with what is said of it."""
    topology = load.read(paths.TOPOLOGIES / f"{name}.yaml", Topology)
    said = {link: f"{number} ms" for number, link in enumerate(topology.uplinks)}
    drawn = network.write(topology, "lab demo", said, tmp_path / "lab.svg").read_text()
    words = set(re.findall(r"<text[^>]*>([^<]*)</text>|<tspan[^>]*>([^<]*)</tspan>", drawn))
    found = {word.strip() for pair in words for word in pair}
    assert {"lab demo", *topology.nodes, *topology.uplinks, *said.values()} <= found


def test_a_figure_is_of_a_known_kind(tmp_path: Path) -> None:
    """The file's ending says which."""
    topology = load.read(paths.TOPOLOGIES / "hub-two-uplinks.yaml", Topology)
    with pytest.raises(InputError, match=r"ending '.jpg'; one of .png, .svg, .pdf"):
        network.write(topology, "lab", {}, tmp_path / "lab.jpg")
