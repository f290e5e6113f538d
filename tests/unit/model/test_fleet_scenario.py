"""Scenarios of fleets: each mistake beside its message, and what follows from good ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed import cli, paths
from testbed.errors import InputError
from testbed.link.light_plan import HubMove
from testbed.run import fleet
from testbed.run import plan as plans
from testbed.yaml.overrides import Override

SKY = paths.FLEETS / "sky-returns.yaml"
TEXT = SKY.read_text(encoding="utf-8")
S = 10**9

MISTAKES = {
    "topology": ("topology: fleet-shared-cells", "topology: hub-two-uplinks", "has no fleet; take fleet-shared-cells"),
    "cell": ("  lte: {up: 5", "  lta: {up: 5", "no cells 'lta'; did you mean 'lte'?"),
    "no capacity": ("  lte: {up: 5", "  lte-3: {up: 5",
        "cell lte-1 has no capacity; add 'lte: {up: RATE, down: RATE}'"),
    "weights": ("scheduler: strict}", "scheduler: weighted}",
        "scheduler weighted without weights; write weights with"),
    "steps": ("up: 20 Mbit/s,", "steps: [{at: 0 s, up: 1 Mbit/s, down: 1 Mbit/s}], up: 20 Mbit/s,", "do not increase"),
    "rate": ("down: 100 Mbit/s", "down: 0 Mbit/s", "the cell's down is 0; write a rate such as 100 Mbit/s"),
    "trace and rates": ("{up: 5 Mbit/s,", "{trace: lte-rural, up: 5 Mbit/s,",
        "the cell has a trace and rates; write one"),
    "times": ("{up: 5 Mbit/s,", "{times: 2, up: 5 Mbit/s,", "times is 2; write 1 or more, beside a trace"),
    "uplink": ("  lte: {fixed", "  lt: {fixed", "unknown uplink 'lt'; did you mean 'lte'?"),
    "trace": ("trace: starlink-bent-pipe", "trace: starlink-bent-pip", "did you mean 'starlink-bent-pipe' or"),
    "event": ("uplink: starlink, outage", "uplink: starlnk, outage",
        "unknown uplink 'starlnk'; did you mean 'starlink'?"),
    "event's end": ("outage: 25 s", "outage: 95 s", "the outage ends at 125 s, after the scenario; end by 120 s"),
    "nothing out": ("uplink: starlink, outage", "outage", "an outage of what?; write one of 'uplink: NAME' and"),
    "load": ("of: records, at_most: 2 %", "of: recods, at_most: 2 %",
        "unknown load 'recods'; did you mean 'records'?"),
    "of a beat": ("fetch_time, of: lessons", "fetch_time, of: records",
        "fetch_time is not measured of a beat; name a"),
    "bound": ("at_most: 2 %", "at_most: 2 s", "at_most of loss is '2 s'; write "),
    "two bounds": ("at_most: 2 %", "at_most: 2 %, at_least: 1 %", "objective on loss has two bounds; write one of"),
    "metric": ("metric: fairness", "metric: fairnes", "unknown metric 'fairnes'; did you mean 'fairness'?"),
    "share": ("at_least: 80 %,", "at_least: 80 %, hubs: 90 %,",
        "fairness is one figure of the fleet; leave 'hubs' away"),
    "window": ("[65 s, 120 s]", "[65 s, 130 s]", "the window ends at 130 s, after the scenario; end by 120 s"),
    "leases of no uplink": ("leases: {", "leases: {starlnk: {rate: 1/s}, ", "unknown uplink 'starlnk'; did you mean"),
    "no leases": ("lease_time, of: starlink", "lease_time, of: lte",
        "lease_time of 'lte', which has no leases; write what answers there: 'back:"),
    "a server's rate": ("{rate: 250/s", "{rate: 0/s", "the server answers nothing; write a rate such as 50/s"),
    "a server's queue": ("queue: 200}", "queue: 0}", "queue is 0; write 1 or more messages"),
    "a day without points": ("seed: 7", "seed: 7\nday: {points: []}", "a day without points; write {at: 20 h, load"),
    "a day's order": ("seed: 7", "seed: 7\nday: {points: [{at: 9 h}, {at: 8 h}]}",
        "the points' times do not increase; write them in order"),
    "a day's hour": ("seed: 7", "seed: 7\nday: {points: [{at: 24 h}]}", "24 h of a day; write 0 h to 23.9 h"),
    "a day's beginning": ("seed: 7", "seed: 7\nday: {begins: 25 h, points: [{at: 2 h}]}", "25 h; write 0 h to 23.9 h"),
    "a day's load": ("seed: 7", "seed: 7\nday: {points: [{at: 2 h, load: 120 %}]}", "a share from 0 % to 100 %"),
    "a day's cells": ("seed: 7", "seed: 7\nday: {points: [{at: 2 h, cells: 0 %}]}",
        "nothing is left of the cells; write an outage as an event"),
    "mutation": ("fails: [fetch_time]", "fails: [fetch_tim]", "no objective is on 'fetch_tim', which the mutation"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    """Nothing is played; the file and line, what was found and what would be right are said."""
    before, after, message = MISTAKES[name]
    assert before in TEXT
    path = tmp_path / "f.yaml"
    path.write_text(TEXT.replace(before, after, 1), encoding="utf-8")

    with pytest.raises(InputError) as error:
        fleet.make(path)

    assert message in str(error.value)
    assert all("f.yaml:" in str(problem) for problem in error.value.problems)


@pytest.mark.parametrize("name", plans.names(paths.FLEETS))
def test_every_fleet_of_the_repository_can_be_made(name: str) -> None:
    """What is shipped is good, and so is its mutation."""
    made = fleet.make(paths.FLEETS / f"{name}.yaml", (Override.parse("hubs=3"),))
    mutation = made.scenario.mutation
    assert mutation is not None

    assert 3 == len(made.hubs)
    fleet.make(made.path, mutation.changes)


def test_a_hub_leaves_after_it_has_noticed_and_comes_back_with_a_refill() -> None:
    """Out 30 s to 55 s: away within two seconds after 31 s, asking for a lease within two after 60 s, back with it, and
    the cache is filled."""
    made = fleet.make(SKY, (Override.parse("hubs=20"),))
    for hub in made.hubs:
        start, away, back = fleet.moves(made, hub)

        assert HubMove(0, hub.number - 1, 0) == start
        assert (1, 0) == (away.uplink, away.refill)
        assert 31 * S <= away.t_ns < 33 * S
        assert (0, 2_000_000) == (back.uplink, back.refill)
        ((_, wants, _),) = fleet.returns(made, hub)
        assert 60 * S <= wants < 62 * S
        assert wants < back.t_ns < wants + S


def test_a_hub_without_a_lease_stays_where_it_is() -> None:
    """A lease takes the server four seconds: of twenty that ask from 60 s on, fifteen have one by 120 s at most."""
    slow = ("hubs=20", "back.leases.starlink.rate=0.5/s", "back.leases.starlink.queue=1")
    made = fleet.make(SKY, tuple(map(Override.parse, slow)))
    ends = [fleet.moves(made, hub)[-1] for hub in made.hubs]

    returned = [move for move in ends if 0 == move.uplink and move.t_ns < 120 * S]
    assert 0 < len(returned) <= 15
    leased = made.storms["starlink"].leased_ns
    assert sorted(leased[leased >= 0].tolist()) == sorted(move.t_ns for move in returned)


def test_what_is_over_before_it_is_noticed_moves_nobody() -> None:
    """An outage shorter than the detection leaves every hub where it is."""
    made = fleet.make(SKY, (Override.parse("hubs=5"), Override.parse("events.0.outage=1 s")))

    assert [1] * 5 == [len(fleet.moves(made, hub)) for hub in made.hubs]


def test_a_cell_s_outage_reaches_its_hubs_alone(tmp_path: Path) -> None:
    """Beam 3 goes out: hubs 3 and 13 lose Starlink, the others nothing."""
    path = tmp_path / "f.yaml"
    path.write_text(TEXT.replace("uplink: starlink, outage", "cell: starlink-3, outage"), encoding="utf-8")
    made = fleet.make(path, (Override.parse("hubs=16"),))

    assert [3, 13] == [hub.number for hub in made.hubs if list(fleet.outages(made, hub))]


def test_a_cell_carries_what_its_trace_says(tmp_path: Path) -> None:
    """Three times a trace's rates, from its start and again after its end; the cell's queue is its own."""
    path = tmp_path / "f.yaml"
    text = TEXT.replace("{up: 5 Mbit/s, down: 10 Mbit/s,", "{trace: lte-rural, times: 3,")
    path.write_text(text, encoding="utf-8")
    made = fleet.make(path, (Override.parse("hubs=4"),))
    profile, played = made.scenario.cells["lte"], made.capacities["lte"].down
    cell = profile.cell("lte-1", "down", played)

    assert text != TEXT
    assert (3 * played.rate_bps).tolist() == cell.schedule.rate_bps.tolist()
    assert cell.schedule.repeat and 300 * 10**6 == cell.schedule.queue.time_ns
    assert fleet.play(made).out_of[:, 1, 1].sum() > 0


def test_weighted_tiers_share_a_full_cell_by_their_weights(tmp_path: Path) -> None:
    """Both tiers ask for more than there is, with weights of 3 to 1: three bytes in four are the priority tier's."""
    path = tmp_path / "f.yaml"
    path.write_text(
        """topology: fleet-shared-cells
duration: 20 s
hubs: 2
uplinks: {starlink: {fixed: {delay: 20 ms}}, lte: {fixed: {delay: 35 ms}}}
cells:
  starlink: {up: 1 Mbit/s, down: 1 Mbit/s, scheduler: weighted, weights: {priority: 3600, standard: 1200}}
  lte: {up: 1 Mbit/s, down: 1 Mbit/s}
load:
  first: {kind: flow, rate: 2 Mbit/s, tier: priority}
  rest: {kind: flow, rate: 2 Mbit/s, tier: standard}
objectives: [{metric: fairness, of: rest, at_least: 90 %}]
""",
        encoding="utf-8",
    )
    first, rest = fleet.play(fleet.make(path)).bins["carried"].sum(axis=(1, 2))

    assert 3 == pytest.approx(first / rest, rel=0.03)


