"""What a scenario chooses for its hub: each bad choice beside the message that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
from testbed.lab.bench import Chosen
from testbed.run import plan
from testbed.yaml.overrides import Override

SCENARIO = """\
# s.yaml: does the hub get through?
topology: hub-two-uplinks
duration: 9 s
uplinks: {starlink: {fixed: {delay: 25 ms}}, lte: {fixed: {delay: 40 ms}}}
hub: HUB
traffic:
  beat: {kind: udp-echo, from: client, to: tenant, every: 10 ms}
objectives: [{metric: interruption, of: beat, at_most: 3 s}]
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "s.yaml"


def refused(scenario: Path, hub: str, *changes: str) -> str:
    """Return what a scenario with this hub is refused for; empty: nothing."""
    scenario.write_text(SCENARIO.replace("HUB", hub))
    try:
        plan.make(scenario, tuple(map(Override.parse, changes)))
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("hub", "message"),
    [
        (
            "{failover: bgp-bfd, timers: {fall: 3}}",
            "s.yaml:5: timers beside failover bgp-bfd, which does not read it; leave it out, or choose "
            "ping-tracked or dish-aware or weighted or overflow",
        ),
        (
            "{failover: none, timers: {fall: 3}}",
            "s.yaml:5: timers beside failover none, which does not read it; leave it out, or choose ping-tracked "
            "or dish-aware or weighted or overflow",
        ),
        (
            "{dish: {fall: 3}}",
            "s.yaml:5: dish beside failover ping-tracked, which does not read it; leave it out, or choose dish-aware",
        ),
        (
            "{bfd: {multiplier: 5}}",
            "s.yaml:5: bfd beside failover ping-tracked, which does not read it; leave it out, or choose bgp-bfd",
        ),
    ],
)
def test_timers_that_nothing_reads_are_refused(hub: str, message: str, scenario: Path) -> None:
    """Who writes timers believes that they count."""
    assert message == refused(scenario, hub)


@pytest.mark.parametrize(
    ("hub", "change"),
    [
        ("{failover: ping-tracked, timers: {fall: 3}}", "hub.failover=none"),
        ("{failover: overflow, timers: {fall: 3}, overflow: {enter: 3}}", "hub.timers.rise=3"),
    ],
)
def test_a_run_may_exchange_the_failover_alone(hub: str, change: str, scenario: Path) -> None:
    """A mutation or a campaign need not rewrite the timers beside it."""
    assert "" == refused(scenario, hub, change)


CLOSED = "ports: {wan0: {nic: e0}, wan1: {nic: e1}, lan0: {nic: e2}}\n"
LESSONS = "  lessons: {kind: http-get, from: client, catalogue: school-day, rate: 1/s}\n"


PAST = LESSONS.replace("from: client", "from: client, to: tenant")


def closed(scenario: Path, hub: str, *changes: str, traffic: str = "") -> str:
    """Return what a scenario is refused for on a bench without SSH; empty: nothing."""
    (scenario.parent / "box.yaml").write_text(CLOSED)
    text = SCENARIO.replace("HUB", hub).replace("objectives:", f"{traffic}objectives:")
    scenario.write_text(text)
    try:
        plan.make(scenario, tuple(map(Override.parse, changes)), Chosen(scenario.parent / "box.yaml"))
    except InputError as error:
        return str(error)
    return ""


def test_a_closed_hub_is_measured_alone(scenario: Path) -> None:
    """Written so, or made so for one run, whatever the scenario would have configured."""
    assert "" == closed(scenario, "{provision: none}")
    assert "" == closed(scenario, "{failover: ping-tracked, timers: {fall: 3}, cache: on}", "hub.provision=none")


@pytest.mark.parametrize(
    ("hub", "traffic", "message"),
    [
        (
            "{failover: ping-tracked}",
            "",
            "s.yaml:5: bench box has no ssh, and without it nothing is configured on its hub; write "
            "hub: {provision: none}, or add ssh to the bench",
        ),
        (
            "{provision: none, failover: bgp-bfd}",
            "",
            "s.yaml:5: failover beside provision: none, which configures nothing; leave it out",
        ),
        (
            "{provision: none}",
            LESSONS,
            "s.yaml:8: http-get without 'to' asks the hub's own cache, and with provision: none the hub has none of "
            "ours; leave it and its objectives out, or choose other traffic",
        ),
    ],
)
def test_what_a_closed_hub_cannot_have_is_refused(hub: str, traffic: str, message: str, scenario: Path) -> None:
    """Before anything starts, with the reason."""
    assert message == closed(scenario, hub, traffic=traffic)


def test_a_closed_hub_takes_requests_at_the_tenant_itself(scenario: Path) -> None:
    """They need nothing of the hub but that it forwards."""
    assert "" == closed(scenario, "{provision: none}", traffic=PAST)


@pytest.mark.parametrize(
    "asked", ["metric: hit_ratio", "metric: availability, content: cached", "metric: ttfb_p95, status: hit"]
)
def test_a_cache_that_is_not_asked_is_not_judged(asked: str, scenario: Path) -> None:
    """No hit of a cache would be its miss."""
    bound = "at_most: 1 s" if "ttfb" in asked else "at_least: 90 %"
    metric = asked.split(",")[0].removeprefix("metric: ")
    message = (
        f"s.yaml:9: {metric} of what a cache had, and lessons asks tenant itself; leave 'to' of lessons away, "
        "or ask another metric"
    )
    objectives = f"{PAST}objectives: [{{{asked}, of: lessons, {bound}}}, "
    scenario.write_text(SCENARIO.replace("HUB", "{}").replace("objectives: [", objectives))
    with pytest.raises(InputError) as caught:
        plan.make(scenario)

    assert message == str(caught.value)


def test_a_virtual_hub_is_provisioned(scenario: Path) -> None:
    """Nobody else would."""
    message = (
        "s.yaml:5: provision: none of a virtual hub, which would have neither addresses nor routes; put a hub in that "
        "has: --bench FILE"
    )

    assert message == refused(scenario, "{provision: none}")
