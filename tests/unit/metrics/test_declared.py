"""The computed metrics and the ones that scenarios may name are the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.metrics import METRICS
from testbed.metrics.measurement import Ask
from testbed.metrics.window import Window
from testbed.model.event import Event
from testbed.model.facts import Facts, Happening
from testbed.model.objective import METRICS as DECLARED
from testbed.model.objective import Objective
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.traffic import UdpEcho, UdpFlows
from testbed.yaml import load
from tests.unit.metrics.hand_made import S, ask, evidence

TOPOLOGY = Path(__file__).parents[3] / "topologies" / "hub-two-uplinks.yaml"
DOC = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_declared_metric_is_computed_in_its_unit():
    """A scenario cannot name a metric that nobody computes."""
    assert {name: declared.unit for name, declared in DECLARED.items()} == {
        name: metric.unit for name, metric in METRICS.items()
    }


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_survives_a_run_without_samples(name: str):
    """A run that kept nothing gives a reason, not an exception."""
    measured = METRICS[name].measure(evidence(), ask())

    assert measured.value is None
    assert measured.reason


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_documented_with_its_minimum(name: str):
    """docs/metrics.md has a section for the metric that names its minimum number of samples."""
    section = re.search(rf"^###? .*`{name}`.*?(?=^###? |\Z)", DOC, re.MULTILINE | re.DOTALL)

    assert section is not None
    assert str(METRICS[name].minimum_samples) in section.group()


def test_objective_is_asked_as_it_is_written():
    """Stream, window, content and status of an objective reach the metric; gaps are filled in."""
    whole = Window(0, 90 * S)
    narrow = Objective("ttfb_p95", at_most="20 ms", window=(30 * S, 55 * S), content="cached", status="hit")

    assert Ask("lessons", Window(30 * S, 55 * S), "cached", "hit") == Ask.about(narrow, "lessons", whole)
    assert Ask("calls", whole) == Ask.about(Objective("interruption", "calls", "3 s"), "heartbeat", whole)


def test_facts_of_a_scenario():
    """Uplinks come in the topology's order of preference, events in the order of time."""
    events = (Event(40 * S, "lte", hold=2 * S), Event(30 * S, "starlink", outage=5 * S))
    traffic = {
        "pulse": UdpEcho(kind="udp-echo", from_="client", to="tenant", every=10**7, name="pulse"),
        "newcomers": UdpFlows(kind="udp-flows", from_="client", to="tenant", name="newcomers"),
    }
    scenario = Scenario("hub-two-uplinks", 90 * S, {}, (), traffic=traffic, events=events)
    expected = Facts(
        90 * S,
        ("starlink", "lte"),
        "pulse",
        (
            Happening("outage", "starlink", 30 * S, 35 * S, "starlink outage 5 s"),
            Happening("hold", "lte", 40 * S, 42 * S, "lte hold 2 s"),
        ),
        metered=("lte",),
        tariffs={"lte": 4.5e-9},
        new_flows="newcomers",
    )

    assert expected == Facts.of(scenario, load.read(TOPOLOGY, Topology))