def test_the_command_plays_and_judges(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Forty hubs have room to spare: all objectives hold, the figure is there, and the JSON names the worst hub."""
    figure = tmp_path / "sky.svg"
    status = cli.main(["fleet", "play", "sky-returns", "--set", "hubs=40", "--json", "-o", str(figure)])
    told = json.loads(capsys.readouterr().out)

    assert 0 == status
    assert 40 == told["hubs"]
    assert {"pass"} == {verdict["outcome"] for verdict in told["verdicts"]}
    assert told["verdicts"][0]["worst"].startswith("hub-")
    assert b"light hubs" in figure.read_bytes()


def test_a_mutation_fails_what_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    """Twenty hubs in two full beams, without tiers: records are lost, and the exit status says so."""
    narrow = ("hubs=20", "cells.starlink.down=4 Mbit/s", "cells.starlink.steps.0.down=2 Mbit/s")
    changes = [word for change in narrow for word in ("--set", change)]
    status = cli.main(["fleet", "play", "evening-in-the-cell", "--mutated", "--json", *changes])
    told = json.loads(capsys.readouterr().out)

    assert 1 == status
    assert {"loss", "throughput"} <= {v["metric"] for v in told["verdicts"] if v["outcome"] == "fail"}


def test_a_day_has_its_evening(tmp_path: Path) -> None:
    """Of what flows at random at eight in the evening a fifth flows at four in the morning; the beats are the same."""
    day = "day: {points: [{at: 4 h, load: 20 %}, {at: 20 h, cells: 50 %}]}"
    path = tmp_path / "day.yaml"
    path.write_text((paths.FLEETS / "evening-in-the-cell.yaml").read_text(encoding="utf-8") + day, encoding="utf-8")
    sent = {}
    for hour in ("4 h", "20 h"):
        changes = [Override.parse(text) for text in ("hubs=20", f"day.begins={hour}")]
        bins = fleet.play(fleet.make(path, changes)).bins["packets"].sum(axis=(1, 2))
        sent[hour] = dict(zip(("records", "calls", "lessons"), bins.tolist(), strict=True))

    assert 0.2 == pytest.approx(sent["4 h"]["records"] / sent["20 h"]["records"], rel=0.05)
    assert sent["4 h"]["calls"] == sent["20 h"]["calls"]


def test_a_day_that_has_a_share_of_a_trace_is_refused(tmp_path: Path) -> None:
    """Cells that play a recording have its rates alone."""
    path = tmp_path / "day.yaml"
    day = "\nday: {points: [{at: 4 h}, {at: 20 h, cells: 50 %}]}"
    text = TEXT.replace("lte: {up: 5 Mbit/s, down: 10 Mbit/s,", "lte: {trace: lte-rural,", 1)
    path.write_text(text + day, encoding="utf-8")

    with pytest.raises(InputError, match="the cells 'lte' have a trace, and the day has a share of them"):
        fleet.make(path)
