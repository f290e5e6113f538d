"""What is made for people when a run is over, here or outside of its machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed import plots, report
from testbed.report import assets
from testbed.result.store import Result, ResultWriter
from testbed.run import pictures
from testbed.run.progress import Event, Step
from tests.unit.plots.blackout import Story
from tests.unit.report.made import made_in

FIGURE = f"{plots.STEM}.png"


@pytest.fixture(autouse=True)
def uplot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for what draws in the report: ``make setup`` alone installs it."""
    monkeypatch.setattr(assets, "uplot", lambda: assets.Uplot("0", "", "", ""))


def test_a_run_gets_its_figure_and_its_report(tmp_path: Path) -> None:
    """Beside its results, and the screen hears what takes a while."""
    result, told = made_in(tmp_path / "run", Story()), list[Event]()

    pictures.write(ResultWriter(result.folder, result.record), told.append)

    assert [Step("figure")] == told
    assert all((result.folder / name).stat().st_size for name in (FIGURE, report.FILE))


def test_a_mishap_with_the_figure_is_noted_and_keeps_the_report(tmp_path: Path) -> None:
    """A folder that is in the figure's way is no reason to go without a report."""
    result, told = made_in(tmp_path / "run", Story()), list[Event]()
    (result.folder / FIGURE).mkdir()

    pictures.write(ResultWriter(result.folder, result.record), told.append)

    assert ["the figure"] == [mishap.step for mishap in Result.load(result.folder).record.mishaps]
    assert (result.folder / report.FILE).stat().st_size
