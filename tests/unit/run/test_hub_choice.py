"""What a scenario chooses for its hub: each bad choice beside the message that it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.errors import InputError
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
