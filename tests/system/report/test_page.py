"""A report in headless Chromium: seen, silent, alone, without a barrier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed import report
from testbed.errors import HostError
from testbed.report import assets
from testbed.result.store import Result
from tests.unit.plots.blackout import S, Story
from tests.unit.report.made import made_in

browser = pytest.importorskip("tests.system.report.browser", reason="needs the package websockets")

AXE = assets.folder() / "axe-core" / "axe.min.js"
NASTY = '<img src="http://192.0.2.1/x.png"><script>fetch("http://192.0.2.1/")</script>'
STORIES = {
    "pass": Story(),
    "fail": Story(detected=90 * S, returned=90 * S),
    "invalid": Story(invalid="12 packets were lost by the engine (ring overrun)"),
}


def _missing() -> str:
    if browser.chromium() is None:
        return "no chromium on this machine; 'make test-report' installs it"
    try:
        assets.uplot()
    except HostError as error:
        return str(error)
    return ""


pytestmark = pytest.mark.skipif(bool(_missing()), reason=_missing())


@pytest.fixture(scope="module", params=STORIES)
def result(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run of each outcome, with a log that would like to be a program."""
    made = made_in(tmp_path_factory.mktemp("report") / request.param, STORIES[request.param])
    (made.folder / "logs").mkdir(exist_ok=True)
    (made.folder / "logs" / "run.log").write_text(f"the first line\n{NASTY}\nthe dish is dark\n")
    report.write_run(made)
    return made


@pytest.fixture(scope="module")
def page(result: Result) -> Iterator[object]:
    with browser.opened(result.folder / report.FILE) as page:
        yield page


def violations(page: object) -> list[object]:
    """Return what axe finds, a rule and the elements that break it."""
    if not AXE.exists():
        pytest.skip(f"axe-core is not installed in {AXE.parent}; run 'sh setup/report.sh .venv'")
    page.run(f"{AXE.read_text()};0")
    return page.run(
        "axe.run(document, {resultTypes: ['violations']})"
        ".then((found) => found.violations.map((rule) => [rule.id, rule.nodes.map((node) => node.html)]))"
    )


def test_the_verdicts_are_on_the_first_screen(page: object, result: Result) -> None:
    """Without scrolling a reader sees how the run ended, and what was asked and measured where it was missed."""
    text, height = page.run(
        "(() => { const head = document.querySelector('header'); "
        "return [head.innerText, head.getBoundingClientRect().bottom]; })()"
    )
    bad = [verdict for verdict in result.record.verdicts if verdict.outcome != "pass"]

    assert height < 900
    for verdict in bad[:4]:
        assert verdict.title in text
        assert verdict.measured in text
    for verdict in result.record.verdicts:
        assert verdict.title in page.text


def test_no_request_leaves_and_the_console_is_silent(page: object, result: Result) -> None:
    """The page is its one file, also with a log that names another place."""
    assert [(result.folder / report.FILE).resolve().as_uri()] == page.requests
    assert [] == page.console
    assert page.run("document.images.length === 0")


def test_every_panel_is_drawn(page: object) -> None:
    """Each canvas has ink of its own, and says in words what it shows."""
    drawn = page.run(
        "[...document.querySelectorAll('#panels .uplot canvas')].map((canvas) => [canvas.getAttribute('aria-label'), "
        "canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0)])"
    )

    assert 5 <= len(drawn)
    assert all(label and inked for label, inked in drawn)


def test_each_point_is_drawn_where_its_value_is(page: object) -> None:
    """The round trips of an uplink colour the panel at their own height, and none is drawn outside of their range."""
    seen, low, high = page.run(
        """(() => {
          const panel = testbed.plots.find((plot) => plot.series.some((one) => one.label === "over starlink"));
          const row = panel.series.findIndex((one) => one.label === "over starlink");
          const values = panel.data[row].filter((value) => value !== null);
          const { left, top, width, height } = panel.bbox;
          const pixels = panel.ctx.getImageData(left, top, width, height).data, seen = [];
          for (let i = 0; i < width * height; i++) {
            const [red, green, blue] = pixels.slice(4 * i, 4 * i + 3);
            if (red === 0 && green === 114 && blue === 178) seen.push(Math.floor(i / width));
          }
          const at = (value) => panel.valToPos(value, "y", true) - top;
          const bounds = [at(Math.max(...values)), at(Math.min(...values))];
          return [[seen.reduce((a, b) => Math.min(a, b)), seen.reduce((a, b) => Math.max(a, b))], ...bounds];
        })()"""
    )

    assert abs(seen[0] - low) <= 3
    assert abs(seen[1] - high) <= 3


def test_zoom_is_shared_and_undone_from_the_keyboard(page: object) -> None:
    """A button narrows every panel to the same time; another brings the whole run back."""
    scales = "testbed.plots.map((plot) => [plot.scales.x.min, plot.scales.x.max])"
    press = "document.querySelector('[data-zoom={}]').focus(), document.activeElement.click()"
    wait = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    before = page.run(scales)
    page.run(press.format("in"))
    page.run(wait)
    narrow = page.run(scales)
    page.run(press.format("all"))
    page.run(wait)

    assert 1 == len({tuple(each) for each in narrow})
    assert narrow[0][1] - narrow[0][0] == pytest.approx((before[0][1] - before[0][0]) / 2)
    assert before == page.run(scales)


def test_the_cursor_reads_all_panels_at_a_time(page: object) -> None:
    """The slider moves one cursor over all panels; what they say there stands in words."""
    page.run(
        "(() => { const at = document.getElementById('cursor'); at.value = 500;"
        " at.dispatchEvent(new Event('input')); })()"
    )
    told = page.run("document.getElementById('reading').textContent")

    assert told.startswith("45.000 s · heartbeat carried by ")
    assert "throughput down" in told


def test_a_search_leaves_the_lines_that_hold_it(page: object) -> None:
    """The page's search finds a word in the logs, and gives the whole logs back."""
    page.run(
        "new Promise((done) => { const box = document.getElementById('search');"
        " new MutationObserver(done).observe(document.getElementById('found'), {childList: true});"
        " box.value = 'DARK'; box.dispatchEvent(new Event('input')); })"
    )

    assert "1 lines in 1 logs" == page.run("document.getElementById('found').textContent")
    assert "the dish is dark\n" == page.run("document.querySelector('details.log pre').textContent")


def test_there_is_no_barrier(page: object) -> None:
    """axe finds nothing that keeps a person with a keyboard or a screen reader out."""
    assert [] == violations(page)


def test_a_page_of_several_runs_is_alone_silent_and_without_barrier(tmp_path: Path) -> None:
    folders = [made_in(tmp_path / name, story).folder for name, story in STORIES.items()]
    out = report.write(folders, tmp_path / "all.html")
    with browser.opened(out) as page:
        assert [out.resolve().as_uri()] == page.requests
        assert [] == page.console
        assert "3 runs: " in page.text
        assert [] == violations(page)
