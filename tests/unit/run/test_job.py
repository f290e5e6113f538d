"""A job: all that a run needs, in a folder that may go elsewhere."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.run import job, plan
from testbed.run.plan import Plan
from testbed.yaml.overrides import Override

COLUMNS = ("t_ns", "delay_ns", "loss", "rate_bps", "state")


@pytest.fixture
def made() -> Plan:
    changes = (Override.parse("hub.failover=none"), Override.parse("shift=2 s"), Override.parse("seed=9"))
    return plan.make(paths.SCENARIOS / "smoke.yaml", changes)


def test_a_job_says_what_was_planned(made: Plan, tmp_path: Path) -> None:
    """Unpacked elsewhere, a job has the scenario with its changes, the topology and the catalogues."""
    job.pack(made, tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    found = job.unpack(tmp_path / "there")

    assert (made.scenario, made.topology) == (found.scenario, found.topology)
    assert dict(made.catalogues) == dict(found.catalogues)
    assert ("smoke", made.question, "native") == (
        found.manifest.name,
        found.manifest.question,
        found.manifest.link,
    )
    assert ("hub.failover=none", "shift=2 s", "seed=9") == found.manifest.changes


def test_its_schedules_are_those_that_were_compiled(made: Plan, tmp_path: Path) -> None:
    """Every figure of every schedule is the same, to the bit."""
    job.pack(made, tmp_path)
    found = job.unpack(tmp_path).schedules

    assert list(made.links) == list(found)
    for name, link in made.links.items():
        for planned, played in zip(link.pair, found[name], strict=True):
            assert all(np.array_equal(getattr(planned, c), getattr(played, c)) for c in COLUMNS)
            rest = [f.name for f in dataclasses.fields(planned) if f.name not in COLUMNS]
            assert [getattr(planned, name) for name in rest] == [getattr(played, name) for name in rest]


def test_inputs_are_named_with_their_hashes(made: Plan, tmp_path: Path) -> None:
    """What the outcome depends on is in the manifest: the files as they were written, and what the links play."""
    job.pack(made, tmp_path)
    manifest = job.unpack(tmp_path).manifest
    roles = {entry.role: entry.sha256 for entry in manifest.inputs}

    assert job.sha256(made.path) == roles["scenario"]
    assert {"scenario", "topology", "playbook", "trace of starlink", "catalogue of lessons"} <= roles.keys()
    assert {"starlink", "lte"} == manifest.schedules.keys()


def test_equal_plans_make_equal_jobs(made: Plan, tmp_path: Path) -> None:
    """Packed twice, every file has the same bytes."""
    for name in ("a", "b"):
        job.pack(made, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())

    assert [] == [p for p in files if (tmp_path / "a" / p).read_bytes() != (tmp_path / "b" / p).read_bytes()]


def test_a_changed_schedule_is_refused(made: Plan, tmp_path: Path) -> None:
    """What is played must be what was planned."""
    job.pack(made, tmp_path)
    schedules = tmp_path / job.FOLDER / "schedules"
    shutil.copyfile(schedules / "lte.npz", schedules / "starlink.npz")

    with pytest.raises(InputError, match="the schedules of starlink are not those that were planned"):
        job.unpack(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no job: .*; name a folder that a run was planned into"),
        (lambda path: path.write_text("{"), "no job: .*truncated"),
        (
            lambda path: path.write_text(path.read_text().replace('"version": "', '"version": "9.')),
            "planned by testbed 9.*; plan it again here",
        ),
    ],
    ids=["none", "cut short", "of another version"],
)
def test_a_broken_job_is_refused(made: Plan, tmp_path: Path, damage: object, message: str) -> None:
    """A folder without a job, or with one that this version cannot play, is bad input."""
    job.pack(made, tmp_path)
    assert callable(damage)
    damage(tmp_path / job.FOLDER / "job.json")

    with pytest.raises(InputError, match=message):
        job.unpack(tmp_path)
