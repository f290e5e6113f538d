"""Campaigns: what is run, what is kept, and what was worst."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text

from testbed.campaign.matrix import Axis, Matrix, run
from testbed.cli.campaign import table
from testbed.errors import HostError, InputError, RunError
from testbed.paths import SCENARIOS
from testbed.plots import sweep
from testbed.result.campaign import Campaign
from testbed.result.record import State
from testbed.result.store import ResultWriter
from testbed.run import launch
from testbed.run.plan import Plan
from testbed.run.progress import Event, Note
from tests.unit.result.records import S, record, verdict

MEASURED = {"0 s": 2.4 * S, "5 s": 3.4 * S, "10 s": 2.9 * S}


@pytest.fixture
def campaign(tmp_path: Path) -> Campaign:
    """Three phases, the second of which broke the bound of 3 s."""
    kept = Campaign(tmp_path, "starlink-blackout", ("shift",))
    for shift, value in MEASURED.items():
        folder = tmp_path / shift[:-2]
        folder.mkdir()
        ResultWriter(folder, record(verdict(value), changes=(f"shift={shift}",)))
        kept = kept.kept(folder.name)
    return kept


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("hub.failover=none,ping-tracked", Axis("hub.failover", ("none", "ping-tracked"))),
        ("shift=0 s..6 s/2 s", Axis("shift", ("0 s", "2 s", "4 s", "6 s"))),
        ("hub.timers.fall=2", Axis("hub.timers.fall", ("2",))),
    ],
)
def test_an_axis_is_a_list_or_a_range(text: str, axis: Axis) -> None:
    """A range counts from its first value in steps, its end included where a step meets it."""
    assert axis == Axis.parse(text)


def test_phases_are_spread_over_a_slot() -> None:
    """The last phase is one step before the next slot, where the first one is again."""
    assert ("0 s", "3 s", "6 s", "9 s", "12 s") == Axis.phases(5).values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hub.failover", "--vary: 'hub.failover'; write KEY=A,B,C or KEY=FROM..TO/STEP"),
        ("shift=0 s..6", "--vary: 'shift=0 s..6': "),
        ("shift=6 s..0 s/1 s", "--vary: 'shift=6 s..0 s/1 s' has no values"),
    ],
)
def test_a_wrong_axis_says_what_is_right(text: str, message: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(InputError) as caught:
        Axis.parse(text)

    assert str(caught.value).startswith(message)


def test_every_combination_is_run_and_repetitions_come_last() -> None:
    """So a campaign that is cut short has seen every combination as early as possible."""
    matrix = Matrix(Path("s.yaml"), (Axis("a", ("1", "2")), Axis("b", ("x", "y"))), repeat=2)

    rows = [" ".join(map(str, changes)) for changes in matrix.combinations()]

    assert ["a=1 b=x", "a=1 b=y", "a=2 b=x", "a=2 b=y"] * 2 == rows


def test_a_campaign_is_read_as_it_was_kept(campaign: Campaign) -> None:
    """The folder alone tells the scenario, the keys and the runs."""
    assert campaign == Campaign.load(campaign.folder)


def test_the_worst_run_is_found(campaign: Campaign) -> None:
    """It is the one with the least room to the bound; here the bound is broken, so the campaign fails."""
    (extreme,) = campaign.worst()

    assert {"shift": "5 s"} == campaign.values(extreme.result)
    assert 1 == campaign.exit_status


def test_a_run_that_died_ends_no_campaign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept with what it said, with or without a result; those after it are run, and the exit status is 3."""
    said = iter(["the run died", "", "ip is missing"])

    def play(made: Plan, folder: Path, show: object, hold: int | None) -> int:
        if why := next(said):
            raise (RunError if "died" in why else HostError)(why)
        ResultWriter(folder, record(verdict(2 * S)))
        return 0

    monkeypatch.setattr(launch, "run", play)
    matrix = Matrix(SCENARIOS / "smoke.yaml", (Axis("seed", ("1", "2", "3")),))
    told: list[Event] = []
    campaign = run(matrix, tmp_path, lambda _: nullcontext(told.append))

    assert campaign == Campaign.load(tmp_path)
    assert (("1", "2", "3"), {"1": "the run died", "3": "ip is missing"}) == (campaign.runs, campaign.died)
    assert [Note("the run died", error=True), Note("ip is missing", error=True)] == told
    assert (1, 3) == (len(campaign.results), campaign.exit_status)
    assert [["0"], ["✔ 2 s"]] == [list(column.cells) for column in table(campaign).columns[1:]]


