"""A scenario's hub among the light ones of a fleet: planned, packed, and refused where it does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.link.light import LightFleet
from testbed.metrics.evidence import Evidence
from testbed.metrics.fleet.delay import delay_mean
from testbed.model.facts import Facts
from testbed.model.link import Direction
from testbed.probes.samples import HEARTBEAT
from testbed.run import bringup, job, plan
from testbed.yaml.overrides import Override

SCENARIO = paths.SCENARIOS / "hub-among-450.yaml"


def refused(*changes: str) -> str:
    with pytest.raises(InputError) as error:
        plan.make(SCENARIO, [Override.parse(change) for change in changes])
    return str(error.value)


def test_a_job_has_the_fleet_as_the_engine_plays_it(tmp_path: Path) -> None:
    """Unpacked, the real hubs' links name cells of the engine's plan, in which these hubs alone are silent."""
    made = plan.make(SCENARIO)
    job.pack(made, tmp_path)
    found = job.unpack(tmp_path)

    assert found.among is not None and made.fleet is not None
    assert np.array_equal(made.fleet.among.block, found.among.light.block)
    assert made.fleet.among.stations == found.among.light.stations
    specs = {spec.name: (spec.up_cell, spec.down_cell) for spec in bringup.link_specs(found)}
    assert ["starlink", "lte", "starlink-2", "lte-2", "starlink-3", "lte-3", "starlink-4", "lte-4"] == list(specs)
    assert ("starlink-1 up", "starlink-1 down") == specs["starlink"]
    assert ("lte-4 up", "lte-4 down") == specs["lte-4"]
    fleet = LightFleet(found.among.light)
    fleet.run(2 * 10**9)
    sent = fleet.tallies().bins["packets"].sum(axis=(0, 1))
    fleet.close()
    assert [0, 1, 2, 3] == np.flatnonzero(sent == 0).tolist()
    assert 450 == len(found.among.hubs)
    assert "lte-2 up" == found.among.cell(2, "lte", Direction.UP)


def test_what_every_real_hub_got_is_told(tmp_path: Path) -> None:
    """The samples of the second hub's heartbeat are the second hub's figures, those of the first the first's."""
    job.pack(plan.make(SCENARIO), tmp_path)
    found = job.unpack(tmp_path)
    assert found.among is not None
    samples = {
        name: pa.table({"seq": [0, 1], "t_ns": [0, 10**9], "rtt_ns": [rtt, None], "lost": ["none"] * 2}, HEARTBEAT)
        for name, rtt in (("calls", 30 * 10**6), ("calls-2", 70 * 10**6))
    }
    tallies = found.among.light.tallies(bytes(found.among.light.evidence_size))
    evidence = found.among.evidence(tallies, Evidence(Facts.of(found.scenario, found.topology), samples))

    delays = delay_mean(evidence, "calls", evidence.whole)
    assert [30 * 10**6, 70 * 10**6] == delays[:2].tolist()
    assert np.isnan(delays[2:]).all()


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
    path = tmp_path / "renamed.yaml"
    path.write_text(SCENARIO.read_text().replace("  school: {kind: http-get", "  records: {kind: http-get"))

    with pytest.raises(InputError, match="traffic 'records' is a http-get, and in fleet evening-in-the-cell a flow"):
        plan.make(path)
