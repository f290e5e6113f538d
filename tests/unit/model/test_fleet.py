"""A fleet in a topology: computed from its numbers and its seed, and each mistake beside its message."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import replace

import pytest

from testbed import cli, paths
from testbed.errors import InputError
from testbed.model.fleet import Fleet, FleetHub
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load
from testbed.yaml.overrides import Override

SHARED = (paths.TOPOLOGIES / "fleet-shared-cells.yaml").read_text(encoding="utf-8")
LINE = 1 + SHARED[: SHARED.index("fleet:")].count("\n")
PORTS = {"starlink": "wan0", "lte": "wan1"}


def topology(text: str = SHARED) -> Topology:
    return load.parse(text, Topology, "t.yaml")


def fleet(hubs: int) -> Fleet:
    """Return the repository's fleet with another number of hubs."""
    made = topology().fleet
    assert made is not None
    return replace(made, hubs=hubs)


def networks(hub: FleetHub) -> list[ipaddress.IPv4Network]:
    """Return every network that a hub has to itself."""
    leased = [ipaddress.IPv4Interface(uplink.address).network for uplink in hub.uplinks.values()]
    return [ipaddress.IPv4Network(hub.lan), *leased]


def test_a_thousand_hubs_share_no_address_and_no_interface() -> None:
    """Networks of different hubs are disjoint, from each other and from the topology's own; names fit the kernel."""
    hubs = list(fleet(1000).all(PORTS))

    cut = sorted((network for hub in hubs for network in networks(hub)), key=lambda n: n.network_address)
    assert all(a.broadcast_address < b.network_address for a, b in zip(cut, cut[1:], strict=False))
    interfaces = [name for hub in hubs for uplink in hub.uplinks.values() for name in uplink.interfaces]
    assert len(interfaces) == len(set(interfaces)) == 4000
    assert 15 >= max(map(len, interfaces))
    assert 1000 == len({hub.name for hub in hubs})


def test_a_hub_is_the_same_in_any_fleet() -> None:
    """Hub 17 depends on its number and the seed, not on how many there are; another seed is another draw."""
    small, large = fleet(20), fleet(1000)

    assert [small.hub(n, PORTS) for n in range(1, 21)] == [large.hub(n, PORTS) for n in range(1, 21)]
    again = replace(large, seed=2)
    assert [h.users for h in large.all(PORTS)] != [h.users for h in again.all(PORTS)]


def test_hubs_are_dealt_to_cells_in_turn() -> None:
    """450 hubs in 10 beams are 45 each, but for the one whom the table puts elsewhere."""
    beams = Counter(hub.uplinks["starlink"].cell for hub in fleet(450).all(PORTS))

    assert {f"starlink-{n}" for n in range(1, 11)} == set(beams)
    assert (46, 44) == (beams["starlink-3"], beams["starlink-7"])
    assert {45} == {count for cell, count in beams.items() if cell not in ("starlink-3", "starlink-7")}


def test_profiles_are_drawn_by_weight_within_their_ranges() -> None:
    """Of 1,000 hubs six in ten are villages, with 5 to 25 users each."""
    hubs = list(fleet(1000).all(PORTS))
    villages = [hub for hub in hubs if hub.profile == "village"]

    assert 550 < len(villages) < 650
    assert (5, 25) == (min(h.users for h in villages), max(h.users for h in villages))
    assert all(0 <= hub.phase_ns <= 60 * 10**9 for hub in hubs)


def test_the_table_says_what_is_known_of_a_hub() -> None:
    """Hub 17 is a school of 48 users under beam 3, whatever the draw would have made of it."""
    hub = topology().fleet_hub(17)

    assert ("school", 48, "starlink-3", "lte-17") == (
        hub.profile, hub.users, hub.uplinks["starlink"].cell, hub.uplinks["lte"].cell,
    )  # fmt: skip


MISTAKES = {
    "no hub": ("hubs: 450", "hubs: 0", "t.yaml:{1}: a fleet of 0 hubs; write 1 to 10000"),
    "unknown uplink": ("lte: 30", "lta: 30",
        "t.yaml:{3}: unknown uplink 'lta'; did you mean 'lte'?"),
    "no cell": ("lte: 30", "lte: 0", "t.yaml:{3}: 0 cells of lte; write 1 or more"),
    "users": ("{from: 5, to: 25}", "{from: 5, to: 2}",
        "t.yaml:{5}: users from 5 to 2; write {from: LEAST, to: MOST}"),
    "phase": ("{from: 0 s, to: 60 s}", "{from: 2 s, to: 1 s}",
        "phase from 2 s to 1 s; write {from: LEAST"),
    "hub of the table": ("    17:", "    451:",
        "t.yaml:{9}: the table has hub '451'; write the number of a hub: 1 to"),
    "profile": ("profile: school", "profile: scool",
        "t.yaml:{9}: unknown profile 'scool'; did you mean 'school'?"),
    "cell of the table": ("cells: {starlink: 3}", "cells: {starlink: 11}",
        "t.yaml:{9}: cell 11 of starlink, which has 10"),
    "addresses": ("  hubs: 450", "  lan: 192.168.0.0/16\n  hubs: 450",
        "192.168.0.0/16 holds 192.168.10.101/24 of client:"),
    "room": ("  hubs: 450", "  wan: 100.80.0.0/22\n  hubs: 450",
        "100.80.0.0/22 has no 900 networks of /30; write a larger"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line(name: str) -> None:
    """Nothing starts; file, line, what was found and what would be right are said."""
    before, after, message = MISTAKES[name]
    assert before in SHARED

    with pytest.raises(InputError) as error:
        topology(SHARED.replace(before, after, 1))

    for offset in range(9, 0, -1):
        message = message.replace(f"{{{offset}}}", str(LINE + offset))
    assert message in str(error.value)


def test_the_command_looks_a_hub_up(capsys: pytest.CaptureFixture[str]) -> None:
    """``topology show NAME --hub 17`` has its addresses; a number that is none is an error with the range."""
    assert 0 == cli.main(["topology", "show", "fleet-shared-cells", "--hub", "17"])
    assert "100.80.0.130/30" in capsys.readouterr().out
    assert 2 == cli.main(["topology", "show", "fleet-shared-cells", "--hub", "451"])
    assert "no hub 451; write 1 to 450" in capsys.readouterr().err
    assert 2 == cli.main(["topology", "show", "hub-two-uplinks", "--hub", "1"])
    assert "one hub and no fleet" in capsys.readouterr().err


def test_a_scenario_of_one_hub_is_not_played_on_a_fleet() -> None:
    """What has 450 hubs is not taken for the one of a scenario."""
    path = paths.SCENARIOS / "smoke.yaml"

    with pytest.raises(InputError, match="a fleet of 450 hubs, and a scenario has one"):
        plan.make(path, (Override.parse("topology=fleet-shared-cells"),))
