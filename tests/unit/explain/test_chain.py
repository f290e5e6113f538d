"""What led to what: lines of several logs on one clock."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from testbed.explain import chain
from testbed.result.store import Result
from tests.unit.plots.blackout import S, Story
from tests.unit.report.made import made_in


def keepalived(at_ns: int, hours: int, said: str) -> str:
    local = datetime.fromtimestamp(at_ns // S, UTC) + timedelta(hours=hours)
    return f"{local:%a %b %e %H:%M:%S %Y}: {said}\n"


@pytest.fixture
def result(tmp_path: Path) -> Result:
    made = made_in(tmp_path / "run", Story())
    (made.folder / "logs" / "hub" / "hub").mkdir(parents=True)
    return made


@pytest.mark.parametrize("hours", [0, 3, -8])
def test_a_daemons_line_stands_between_its_event_and_its_route(result: Result, hours: int) -> None:
    """Whatever the time zone of the host, keepalived's line is in its second of the run's clock."""
    started = result.record.started_ns or 0
    hub = result.folder / "logs" / "hub" / "hub"
    hub.joinpath("keepalived.log").write_text(
        keepalived(result.record.created_ns, hours, "Startup complete")
        + keepalived(started + 32 * S, hours, "(starlink) Entering FAULT STATE")
    )
    entry = {"at_ns": started + 33 * S, "uplink": "starlink", "state": "avoided"}
    hub.joinpath("uplinks.jsonl").write_text(json.dumps(entry) + "\n" + '{"at_ns": 17')
    (found,) = chain.chains(result)
    told = [link.what for link in found.occurrences]
    fault = next(link for link in found.occurrences if "FAULT" in link.what)

    assert "Startup complete" not in told
    assert told.index("starlink outage 25 s begins") < told.index("(starlink) Entering FAULT STATE")
    assert told.index("(starlink) Entering FAULT STATE") < told.index("starlink avoided")
    assert fault.t_ns <= 32 * S < fault.t_ns + fault.within_ns


def test_a_run_that_never_started_has_no_chain(result: Result) -> None:
    assert () == chain.chains(Result(result.folder, replace(result.record, started_ns=None)))
