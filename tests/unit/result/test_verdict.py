"""Verdicts on measurements made by hand."""

from __future__ import annotations

import pytest

from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Ask, Measurement
from testbed.metrics.window import Window
from testbed.model.facts import Facts
from testbed.model.objective import Objective, Unit
from testbed.model.scenario import Scenario
from testbed.model.traffic import UdpEcho
from testbed.result.record import Fidelity
from testbed.result.verdict import Outcome, Verdict, evaluate, exit_status, judge
from tests.unit.result.records import S, verdict


@pytest.mark.parametrize(
    ("value", "outcome", "margin"),
    [(2 * S, Outcome.PASS, S), (3 * S, Outcome.PASS, 0), (3 * S + 1, Outcome.FAIL, -1)],
)
def test_value_against_an_upper_bound(value: int, outcome: Outcome, margin: int):
    """A value equal to the bound keeps it; the margin is the room that is left."""
    judged = verdict(value)

    assert (outcome, margin) == (judged.outcome, judged.margin)


def test_margin_of_a_floor():
    """Against at_least the room is what the value has above the bound."""
    judged = verdict(2 * S, at_most="", at_least="3 s")

    assert (Outcome.FAIL, -S) == (judged.outcome, judged.margin)


def test_too_few_samples_are_inconclusive():
    """A good value of 99 probes, where 100 are needed, supports nothing."""
    judged = verdict(S, samples=99)

    assert Outcome.INCONCLUSIVE == judged.outcome
    assert "99 probes sent, 100 are needed" == judged.reason
    assert S == judged.value


def test_reason_or_missing_value_is_inconclusive():
    """What the metric could not tell, the verdict does not tell either."""
    assert "the prober died" == verdict(None, 0, reason="the prober died").reason
    assert Outcome.INCONCLUSIVE == verdict(S, reason="the prober died").outcome


@pytest.mark.parametrize(
    ("bounds", "value", "outcome"),
    [
        ({"at_most": "3 s"}, 2 * S, Outcome.INCONCLUSIVE),
        ({"at_most": "3 s"}, 4 * S, Outcome.FAIL),
        ({"at_most": "", "at_least": "3 s"}, 4 * S, Outcome.PASS),
        ({"at_most": "", "at_least": "3 s"}, 2 * S, Outcome.INCONCLUSIVE),
    ],
)
def test_lower_bound_decides_only_what_is_certain(bounds: dict[str, str], value: int, outcome: Outcome):
    """Still going on after 4 s breaks "at most 3 s"; after 2 s nothing is known yet."""
    assert outcome == verdict(value, lower_bound=True, **bounds).outcome


def test_lower_bound_is_shown_as_one():
    """A reader sees that the value is no measurement of the whole."""
    assert "> 35 s" == verdict(35 * S, lower_bound=True).measured


def test_line_for_a_terminal():
    """One line has the outcome, the objective, the value and the reason."""
    assert "fail: interruption of heartbeat at most 3 s: 4 s" == verdict(4 * S).line
    expected = "inconclusive: interruption of heartbeat at most 3 s: none (the prober died)"
    assert expected == verdict(None, 0, reason="the prober died").line


PASS, FAIL, UNSURE = verdict(S), verdict(4 * S), verdict(None, 0)


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [([PASS, PASS], 0), ([PASS, FAIL], 1), ([PASS, UNSURE], 3), ([UNSURE, FAIL], 1), ([], 3)],
)
def test_exit_status(verdicts: list, status: int):
    """0 all pass, 1 one failed, 3 it could not be told; a failure is certain whatever else is not."""
    assert status == exit_status(verdicts)


def test_invalid_emulation_makes_every_verdict_invalid():
    """A run that missed its fidelity budget proves nothing, not even a failure."""
    objectives = (Objective("interruption", at_most="3 s"), Objective("failovers", at_most="0"))
    heartbeat = UdpEcho(kind="udp-echo", from_="client", to="tenant", every=10**7, name="heartbeat")
    scenario = Scenario("two", 90 * S, {}, objectives, traffic={"heartbeat": heartbeat})
    judged = evaluate(scenario, Evidence(Facts(90 * S, ("starlink",))), "12 packets lost by the engine")

    assert [Outcome.INVALID] * 2 == [v.outcome for v in judged]
    assert "12 packets lost by the engine" == judged[0].reason
    assert ["heartbeat"] * 2 == [v.of for v in judged]
    assert 3 == exit_status(judged)


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        (3 * S - 200_000, Outcome.PASS),
        (3 * S - 149_999, Outcome.INCONCLUSIVE),
        (3 * S, Outcome.INCONCLUSIVE),
        (3 * S + 149_999, Outcome.INCONCLUSIVE),
        (3 * S + 200_000, Outcome.FAIL),
    ],
)
def test_a_time_nearer_to_its_bound_than_it_is_known_is_inconclusive(value: int, outcome: Outcome):
    """150 us on either side of 3 s nobody can tell which side it is on."""
    judged = banded("interruption", Unit.DURATION, "3 s", value)

    assert (outcome, 150_000) == (judged.outcome, judged.uncertainty)


def test_the_reason_says_how_near_and_how_certain():
    """So that a reader can move the bound, or calm the host."""
    judged = banded("interruption", Unit.DURATION, "3 s", 3 * S - 100_000)

    assert "100 us from the bound, known to 150 us" == judged.reason


@pytest.mark.parametrize(
    ("metric", "unit", "at_most", "value"),
    [
        ("failovers", Unit.COUNT, "2", 2),
        ("metered_cost", Unit.MONEY, "0.05 USD", 0.05),
        ("stranded_time", Unit.DURATION, "0 s", 0),
        ("call_loss", Unit.SHARE, "1 %", 0.01),
    ],
)
def test_what_is_counted_is_exact(metric: str, unit: Unit, at_most: str, value: float):
    """Two failovers are two, and a time of nothing is nothing: at the bound they keep it."""
    judged = banded(metric, unit, at_most, value)

    assert (Outcome.PASS, 0.0) == (judged.outcome, judged.uncertainty)


def banded(metric: str, unit: Unit, at_most: str, value: float) -> Verdict:
    """The verdict on a value where times are known to 150 us."""
    objective = Objective(metric, "heartbeat", at_most)
    return judge(objective, Ask("heartbeat", Window(0, 90 * S)), Measurement(value, unit, 9000, 100), 150_000)


@pytest.mark.parametrize(("calibrated", "band"), [(None, 150_000 + 100_000), (40_000, 150_000 + 40_000)])
def test_the_band_is_the_worst_links_lateness_both_ways_and_the_hosts_own(calibrated: float | None, band: float):
    """A direction without packets adds nothing."""
    links = {
        "starlink up": {"late_p99_ns": 90_000},
        "starlink down": {"late_p99_ns": 60_000},
        "lte up": {"late_p99_ns": 100_000},
        "lte down": {"late_p99_ns": None},
    }

    assert band == Fidelity(True, links=links, calibrated_ns=calibrated).band_ns
