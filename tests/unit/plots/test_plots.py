"""The timeline figure: what it shows, of which runs, and that it shows it inside its borders."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from testbed import plots
from testbed.plots import style
from testbed.result.record import State
from testbed.result.store import Result
from tests.unit.plots.blackout import OBJECTIVES, S, Story, make

# The stories in which a hub fails over, does not, and is emulated badly.
STORIES = {
    "failover": Story(),
    "never": Story(detected=90 * S, returned=90 * S),
    "late": Story(outage=(70 * S, 89 * S), detected=72 * S, returned=90 * S),
    "old flows stay": Story(returned=90 * S, new_returned=57 * S),
    "invalid": Story(invalid="12 packets were lost by the engine (ring overrun)"),
}


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run with a failover and a return."""
    return make(tmp_path_factory.mktemp("blackout"))


@pytest.fixture(scope="module")
def figure(result: Result) -> Figure:
    """The figure of that run."""
    return plots.draw(result)


@pytest.mark.parametrize(
    "shown",
    [
        "starlink-blackout",
        "Does the hub carry the lesson over LTE when the dish goes dark for 25 s?",
        "starlink outage 25 s",
        "interruption 2.15 s (at most 3.5 s)",
        "return_to_preferred 6.38 s (at most 30 s)",
        "availability of lessons (cached content) at least 100 % in 30 s .. 55 s",
        "32.14 s",
        "time since the start (s)",
        "heartbeat\nRTT (ms)",
        "down\n(Mbit/s)",
        "lessons: time to\nfirst byte (ms)",
    ],
)
def test_figure_says_what_it_shows(figure: Figure, shown: str):
    """Title, question, events, objectives with bound and value, and units are written on it."""
    assert shown in texts(figure)


@pytest.mark.parametrize(
    "origin", ["starlink-bent-pipe.parquet 9c1e9c1e", "commit edbd048", "seed 7", "2026-11-22"]
)
def test_footer_says_where_it_comes_from(figure: Figure, origin: str):
    """A figure on its own can be traced back to its inputs."""
    assert any(origin in text for text in texts(figure))


def test_every_loss_is_marked(result: Result, figure: Figure):
    """The rug under the round trips has one line for each lost probe."""
    lost = int(np.sum(~result.evidence.probes("heartbeat").good))
    (rug,) = [c for c in figure.axes[1].collections if str(c.get_label()).startswith(f"{lost} lost")]

    assert lost == len(rug.get_paths())


def test_carrier_band_has_the_uplinks_colours(figure: Figure):
    """Starlink, nobody, LTE, Starlink: in the colours that the uplinks have everywhere."""
    band = [to_hex(patch.get_facecolor()).upper() for patch in figure.axes[0].patches]

    assert [style.BLUE, "#FFFFFF", style.ORANGE, style.BLUE] == band[:4]


def test_new_flows_have_a_band_of_their_own(tmp_path: Path):
    """The heartbeat stays on LTE, new flows return at 57 s: two bands, and both moments in words."""
    figure = plots.draw(make(tmp_path, STORIES["old flows stay"]))
    bands = [patch.get_extents() for patch in figure.axes[0].patches]
    colours = [to_hex(patch.get_facecolor()).upper() for patch in figure.axes[0].patches]

    assert [style.BLUE, "#FFFFFF", style.ORANGE] == colours[:3]
    assert [style.BLUE, "#FFFFFF", style.ORANGE, style.BLUE] == colours[3:]
    assert max(band.y1 for band in bands[:3]) < min(band.y0 for band in bands[3:])
    assert {"57.00 s", "new flows back on starlink (since its end)", "2 s", "never"} <= set(texts(figure))


def test_every_request_has_a_point(result: Result, figure: Figure):
    """No request is left out: hits, stale answers, misses and failures add up."""
    panel = figure.axes[4]
    points = [line for line in panel.lines if line.get_label()[-1:] == ")"]

    assert result.evidence.samples["lessons"].num_rows == sum(len(line.get_xdata()) for line in points)


def test_panels_share_one_time_axis(figure: Figure):
    """All panels run from 0 to the scenario's end."""
    assert [(0.0, 90.0)] * 5 == [axes.get_xlim() for axes in figure.axes[:5]]


@pytest.mark.parametrize("story", STORIES)
def test_nothing_is_written_beyond_the_borders(tmp_path: Path, story: str):
    """Whatever happens in a run, no text leaves the paper."""
    figure = plots.draw(make(tmp_path, STORIES[story]))
    figure.canvas.draw()
    paper = figure.bbox
    boxes = {text.get_text(): text.get_window_extent() for text in figure.findobj(Text) if text.get_text()}

    outside = [t for t, b in boxes.items() if b.x0 < 0 or b.y0 < 0 or b.x1 > paper.x1 or b.y1 > paper.y1]
    assert [] == outside


def test_rows_of_the_table_do_not_touch(tmp_path: Path):
    """With twice as many objectives the letters shrink instead of overlapping."""
    figure = plots.draw(make(tmp_path, objectives=OBJECTIVES * 2))
    figure.canvas.draw()
    rows = [text.get_window_extent() for text in figure.axes[5].texts if text.get_position()[0] == 0.13]
    rows.sort(key=lambda box: -box.y0)

    assert len(OBJECTIVES) * 2 + 1 == len(rows)
    assert all(above.y0 >= below.y1 - 1 for above, below in pairwise(rows))


def test_invalid_run_cannot_be_mistaken(tmp_path: Path):
    """An emulation that missed its budget is announced at the top of the figure."""
    shown = texts(plots.draw(make(tmp_path, STORIES["invalid"])))

    assert "invalid: 12 packets were lost by the engine (ring overrun)" in shown


def test_run_that_failed_early_is_drawn(tmp_path: Path):
    """Without any samples the figure says so, panel by panel, and why the run failed."""
    result = make(tmp_path)
    shutil.rmtree(tmp_path / "samples")
    record = replace(
        result.record,
        state=State.FAILED,
        error="hub: task 'wan' failed\nlong output",
        verdicts=(),
        fidelity=None,
    )
    shown = texts(plots.draw(Result(tmp_path, record)))

    assert {"failed: hub: task 'wan' failed", "no heartbeat samples", "no link counters"} <= set(shown)
    assert {"no heartbeat seen on the links", "no objective was judged"} <= set(shown)


def test_run_without_requests_has_no_panel_for_them(tmp_path: Path):
    """A scenario without http traffic is drawn without an empty panel."""
    make(tmp_path)
    (tmp_path / "samples" / "lessons.parquet").unlink()

    assert not any("first byte" in text for text in texts(plots.draw(Result.load(tmp_path))))


def test_files_are_written(result: Result):
    """A PNG wide enough for print, without changing matplotlib's settings."""
    before = dict(matplotlib.rcParams)
    path = plots.write(result)
    header = path.read_bytes()[:24]

    assert result.folder / "timeline.png" == path
    assert b"\x89PNG" == header[:4]
    assert int.from_bytes(header[16:20], "big") >= 1800
    assert before == dict(matplotlib.rcParams)


def test_drawing_is_quick(result: Result):
    """A run of 90 s is drawn within 3 s of processor time."""
    began = time.process_time()
    plots.write(result)

    assert time.process_time() - began < 3


def test_no_window_system_is_touched():
    """Drawing never imports pyplot, with its global figures and its choice of a display."""
    code = "import sys, testbed.plots; sys.exit('matplotlib.pyplot' in sys.modules)"

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
