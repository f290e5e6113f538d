"""The panels of calls, sessions and uploads: what they show, and that they show it inside the figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from testbed import plots
from testbed.model.objective import Objective
from testbed.model.scenario import Scenario
from testbed.model.traffic import HttpPut, UdpCall
from testbed.result.store import Result, ResultWriter
from testbed.result.verdict import evaluate
from tests.unit.metrics.hand_made import MS, S
from tests.unit.metrics.made_flows import call, keepalive, session, transfer, uploads
from tests.unit.plots.blackout import make

OBJECTIVES = (
    Objective("mos", "call", at_least="3.6"),
    Objective("upload_p95", "clinic", at_most="5 s"),
)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A blackout with a call, a transfer that was reset, a connection that stalled, and uploads, one of them lost."""
    made = make(tmp_path_factory.mktemp("flows"))
    writer = ResultWriter(made.folder, made.record)
    down = [None if 30 * S <= t < 32140 * MS else 40 * MS for t in range(0, 90 * S, 20 * MS)]
    writer.keep("call", call(down=down))
    writer.keep(
        "sync",
        transfer(
            session(0, end_ns=33 * S, silent=[(30 * S, 33 * S)], over=("reset", "client")),
            session(1, start_ns=34 * S),
        ),
    )
    writer.keep("portal", keepalive(*((t * S, 0, "answered") for t in [*range(31), *range(60, 90)])))
    stored = [(t * S, S if not 30 <= t < 33 else 4 * S, t != 31) for t in range(88)]
    writer.keep("clinic", uploads(*stored, (89 * S, None, None)))
    evidence = Result.load(made.folder).evidence
    traffic = {
        "call": UdpCall(kind="udp-call", from_="client", to="tenant", name="call"),
        "clinic": HttpPut(kind="http-put", from_="client", size=1000, rate=1.0, name="clinic"),
    }
    scenario = Scenario("hub-two-uplinks", 90 * S, {}, OBJECTIVES, traffic=traffic)
    writer.update(verdicts=(*made.record.verdicts[:3], *evaluate(scenario, evidence)))
    return Result.load(made.folder)


@pytest.fixture(scope="module")
def figure(result: Result) -> Figure:
    return plots.draw(result)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


@pytest.mark.parametrize(
    "shown",
    [
        "call\nMOS",
        "up, of 10 s (0 of 4500 packets lost)",
        "down, of 10 s (107 of 4500 packets lost)",
        "mos of call at least 3.60: 1.05",
        "sessions",
        "sync",
        "portal",
        "stands still",
        "lost",
        "acknowledged (87)",
        "acknowledged and lost (1)",
        "never acknowledged (1)",
        "upload_p95 of clinic at most 5 s: 1 s",
    ],
)
def test_the_figure_says(figure: Figure, shown: str) -> None:
    """Each stream has a panel with its counts, and each objective on it its line."""
    assert shown in texts(figure)


def test_nothing_is_cut_off(figure: Figure) -> None:
    """All letters lie within the figure."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    outside = [
        t.get_text()
        for t in figure.findobj(Text)
        if t.get_visible()
        and t.get_text()
        and not (
            -1 <= (box := t.get_window_extent()).x0
            and box.x1 <= width + 1
            and -1 <= box.y0
            and box.y1 <= height + 1
        )
    ]

    assert [] == outside


def test_without_flows_there_is_no_panel_of_sessions(result: Result, tmp_path: Path) -> None:
    """A run without them is drawn as before."""
    plain = make(tmp_path)

    assert "sessions" not in texts(plots.draw(replace(plain)))
