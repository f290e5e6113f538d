"""What a client's lateness means for its samples."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from testbed.errors import RunError
from testbed.lab.devices import DeviceAccess
from testbed.model.traffic import HttpGet
from testbed.probes.probe import SECOND_NS, Site
from testbed.probes.workload import Workload

NOWHERE = cast(DeviceAccess, None)


@pytest.fixture
def lessons(tmp_path: Path) -> Workload:
    traffic = HttpGet(kind="http-get", name="lessons", from_="client", catalogue="school-day", rate=1.0)
    return Workload(traffic, Site(NOWHERE, NOWHERE, 0, tmp_path, tmp_path))


@pytest.mark.parametrize(("late", "told"), [(0, False), (5, False), (6, True), (100, True)])
def test_a_client_that_was_late_itself_measured_no_hub(lessons: Workload, late: int, told: bool) -> None:
    """One request in twenty may leave a second late; with more of them the samples say nothing about the hub."""
    rows = [{"started_ns_late": 2 * SECOND_NS if number < late else SECOND_NS} for number in range(100)]

    if told:
        with pytest.raises(RunError, match=f"lessons: a busy client sent {late} of 100 requests more than 1 s late"):
            lessons.checked(rows)
    else:
        assert rows == lessons.checked(rows)
