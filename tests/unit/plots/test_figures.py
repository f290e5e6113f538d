"""Figures of several runs: every kind is drawn, says what was measured, and where it comes from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.text import Text

from testbed import cli
from testbed.cli.plot import KINDS
from testbed.errors import InputError
from testbed.plots import figures, sheet, timers
from testbed.result.store import Result, ResultWriter
from tests.unit.plots.blackout import S, Story
from tests.unit.report.made import made_in

SEVERAL = ("decomposition", "distribution", "heatmap", "offload", "timers")
SINGLE = ("timeline", "handovers", "delays")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """A hub that fails over, twice with other seeds, and one that does not."""
    folder = tmp_path_factory.mktemp("runs")
    made = []
    for name, story, changes in (
        ("a", Story(), ("seed=1",)),
        ("b", Story(detected=34 * S), ("seed=2",)),
        ("c", Story(detected=90 * S, returned=90 * S), ("hub.failover=none",)),
    ):
        result = made_in(folder / name, story)
        ResultWriter(result.folder, replace(result.record, changes=changes))
        made.append(Result.load(result.folder))
    return made


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def ticks_of(axis: Axis) -> list[Text]:
    """Return the labels of an axis' numbers; those beyond its ends are not drawn."""
    return [*axis.get_ticklabels(), *axis.get_ticklabels(minor=True)]


def drawn(kind: str, runs: list[Result]) -> Figure:
    return figures.FIGURES[kind]([result.folder for result in runs])


def test_the_command_line_knows_every_kind() -> None:
    assert list(figures.FIGURES) == list(KINDS)


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_ending_says_the_format(ending: str, start: bytes, runs: list[Result], tmp_path: Path) -> None:
    """The same results make the same bytes."""
    chosen, written = [str(result.folder) for result in runs], []
    for name in ("one", "two"):
        out = tmp_path / f"{name}.{ending}"
        assert 0 == cli.main(["plot", "decomposition", *chosen, "-o", str(out)])
        written.append(out.read_bytes())

    assert written[0].startswith(start)
    assert written[0] == written[1]


@pytest.mark.parametrize("kind", [*SEVERAL, *SINGLE])
def test_every_figure_names_its_inputs_by_hash(kind: str, runs: list[Result]) -> None:
    chosen = runs if kind in SEVERAL else runs[:1]
    said = " ".join(texts(drawn(kind, chosen)))

    assert chosen[0].record.versions.commit[:7] in said
    assert all(each.sha256[:8] in said for each in chosen[0].record.inputs if each.role == "scenario")


@pytest.mark.parametrize("kind", SEVERAL)
def test_no_word_lies_outside(kind: str, runs: list[Result]) -> None:
    """Every text ends inside the figure."""
    figure = drawn(kind, runs)
    figure.canvas.draw()
    whole = figure.bbox
    ticks = {label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in ticks_of(axis)}
    for text in figure.findobj(Text):
        if text.get_text() and text.get_visible() and text not in ticks:
            box = text.get_window_extent()
            assert whole.x0 - 1 <= box.x0, text.get_text()
            assert box.x1 <= whole.x1 + 1, text.get_text()


def test_a_long_configuration_is_told_in_lines() -> None:
    """Names that do not fit beside the bars are broken between their words; none is cut."""
    name = "short-gap-keeps-sessions: hub.timers.interval=500 ms, hub.timers.fall=3"
    lines = sheet.wrapped(name, 32).split("\n")

    assert all(len(line) <= 32 for line in lines)
    assert name == " ".join(lines)


def test_repetitions_are_one_configuration(runs: list[Result]) -> None:
    """Seeds and phases make other runs of the same configuration; any other change makes another."""
    assert {"as written": 2, "hub.failover=none": 1} == {
        name: len(found) for name, found in sheet.groups(runs).items()
    }


def test_a_part_that_never_came_is_said(runs: list[Result]) -> None:
    """A hub without failover has no bar for the takeover, but words."""
    said = texts(drawn("decomposition", runs))

    assert any("until another uplink carries: never" in text for text in said)
    assert "as written\n(2 runs)" in said


def test_the_heat_map_shows_the_worst_run_of_a_configuration(runs: list[Result]) -> None:
    """Of two runs of which one fails, the cell is the failing one's, and counts both."""
    said = texts(drawn("heatmap", runs))
    missed = next(v for v in runs[1].record.verdicts if v.metric == "interruption")

    assert "fail" == missed.outcome
    assert f"✘ {missed.measured}" in said
    assert any("1 of 2" in text for text in said)


def test_a_distribution_ends_at_what_arrived(runs: list[Result]) -> None:
    """What was lost never arrives: the curve of the heartbeat ends at the share that came back."""
    axes: Axes = drawn("distribution", runs[:1]).axes[0]
    good = runs[0].evidence.probes("heartbeat").good

    assert 100 * good.mean() == pytest.approx(float(np.max(axes.lines[0].get_ydata())))


def test_detection_is_counted_from_the_event(runs: list[Result]) -> None:
    """A point stands at the median time from the event to the first packet on another uplink."""
    found = [result.record.decomposition[0] for result in runs[:2]]
    took = [((each.first_backup_ns or 0) - each.impairment_ns) / 1e9 for each in found]
    axes = timers.draw(runs).axes[0]
    point = next(line for line in axes.lines if str(line.get_label()).startswith("as written"))

    assert float(np.median(took)) == pytest.approx(float(point.get_ydata()[0]))
    assert any("unnoticed: 1 of 1 events" in str(line.get_label()) for line in axes.lines)


def test_an_unknown_ending_is_refused(runs: list[Result], capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == cli.main(["plot", "timeline", str(runs[0].folder), "-o", "x.doc"])
    assert "testbed: x.doc: ending '.doc'; one of .png, .svg, .pdf\n" == capsys.readouterr().err


def test_a_figure_of_one_run_takes_one(runs: list[Result]) -> None:
    with pytest.raises(InputError, match="3 results; name one"):
        drawn("delays", runs)


def test_two_programs_are_two_configurations(runs: list[Result]) -> None:
    """What was changed is the same, and what was tested is not: the commit tells them apart."""
    record = runs[0].record
    records = [
        replace(record, under_test={"program": program}, versions=replace(record.versions, commit=commit))
        for program, commit in (("a", "1" * 40), ("b", "2" * 40))
    ]
    two = [Result(run.folder, record) for run, record in zip(runs, records, strict=False)]

    assert {"as written, 1111111": 1, "as written, 2222222": 1} == {
        name: len(found) for name, found in sheet.groups(two).items()
    }


def test_a_long_title_has_smaller_letters(runs: list[Result]) -> None:
    figure = sheet.sheet("recorded-handovers with hub.failover=bgp-bfd, " * 3, "told", runs, 5)

    assert figure.texts[0].get_window_extent().x1 <= figure.bbox.width
