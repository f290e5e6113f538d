"""A lab made of a scenario or a topology, and what was done in it saved as a scenario that a run plays."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.model.event import Event
from testbed.model.scenario import Scenario, read_scenario
from testbed.model.topology import Topology
from testbed.model.uplink import Rates
from testbed.run import plan
from testbed.run.job import pack
from testbed.standing import made, saved
from testbed.yaml import load

MS, S = 10**6, 10**9
HOUR = 3600 * S


def lab_of(what: str, folder: Path) -> Path:
    """Return the scenario that a lab of this was made of."""
    planned = made.make(made.find(what), (), None, HOUR, folder)
    pack(planned, folder / "lab")
    return folder / "lab" / "inputs" / "scenario.yaml"


SINGLE = [
    name
    for name in plan.names(paths.TOPOLOGIES)
    if load.read(paths.TOPOLOGIES / f"{name}.yaml", Topology).fleet is None
]


def test_a_fleet_is_no_lab(tmp_path: Path) -> None:
    """There is one hub to work on."""
    with pytest.raises(InputError, match=r"fleet-shared-cells.yaml:\d+: a fleet of \d+ hubs, and a lab has one"):
        made.make(made.find("fleet-shared-cells"), (), None, HOUR, tmp_path)


@pytest.mark.parametrize("name", SINGLE)
def test_each_topology_makes_a_lab(name: str, tmp_path: Path) -> None:
    """Links that never change, for as long as the lab lasts, and a heartbeat."""
    planned = made.make(made.find(name), (), None, HOUR, tmp_path)
    assert name == planned.name
    assert HOUR == planned.scenario.duration
    assert ["heartbeat"] == list(planned.scenario.traffic)
    assert {1} == {len(schedule.t_ns) for link in planned.links.values() for schedule in link.pair}


@pytest.mark.parametrize("name", ["starlink-blackout", "dish-hangs", "two-prefixes", "telemedicine-under-bulk-sync"])
def test_a_scenario_makes_a_lab_without_its_course(name: str, tmp_path: Path) -> None:
    """No event happens by itself, and no trace comes to its end."""
    planned = made.make(made.find(name), (), None, HOUR, tmp_path)
    original = read_scenario(paths.SCENARIOS / f"{name}.yaml")
    assert () == planned.scenario.events
    assert () == planned.scenario.dish_faults
    assert HOUR == planned.scenario.duration
    assert original.traffic == planned.scenario.traffic
    assert original.hub == planned.scenario.hub


def test_what_is_neither_is_named(tmp_path: Path) -> None:
    """Both kinds are among the close ones."""
    with pytest.raises(InputError, match="no topology 'hub-two-uplink'; did you mean 'hub-two-uplinks'?"):
        made.find("hub-two-uplink")
    topology = tmp_path / "mine.yaml"
    topology.write_bytes((paths.TOPOLOGIES / "hub-two-uplinks.yaml").read_bytes())
    planned = made.make(made.find(str(topology)), (), None, HOUR, tmp_path / "..")
    assert str(topology) == planned.scenario.topology


EVENTS = (
    Event(1_234 * MS, "starlink", outage=10 * S),
    Event(20 * S, "lte", brownout=5 * S, loss=0.05, delay=100 * MS),
    Event(30 * S, "starlink", rate_cap=1500 * MS, rate=Rates(10**6, 2 * 10**6)),
    Event(40 * S, tenant_errors=5 * S, status=429, retry_after=2 * S),
    Event(50 * S, "starlink", black_hole=5 * S, protocol="tcp", port=443),
    Event(60 * S, "lte", mtu=5 * S, size=1400, icmp=False),
    Event(70 * S, "starlink", lease=5 * S, refused=True),
    Event(80 * S, target_down=5 * S, address="all"),
)


def test_an_event_is_written_as_it_is_read(tmp_path: Path) -> None:
    """To the nanosecond and the last digit."""
    scenario = lab_of("hub-two-uplinks", tmp_path)
    target = tmp_path / "mine.yaml"
    assert [] == saved.save(target, scenario, "lab", [saved.written(event) for event in EVENTS], 85_100 * MS)
    read = load.read(target, Scenario)
    assert EVENTS == read.events
    assert 86 * S == read.duration
    assert target.read_text().startswith("# mine.yaml: what was done by hand in lab lab on ")
    assert "\n- {at: 1.234 s, uplink: starlink, outage: 10 s}\n" in target.read_text()
    assert [target.name, "lab"] == sorted(p.name for p in tmp_path.iterdir() if p.name != "hub-two-uplinks.yaml")[::-1]


def test_a_saved_scenario_can_be_played(tmp_path: Path) -> None:
    """Of a scenario it keeps what is asked, without windows that were of the original's course."""
    scenario = lab_of("starlink-blackout", tmp_path)
    target = tmp_path / "mine.yaml"
    events = [saved.written(Event(3 * S, "starlink", outage=10 * S))]
    notes = saved.save(target, scenario, "lab", events, 20 * S)
    assert ["objectives are asked of the whole scenario: their windows were of the original's course"] == notes
    planned = plan.make(target)
    assert 20 * S == planned.scenario.duration
    assert planned.scenario.mutation is None
    assert {None} == {objective.window for objective in planned.scenario.objectives}
    assert (3 * S, "starlink outage 10 s begins") in plan.timeline(planned)


def test_nothing_is_overwritten_and_nothing_is_written_in_vain(tmp_path: Path) -> None:
    """Each with what would be right."""
    scenario = lab_of("hub-two-uplinks", tmp_path)
    one = [saved.written(EVENTS[0])]
    with pytest.raises(InputError, match="nothing was done by hand so far"):
        saved.save(tmp_path / "mine.yaml", scenario, "lab", [], S)
    with pytest.raises(InputError, match="give a YAML file, such as mine.yaml"):
        saved.save(tmp_path / "mine.txt", scenario, "lab", one, S)
    with pytest.raises(InputError, match="the event ends at 11.23 s, after the scenario"):
        saved.save(tmp_path / "mine.yaml", scenario, "lab", one, 2 * S)
    assert not list(tmp_path.glob("*mine*"))
    (tmp_path / "mine.yaml").touch()
    with pytest.raises(InputError, match="it is there already; choose another name"):
        saved.save(tmp_path / "mine.yaml", scenario, "lab", one, 20 * S)
