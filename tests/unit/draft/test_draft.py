"""A first scenario from a few choices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.cli import main, new
from testbed.draft.choices import EVENTS, OBJECTIVES, PlannedEvent
from testbed.draft.scenario import Draft, text
from testbed.errors import InputError
from testbed.model.hub import FAILOVERS
from testbed.model.topology import Topology
from testbed.run import plan
from testbed.yaml import load

TOPOLOGIES = tuple(new._topologies())


def topology(name: str) -> Topology:
    return load.read(plan.find_topology(name), Topology)


def planned(tmp_path: Path, draft: Draft) -> plan.Plan:
    """Write a draft and plan it, as `run --dry-run` does."""
    path = tmp_path / f"{draft.name}.yaml"
    path.write_text(text(draft, "scenario.json"))
    return plan.make(path)


@pytest.mark.parametrize("failover", FAILOVERS)
@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_combination_that_is_offered_can_be_planned(tmp_path: Path, name: str, failover: str) -> None:
    """Each topology with each failover: all events one after the other, and all objectives."""
    made = topology(name)
    events = tuple(PlannedEvent.parse(event, made) for event in EVENTS)
    whole = planned(tmp_path, Draft("all", name, made, failover, events, tuple(OBJECTIVES)))

    assert (len(EVENTS), len(OBJECTIVES)) == (len(whole.scenario.events), len(whole.scenario.objectives))


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_can_be_planned_alone(tmp_path: Path, event: str) -> None:
    made = topology("hub-two-uplinks")
    draft = Draft("one", "hub-two-uplinks", made, events=(PlannedEvent.parse(event, made),))

    assert [event] == [kind for e in planned(tmp_path, draft).scenario.events for kind in e.kinds]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_can_be_asked_of_a_calm_day(tmp_path: Path, objective: str) -> None:
    draft = Draft("calm", "hub-two-uplinks", topology("hub-two-uplinks"), objectives=(objective,))

    assert OBJECTIVES[objective].metric == planned(tmp_path, draft).scenario.objectives[0].metric


def test_the_bound_is_what_the_timers_promise(tmp_path: Path) -> None:
    """The interruption's bound leaves room above the worst that the failover's timers allow."""
    made = topology("hub-two-uplinks")
    for failover in FAILOVERS:
        draft = Draft("promise", "hub-two-uplinks", made, failover, (PlannedEvent.parse("outage", made),))
        (objective,) = planned(tmp_path, draft).scenario.objectives
        promise = draft.promise

        assert objective.bound > (promise.worst_ns if promise else 0)


def test_the_mutation_is_written_where_it_must_fail(tmp_path: Path) -> None:
    """An outage that is longer than the bound breaks a hub without failover; a short one need not."""
    made = topology("hub-two-uplinks")

    def mutation(event: str, failover: str = "ping-tracked") -> object:
        draft = Draft("m", "hub-two-uplinks", made, failover, (PlannedEvent.parse(event, made),))
        return planned(tmp_path, draft).scenario.mutation

    assert mutation("outage") is not None
    assert mutation("outage=1 s") is None
    assert mutation("lte:outage") is None
    assert mutation("outage", "none") is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--event", "outge"], "--event: unknown event 'outge'; did you mean 'outage'?"),
        (["--event", "sat:outage"], "--event: unknown uplink 'sat'; known: lte, starlink"),
        (["--event", "lte:dns_failure"], "--event: dns_failure is no event of an uplink; write 'dns_failure'"),
        (["--event", "outage=5"], "--event: outage of '5'; write a number and one of the units"),
        (["--objective", "interuption"], "--objective: unknown objective 'interuption'; did you mean 'interruption'?"),
        (["--topology", "hub-two"], "hub-two"),
        (["--topology", "fleet-shared-cells"], "--topology: a fleet of hubs; choose a topology with one hub"),
        (["Rain!"], "the name 'Rain!'; use a-z, 0-9 and -, such as rain-at-noon"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_right_ones(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bad input: exit status 2, and what would be right."""
    assert 2 == main(["new", "scenario", *arguments, "-o", "-"])
    assert message in capsys.readouterr().err


def test_the_command_writes_what_can_be_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is there, validates, and is not written over without --force."""
    file = tmp_path / "storm.yaml"
    arguments = ["new", "scenario", "storm", "--event", "brownout", "--event", "lte:outage=5 s", "-o", str(file)]

    assert 0 == main(arguments)
    assert "next: testbed run" in capsys.readouterr().out
    assert [("starlink", 20), ("lte", 55)] == [(e.uplink, e.at // 10**9) for e in plan.make(file).scenario.events]
    assert 2 == main(arguments)
    assert 0 == main([*arguments, "--force"])


def answers(*given: str) -> Callable[[str], str]:
    """What a user types, question by question."""
    left = list(given)
    return lambda _: left.pop(0)


def test_questions_take_numbers_names_and_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty answer is the default; a number stands for the name beside it; a wrong one is asked for again."""
    known = {"outage": "", "hold": "", "brownout": ""}

    assert "hold" == new._Questions(answers("2")).one("event", known, "outage")
    assert "outage" == new._Questions(answers("outge", "")).one("event", known, "outage")
    assert "did you mean 'outage'?" in capsys.readouterr().out
    asked = new._Questions(answers("1 lte:hold=5s")).several("events", known, ["outage"])
    assert ["outage", "lte:hold=5s"] == asked
    assert ["outage"] == new._Questions(answers("")).several("events", known, ["outage"])


def test_unknown_topology_is_an_input_error() -> None:
    with pytest.raises(InputError):
        plan.find_topology("nowhere")
