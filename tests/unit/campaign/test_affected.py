"""Which scenarios a change affects: none is missed, and not all are always named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from testbed import paths
from testbed.campaign import affected
from testbed.campaign.affected import _why
from testbed.errors import InputError
from testbed.result.observed import Observed
from testbed.run import conditions, job, plan, sources

SCENARIOS = ("smoke", "router-reboots", "school-day-cache")


def hit_by(*changed: str) -> set[str]:
    """Return which of three scenarios are affected by a change of files."""
    files = [paths.ROOT / name for name in changed]
    return {name for name in SCENARIOS if list(_why(paths.SCENARIOS / f"{name}.yaml", files))}


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("scenarios/smoke.yaml", {"smoke"}),
        ("scenarios/catalogues/school-day.yaml", {"smoke", "school-day-cache"}),
        ("topologies/hub-starlink-router.yaml", {"router-reboots"}),
        ("scenarios/traces/lte-suburban.parquet", {"smoke", "school-day-cache"}),
        ("scenarios/traces/geo.parquet", set()),
        ("playbooks/hub.yml", set(SCENARIOS)),
        ("testbed/link/core/link.c", set(SCENARIOS)),
        ("testbed/link/netemd/player.py", set(SCENARIOS)),
        ("testbed/probes/http_client.py", set(SCENARIOS)),
        ("testbed/faults/refusing_server.py", set(SCENARIOS)),
        ("testbed/tenant/patient.cjs", set(SCENARIOS)),
        ("requirements.txt", set(SCENARIOS)),
        ("testbed/metrics/backhaul_offload.py", {"school-day-cache"}),
        ("testbed/plots/timeline.py", set()),
        ("testbed/cli/run.py", set()),
        ("testbed/traces/fit.py", set()),
        ("docs/metrics.md", set()),
        ("tests/unit/test_units.py", set()),
        ("testbed/run/gone.py", set(SCENARIOS)),  # removed
        ("playbooks/roles/gone/tasks/main.yml", set(SCENARIOS)),
        ("docs/gone.md", set()),
    ],
)
def test_a_changed_file_affects_what_depends_on_it(file: str, expected: set[str]):
    """Directly, or through the program; what only tells of results affects none."""
    assert file.count("gone") or (paths.ROOT / file).exists()
    assert expected == hit_by(file)


def test_a_scenario_that_cannot_be_planned_is_affected(tmp_path: Path):
    """Whatever broke it."""
    (tmp_path / "s.yaml").write_text("topology: none-such\n")

    assert "cannot be planned" in next(_why(tmp_path / "s.yaml", []))


def test_every_module_that_a_run_starts_by_name_is_found():
    """Probes, stand-ins and the lender are programs of their own, started by a name in a string."""
    found = {str(path.relative_to(paths.ROOT)) for path in sources.program()}

    for name in ("probes/http_client.py", "faults/servfail_server.py", "lab/lender.py", "link/netemd/__main__.py"):
        assert f"testbed/{name}" in found
    assert not any(name.startswith(("testbed/cli/", "testbed/plots/")) for name in found)


def kept(name: str, **more: object) -> Observed:
    """Return a run of a scenario as this version makes it."""
    made = plan.make(paths.SCENARIOS / f"{name}.yaml")
    met, tested = conditions.met(made, job.played(made)), conditions.under_test(made)
    return replace(Observed("r", name, 7, {}, met, tested, {}), **more)  # type: ignore[arg-type]


def reasons(runs: Sequence[Observed]) -> dict[str, tuple[str, ...]]:
    return {one.scenario: one.reasons for one in affected.since_runs(runs)}


def test_a_run_of_now_is_not_affected():
    """By the hashes that it kept, whole or as a baseline cuts them."""
    run = kept("smoke")
    short = replace(run, met={part: value[:12] for part, value in run.met.items()})

    assert {"smoke": ()} == reasons([run]) == reasons([short])


def test_a_kept_run_tells_what_is_different_now():
    """Part by part."""
    run = kept("smoke")
    other = replace(run, met={**run.met, "seed": "9"}, under_test={**run.under_test, "roles": "ab" * 32})

    assert {"smoke": ("seed", "roles")} == reasons([other])


def test_a_run_of_an_older_version_is_affected():
    """It cannot tell that it is not."""
    assert reasons([kept("smoke", met={})])["smoke"]


def test_what_changed_since_a_revision_is_asked_of_git():
    """Nothing since this commit but what is not committed yet; an unknown revision is refused."""
    changed = affected.changed_files("HEAD")

    assert all(path.is_relative_to(paths.ROOT) for path in changed)
    assert not any("__pycache__" in path.parts for path in changed)
    with pytest.raises(InputError, match="--since: no revision 'nosuch'"):
        affected.changed_files("nosuch")