def test_a_run_that_died_with_a_result_is_in_the_table(campaign: Campaign) -> None:
    """What it had written before is shown, as far as it came."""
    folder = campaign.folder / "4"
    folder.mkdir()
    ResultWriter(folder, record(state=State.RUNNING, changes=("shift=15 s",)))
    columns = [list(column.cells) for column in table(campaign.kept("4", "it died")).columns]

    assert ["15 s", "3", "–"] == [cells[-1] for cells in columns]


def test_a_folder_without_a_campaign_is_refused(tmp_path: Path) -> None:
    """The message names the file that is missing."""
    with pytest.raises(InputError, match=r"campaign\.json: not readable"):
        Campaign.load(tmp_path)


def test_the_table_has_a_row_for_each_run(campaign: Campaign) -> None:
    """Each with what was set, and what was measured."""
    columns = [list(column.cells) for column in table(campaign).columns]

    assert [["0 s", "5 s", "10 s"], ["0", "1", "0"], ["✔ 2.4 s", "✘ 3.4 s", "✔ 2.9 s"]] == columns


def test_the_figure_shows_each_run_at_its_shift(campaign: Campaign) -> None:
    """The values stand over the shifts in seconds; the run that failed is crossed out."""
    figure = sweep.draw(campaign)
    (axes,) = figure.axes
    line, cross, bound = axes.lines

    assert [[0.0, 2.4], [5.0, 3.4], [10.0, 2.9]] == np.asarray(line.get_xydata()).tolist()
    assert [[5.0, 3.4]] == np.asarray(cross.get_xydata()).tolist()
    assert [3.0, 3.0] == list(bound.get_ydata())
    assert any("15 s slot" in text.get_text() for text in figure.findobj(Text))


@pytest.mark.parametrize(
    "keys", [("interruption:heartbeat:at_most", "interruption:at_most:30s-55s"), ("", "")]
)
def test_an_objective_whose_window_moves_is_one_objective(tmp_path: Path, keys: tuple[str, str]) -> None:
    """A shift moves windows: the runs are compared all the same, those of older versions, without keys, too."""
    kept = Campaign(tmp_path, "starlink-blackout", ("shift",))
    for shift, window in (("0 s", "30 s .. 55 s"), ("5 s", "35 s .. 60 s")):
        folder = tmp_path / shift[:-2]
        folder.mkdir()
        moved = replace(verdict(2 * S), title=f"interruption at most 3 s in {window}")
        judged = (replace(verdict(S), key=keys[0]), replace(moved, key=keys[1]))
        ResultWriter(folder, record(*judged, changes=(f"shift={shift}",)))
        kept = kept.kept(folder.name)

    assert "interruption at most 3 s in its window" == [*kept.titles.values()][1]
    assert 2 == len(kept.titles)
    assert 2 == len(list(kept.worst()))
    assert 4 == len(table(kept).columns)


def test_objectives_are_matched_by_key_and_not_by_place(tmp_path: Path) -> None:
    """A run that has an objective less, or another order, has its values in the right columns."""
    kept = Campaign(tmp_path, "starlink-blackout", ("seed",))
    first, second = replace(verdict(S), key="a"), replace(verdict(2 * S), key="b")
    for seed, judged in (("1", (first, second)), ("2", (second, first)), ("3", (second,))):
        (tmp_path / seed).mkdir()
        ResultWriter(tmp_path / seed, record(*judged, changes=(f"seed={seed}",)))
        kept = kept.kept(seed)

    columns = [list(column.cells) for column in table(kept).columns]
    assert [["✔ 1 s", "✔ 1 s", "–"], ["✔ 2 s", "✔ 2 s", "✔ 2 s"]] == columns[2:]
