"""An event that is announced happens, or nothing starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed import paths
from testbed.errors import InputError
from testbed.faults import ACTORS
from testbed.model.event import FAULTS, Kind
from testbed.model.scenario import read_scenario
from testbed.run import job, plan
from testbed.run.unplayed import problems

EVENTS = {
    Kind.OUTAGE: "{at: 2 s, uplink: starlink, outage: 1 s}",
    Kind.HOLD: "{at: 2 s, uplink: starlink, hold: 1 s}",
    Kind.BROWNOUT: "{at: 2 s, uplink: starlink, brownout: 1 s, loss: 20 %, delay: 30 ms}",
    Kind.RATE_CAP: "{at: 2 s, uplink: starlink, rate_cap: 1 s, rate: {up: 1 Mbit/s, down: 2 Mbit/s}}",
    Kind.REBOOT: "{at: 2 s, uplink: starlink, reboot: 3 s}",
    Kind.TENANT_ERRORS: "{at: 2 s, tenant_errors: 1 s}",
    Kind.TENANT_BLACK_HOLE: "{at: 2 s, tenant_black_hole: 1 s}",
    Kind.CONTENT_CHANGES: "{at: 2 s, content_changes: 1 s}",
    Kind.DNS_FAILURE: "{at: 2 s, dns_failure: 1 s}",
    Kind.BLACK_HOLE: "{at: 2 s, uplink: starlink, black_hole: 1 s, passes: icmp}",
    Kind.MTU: "{at: 2 s, uplink: starlink, mtu: 1 s, size: 1420 B}",
    Kind.TARGET_DOWN: "{at: 2 s, uplink: starlink, target_down: 1 s}",
    Kind.UNPLUG: "{at: 2 s, uplink: starlink, unplug: 1 s}",
    Kind.LEASE: "{at: 2 s, uplink: starlink, lease: 1 s, address: 100.64.10.150}",
    Kind.POWER_OFF: "{at: 2 s, power_off: 1 s}",
    Kind.CACHE_DOWN: "{at: 2 s, cache_down: 1 s}",
    Kind.CLOCK_STEP: "{at: 2 s, clock_step: 1 s, by: 5 s}",
    Kind.DHCP_DOWN: "{at: 2 s, uplink: starlink, dhcp_down: 1 s}",
}
SCENARIO = """\
# events.yaml: does each event happen?
topology: hub-two-uplinks
duration: 9 s
uplinks: {{starlink: {{{plays}}}, lte: {{fixed: {{delay: 40 ms}}}}}}
traffic: {{beat: {{kind: udp-echo, from: client, to: tenant, every: 10 ms}}}}
events: [{event}]
objectives: [{{metric: interruption, of: beat, at_most: 3 s}}]
"""
OF_LINKS = [kind for kind in EVENTS if FAULTS[kind].by_link]


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(event: str, plays: str = "fixed: {delay: 25 ms, rate: 10 Mbit/s}") -> Path:
        path = tmp_path / "events.yaml"
        path.write_text(SCENARIO.format(event=event, plays=plays))
        return path

    return write


def test_every_kind_of_event_is_here() -> None:
    """A new kind is tried, too."""
    assert set(Kind) == set(EVENTS)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("plays", ["fixed: {delay: 25 ms}", "trace: starlink-bent-pipe"])
def test_every_kind_of_event_is_played(kind: Kind, plays: str, written: Any) -> None:
    """What the planner makes of any event passes its own check, on fixed values and on a trace."""
    made = plan.make(written(EVENTS[kind], plays))

    assert [kind] == [event.kind for event in made.scenario.events]


@pytest.mark.parametrize("kind", OF_LINKS)
def test_an_event_that_no_link_plays_is_refused_by_the_planner(
    kind: Kind, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler that forgets the events of a link lets no run start."""
    compiled = plan.compile_link
    monkeypatch.setattr(plan, "compile_link", lambda *a, **k: compiled(*a, **{**k, "events": ()}))

    with pytest.raises(InputError, match=r"events.yaml:6: starlink .* is announced, and nothing plays it"):
        plan.make(written(EVENTS[kind]))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in OF_LINKS])
def test_an_event_without_an_actor_is_refused(
    kind: Kind, written: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault beside the links needs one who does it."""
    monkeypatch.setattr("testbed.run.unplayed.ACTORS", {k: v for k, v in ACTORS.items() if k is not kind})

    with pytest.raises(InputError, match="is announced, and nothing plays it"):
        plan.make(written(EVENTS[kind]))


def test_a_job_with_other_schedules_is_refused(written: Any, tmp_path: Path) -> None:
    """The run itself looks at what it was handed: schedules of a scenario without the event are not these."""
    job.pack(plan.make(written(EVENTS[Kind.OUTAGE])), tmp_path / "run")
    scenario = tmp_path / "run" / job.FOLDER / "scenario.yaml"
    scenario.write_text(scenario.read_text().replace("2 s", "4 s"))

    with pytest.raises(InputError, match="starlink outage 1 s is announced, and nothing plays it"):
        job.unpack(tmp_path / "run")


@pytest.mark.parametrize("name", plan.scenarios())
def test_events_of_links_that_play_nothing_are_found(name: str) -> None:
    """Without schedules every event of a link in every scenario is one that would not happen."""
    scenario = read_scenario(paths.SCENARIOS / f"{name}.yaml")

    assert [e.place for e in scenario.events if e.by_link] == [p.place for p in problems(scenario, {})]
