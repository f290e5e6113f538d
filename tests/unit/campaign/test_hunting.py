"""A hunt on disk: what it asks of runs, what it keeps of their answers, and how it goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from testbed.campaign.hunt import Dimension
from testbed.campaign.hunting import FILE, Hunt, HuntAnswer, Vary, go, told
from testbed.errors import InputError, RunError
from testbed.result.record import State
from testbed.result.verdict import Outcome

MS, S = 10**6, 10**9
KEY = "interruption:heartbeat:at_most"


@dataclass(frozen=True)
class Told:
    """As much of a result as a hunt reads: a verdict."""

    outcome: Outcome
    margin: float | None
    state: State = State.COMPLETE
    reason: str = "too few"
    measured: str = "1 s"

    @property
    def record(self) -> Told:
        return self

    def verdict(self, of: str) -> Told:
        assert KEY == of
        return self


def hunting(runs: int = 40, tries: int = 2) -> Hunt:
    shrink = Vary.parse("events.0.outage=100 ms..5 s/100 ms", "--shrink", size=True)
    anywhere = Vary.parse("shift=0 s..14 s/1 s", "--vary", size=False)
    return Hunt("s", KEY, (shrink, anywhere), 1, runs, tries, ("seed=3",))


class Hub:
    """Breaks from 1.3 s on, in the second half of the slot alone; ``deaf`` runs of each point tell nothing."""

    def __init__(self, deaf: int = 0, dies_at: int = 0) -> None:
        self.runs: list[str] = []
        self._deaf, self._dies_at = deaf, dies_at
        self._asked: dict[str, int] = {}

    def __call__(self, changes: Any, folder: Path) -> Any:
        folder.mkdir()
        said = " ".join(map(str, changes))
        self.runs.append(said)
        if self._dies_at == len(self.runs):
            return Told(Outcome.PASS, 1.0, State.INTERRUPTED)
        self._asked[said] = self._asked.get(said, 0) + 1
        if self._asked[said] <= self._deaf:
            return Told(Outcome.INCONCLUSIVE, None)
        values = dict(str(change).split("=") for change in changes)
        number, unit = values["events.0.outage"].split()
        length_ms = int(number) * (1000 if unit == "s" else 1)
        phase = int(values["shift"].split()[0])
        broken = phase > 7 and length_ms >= 1300
        return Told(Outcome.FAIL, float(1299 - length_ms)) if broken else Told(Outcome.PASS, float(5000 - length_ms))


def begin(folder: Path, made: Hunt) -> Hunt:
    return made.write(folder)


def test_the_smallest_is_found_and_kept(tmp_path: Path) -> None:
    """To a step, with what holds beside it; the changes of the command line are in every run."""
    hub = Hub()
    known = go(begin(tmp_path, hunting()), tmp_path, hub, lambda *_: None)
    found = known.hunted.found

    assert found and 1300 * MS == found.breaks[0] and found.breaks[1] > 7 * S
    assert (1200 * MS, found.breaks[1]) in found.holds
    assert all(run.startswith("seed=3 ") for run in hub.runs)
    assert known == Hunt.read(tmp_path)
    assert any("--set 'events.0.outage=1300 ms'" in line for line in told(known, tmp_path))


def test_one_that_was_cut_short_plays_nothing_again(tmp_path: Path) -> None:
    """And comes to the same as one that was not."""
    whole, first, second = Hub(), Hub(dies_at=6), Hub()
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    expected = go(begin(tmp_path / "whole", hunting()), tmp_path / "whole", whole, lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        go(begin(tmp_path / "cut", hunting()), tmp_path / "cut", first, lambda *_: None)
    kept = Hunt.read(tmp_path / "cut")
    known = go(kept, tmp_path / "cut", second, lambda *_: None)

    assert 5 == len(kept.asked)
    assert first.runs[:5] + second.runs == whole.runs
    assert expected.hunted.margins == known.hunted.margins


def test_a_run_that_cannot_tell_is_played_again(tmp_path: Path) -> None:
    """Its second run tells; where none does the point is neither broken nor good."""
    (tmp_path / "told").mkdir()
    (tmp_path / "deaf").mkdir()
    known = go(begin(tmp_path / "told", hunting(runs=3)), tmp_path / "told", Hub(deaf=1), lambda *_: None)
    deaf = go(begin(tmp_path / "deaf", hunting(runs=3)), tmp_path / "deaf", Hub(deaf=2), lambda *_: None)

    assert {2} == {len(asked.runs) for asked in known.asked}
    assert None not in known.hunted.margins.values()
    assert [None] * 3 == [asked.margin for asked in deaf.asked]
    assert deaf.hunted.found is None
    assert "3 of at most 3 points asked, 3 without an answer" == told(deaf, tmp_path)[0]


def test_a_run_that_dies_is_no_answer(tmp_path: Path) -> None:
    """The lab's failure is not the hub's."""

    def dies(changes: Any, folder: Path) -> Any:
        folder.mkdir()
        raise RunError("linkd did not start")

    known = go(begin(tmp_path, hunting(runs=1)), tmp_path, dies, lambda *_: None)

    assert [HuntAnswer(known.asked[0].point, None, "no answer: linkd did not start", ("01", "02"))] == list(known.asked)


@pytest.mark.parametrize(
    ("text", "dimension", "last"),
    [
        ("a.0.b=100 ms..5 s/100 ms", Dimension("a.0.b", 100 * MS, 5 * S, 100 * MS), "5 s"),
        ("hub.timers.fall=1..8/2", Dimension("hub.timers.fall", 1, 8, 2), "7"),
        ("x=1 s..2500 us/1 us", None, ""),
        ("x=1..2", None, ""),
        ("x=1 potato..2 s/1 s", None, ""),
    ],
)
def test_a_range_is_read_to_the_nanosecond(text: str, dimension: Dimension | None, last: str) -> None:
    """Times or whole numbers; anything else is refused with an example."""
    if dimension is None:
        with pytest.raises(InputError):
            Vary.parse(text, "--shrink", size=True)
        return
    vary = Vary.parse(text, "--shrink", size=True)

    assert (dimension, last) == (vary.dimension, vary.text(vary.dimension.at(1)))
    assert "1300 us" == replace(vary, unit="ns").text(1300 * 1000)


def test_a_folder_without_a_hunt_is_refused(tmp_path: Path) -> None:
    """By what is missing, and what would be right."""
    (tmp_path / FILE).write_text('{"scenario": 3}')
    with pytest.raises(InputError, match="no hunt"):
        Hunt.read(cast(Path, tmp_path))
