"""What a dry run and the beginning of a run note: what is allowed and most often a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.model.hub import HubProfile
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.uplink import FixedLink, UplinkProfile
from testbed.run import notes
from testbed.yaml import load

PINGS, TUNNELS = HubProfile(), HubProfile(failover="bgp-bfd")


@pytest.mark.parametrize(
    ("hub", "target", "noted"),
    [
        (PINGS, "203.0.113.1", []),
        (TUNNELS, "203.0.113.99", []),
        (
            PINGS,
            "203.0.113.99",
            ["203.0.113.99, which no node of topology t has: it has 198.51.100.10 beside"],
        ),
        (
            PINGS,
            "[203.0.113.98, 203.0.113.99]",
            [
                "203.0.113.98, 203.0.113.99, which no node of topology t has: every uplink will look dead to it"
            ],
        ),
    ],
)
def test_a_target_that_cannot_answer_is_noted(
    hub: HubProfile, target: str, noted: list[str], tmp_path: Path
) -> None:
    """A target that no node has is noted where the hub pings, with what it has beside."""
    text = (paths.TOPOLOGIES / "hub-two-uplinks.yaml").read_text()
    (tmp_path / "t.yaml").write_text(text.replace("probe_target: 203.0.113.1", f"probe_target: {target}"))
    topology = load.read(tmp_path / "t.yaml", Topology)
    scenario = Scenario("t", 9, {}, (), hub=hub)

    assert [f"the hub pings {text}" for text in noted] == list(notes.of_files(scenario, topology))


@pytest.mark.parametrize(
    ("dish", "noted"), [(True, []), (False, ["no uplink has a dish that failover dish-aware could ask"])]
)
def test_a_dish_that_is_not_there_is_noted(dish: bool, noted: list[str]) -> None:
    """A hub that asks it then has its pings alone."""
    topology = load.read(paths.TOPOLOGIES / "hub-two-uplinks.yaml", Topology)
    uplinks = {"starlink": UplinkProfile(fixed=FixedLink(25_000_000), dish=dish)}
    scenario = Scenario("t", 9, uplinks, (), hub=HubProfile(failover="dish-aware"))

    assert noted == [note.partition(" (")[0] for note in notes.of_files(scenario, topology)]
