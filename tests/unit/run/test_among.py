"""A scenario's hub among the light ones of a fleet: planned, packed, and refused where it does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.link.light import LightFleet
from testbed.model.link import Direction
from testbed.run import bringup, job, plan
from testbed.yaml.overrides import Override

SCENARIO = paths.SCENARIOS / "hub-among-450.yaml"


def refused(*changes: str) -> str:
    with pytest.raises(InputError) as error:
        plan.make(SCENARIO, [Override.parse(change) for change in changes])
    return str(error.value)


def test_a_job_has_the_fleet_as_the_engine_plays_it(tmp_path: Path) -> None:
    """Unpacked, the real hub's links name cells of the engine's plan, in which the first hub alone is silent."""
    made = plan.make(SCENARIO)
    job.pack(made, tmp_path)
    found = job.unpack(tmp_path)

    assert found.among is not None and made.fleet is not None
    assert np.array_equal(made.fleet.among.block, found.among.light.block)
    assert made.fleet.among.stations == found.among.light.stations
    specs = {spec.name: (spec.up_cell, spec.down_cell) for spec in bringup.link_specs(found)}
    assert {"starlink": ("starlink-1 up", "starlink-1 down"), "lte": ("lte-1 up", "lte-1 down")} == specs
    fleet = LightFleet(found.among.light)
    fleet.run(2 * 10**9)
    sent = fleet.tallies().bins["packets"].sum(axis=(0, 1))
    fleet.close()
    assert [0] == np.flatnonzero(sent == 0).tolist()
    assert 450 == len(found.among.hubs)
    assert "lte-1 up" == found.among.cell("lte", Direction.UP)


def test_the_fleet_is_what_the_hub_meets(tmp_path: Path) -> None:
    """It is among what two runs are compared by, and its file among the inputs."""
    made = plan.make(SCENARIO)
    job.pack(made, tmp_path)
    manifest = job.unpack(tmp_path).manifest

    assert manifest.fleet == manifest.met["fleet"]
    assert "fleet" in {entry.role for entry in manifest.inputs}


def test_what_does_not_fit_is_refused() -> None:
    """Another topology, another time, an outage that the hub does not have, a back end without cells."""
    expected = "fleet evening-in-the-cell is of topology fleet-shared-cells; write 'topology: fleet-shared-cells'"
    assert expected in refused("topology=hub-two-uplinks")
    assert "fleet evening-in-the-cell lasts 90 s; write 'duration: 90 s'" in refused("duration=100 s")
    assert "add '{at: 30 s, uplink: starlink, outage: 25 s}' to the events" in refused("fleet=sky-returns")
    with pytest.raises(InputError, match="netem cannot share the cell 'lte-1'"):
        plan.make(SCENARIO, link="netem")


def test_a_traffic_of_a_load_s_name_is_of_its_kind(tmp_path: Path) -> None:
    """What is called as a load is compared with it, and must be comparable."""
    text = SCENARIO.read_text().replace("  lessons: {kind: http-get", "  records: {kind: http-get")
    path = tmp_path / "renamed.yaml"
    path.write_text(text.replace("of: lessons", "of: records"))

    with pytest.raises(InputError, match="traffic 'records' is a http-get, and in fleet evening-in-the-cell a flow"):
        plan.make(path)
