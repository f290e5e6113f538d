"""A run goes before what else its host does."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

from testbed.lab import cores, sandbox

INSIDE = """
import json, os, subprocess
from pathlib import Path
from testbed.lab import cores
other = subprocess.Popen(["sleep", "60"], start_new_session=True)
engine = subprocess.Popen(["sleep", "60"])
for process, nice in ((other, 5), (engine, cores.LEAST_NICE)):
    os.setpriority(os.PRIO_PROCESS, process.pid, nice)
cores.prefer()
group = Path(f"/proc/{other.pid}/autogroup")
nices = [os.getpriority(os.PRIO_PROCESS, process.pid) for process in (other, engine)]
print(json.dumps({"nices": nices, "group": group.read_text().split()[-1] if group.exists() else None}))
"""


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the processes of a sandbox have when they are preferred, and this one outside."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a sandbox")
    before = os.getpriority(os.PRIO_PROCESS, 0)
    path = tmp_path_factory.mktemp("inside") / "log"
    with path.open("wb") as log:
        process = sandbox.spawn([sys.executable, "-c", INSIDE], log)
        told, _ = process.communicate(timeout=60)
    assert 0 == process.returncode, path.read_text()
    return {**json.loads(told), "outside": [before, os.getpriority(os.PRIO_PROCESS, 0)]}


def test_whatever_a_run_has_goes_before_others_and_its_engine_first(inside: dict[str, Any]) -> None:
    """A session of its own, too; what goes before already stays so."""
    assert [cores.NICE, cores.LEAST_NICE] == inside["nices"]


def test_its_sessions_go_before_other_sessions(inside: dict[str, Any]) -> None:
    """Where the kernel weighs sessions, nice values of processes are not enough."""
    if inside["group"] is None:
        pytest.skip("this kernel has no autogroup")

    assert str(cores.NICE) == inside["group"]


def test_this_host_is_left_as_it_is(inside: dict[str, Any]) -> None:
    """What runs outside of the sandbox keeps its nice value."""
    before, after = inside["outside"]

    assert before == after
