"""The page of a run: what it says, that it is whole, small, and lets nothing in."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from testbed import report
from testbed.errors import HostError, InputError
from testbed.report import assets, logs, matrix, series, view
from testbed.result.fleet_verdict import FleetVerdict
from testbed.result.store import Result, ResultWriter
from testbed.result.verdict import Outcome
from tests.unit.plots.blackout import OBJECTIVES, S, Story, make
from tests.unit.report.made import made_in

NASTY = '</pre></script><script>alert(1)</script><img src="http://192.0.2.1/x" onerror="alert(2)">'
PLOT = assets.Uplot("0", "function uPlot() {}", ".uplot {}", "the licence of uPlot")


@pytest.fixture(autouse=True)
def uplot(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page says does not depend on what draws in it, which unit tests need not have installed."""
    monkeypatch.setattr(assets, "uplot", lambda: PLOT)


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of each script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._in = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts[-1] += data


@pytest.fixture
def failed(tmp_path: Path) -> Result:
    """A run whose hub never fails over."""
    return made_in(tmp_path / "run", Story(detected=90 * S, returned=90 * S))


def page_of(result: Result) -> str:
    return report.write_run(result).read_text(encoding="utf-8")


def test_what_was_missed_comes_first(failed: Result) -> None:
    """Before any table stands what was asked, what was measured, and by how much it was missed."""
    page = page_of(failed)
    head = re.sub(r"<[^>]+>", " ", page[page.index("<header") : page.index("</header>")])
    missed = next(v for v in failed.record.verdicts if v.metric == "interruption")

    assert "Failed: " in head
    assert missed.title in head
    assert missed.measured in head
    assert "missed by" in head


def test_every_verdict_stands_with_what_it_rests_on(failed: Result) -> None:
    page = page_of(failed)

    for verdict in failed.record.verdicts:
        assert verdict.title in page
        assert f"{verdict.samples:,} " in page


def test_logs_and_titles_are_text_whatever_they_hold(failed: Result) -> None:
    """HTML in a log, a reason or a title shows as text: no element of the page comes from it."""
    (failed.folder / "logs" / "hub").mkdir(parents=True, exist_ok=True)
    (failed.folder / "logs" / "hub" / "evil.log").write_text(NASTY)
    nasty = replace(failed.record.verdicts[0], title=NASTY, reason=NASTY)
    happening = replace(failed.record.facts.events[0], title=NASTY)
    facts = replace(failed.record.facts, events=(happening,))
    record = replace(failed.record, question=NASTY, error=NASTY, verdicts=(nasty,), facts=facts)
    found = Elements(page_of(Result(failed.folder, record)))

    assert not [tag for tag, _ in found.found if tag in ("img", "iframe", "object", "embed", "link", "base")]
    assert not [name for _, attributes in found.found for name in attributes if name.startswith("on")]
    assert not [text for text in found.scripts if text.startswith("alert")]
    assert NASTY == json.loads(found.scripts[0])["events"][0]["title"]


def test_nothing_from_outside_is_named_or_allowed(failed: Result) -> None:
    """No element loads anything, and the policy allows the page's own scripts and styles by their hashes alone."""
    found = Elements(page_of(failed)).found
    policy = next(a["content"] for tag, a in found if tag == "meta" and "http-equiv" in a) or ""

    assert not [attributes for _, attributes in found if "src" in attributes or "srcset" in attributes]
    assert all(str(a["href"]).startswith("#") for tag, a in found if tag == "a")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:", policy)


def test_no_element_bears_a_style_that_the_policy_would_refuse(failed: Result) -> None:
    assert not [attributes for _, attributes in Elements(page_of(failed)).found if "style" in attributes]


def test_every_id_is_there_once_and_every_link_leads_somewhere(failed: Result) -> None:
    found = Elements(page_of(failed)).found
    names = [attributes["id"] for _, attributes in found if "id" in attributes]

    assert sorted(set(names)) == sorted(names)
    assert {str(a["href"])[1:] for tag, a in found if tag == "a"} <= set(names)


def test_the_licence_of_what_draws_is_kept(failed: Result) -> None:
    assert "the licence of uPlot" in page_of(failed)


def test_a_hundred_thousand_samples_make_a_page_below_3_mb_with_every_loss(tmp_path: Path) -> None:
    """Losses of a single probe, far apart, are each drawn; the page stays small."""
    made = made_in(tmp_path / "run", Story())
    count = 100_000
    random = np.random.default_rng(3)
    step = made.record.duration_ns // count
    rtt = 35_000_000 + random.exponential(4e6, count).astype(np.int64)
    lost = random.random(count) < 0.05
    table = pa.table(
        {
            "seq": np.arange(count),
            "t_ns": np.arange(count, dtype=np.int64) * step,
            "rtt_ns": pa.array(rtt, mask=lost),
            "lost": pa.array(np.where(lost, "unknown", "none")),
        },
        metadata={"testbed.kind": "udp-echo"},
    )
    ResultWriter(made.folder, made.record).keep("heartbeat", table)
    result = Result.load(made.folder)
    drawn = next(panel for panel in series.timeline(result)["panels"] if panel["name"] == "rtt")
    covered = np.zeros(count, np.bool_)
    t_s = np.round(np.arange(count, dtype=np.int64) * step / 1e9, 5)
    for start, end in drawn["rug"]:
        covered |= (t_s >= start) & (t_s <= end)

    assert 3_000_000 > len(page_of(result).encode())
    assert covered[lost].all()
    assert not covered[~lost].any()


def test_all_series_of_a_panel_share_its_axis(failed: Result) -> None:
    for panel in series.timeline(failed)["panels"]:
        assert sorted(set(panel["x"])) == panel["x"]
        assert {len(panel["x"])} == {len(each["data"]) for each in panel["series"]}


def test_a_run_that_was_cut_short_has_a_page(failed: Result) -> None:
    """A run that never started says why, without a timeline."""
    record = replace(
        failed.record, started_ns=None, verdicts=(), decomposition=(), error="no tini", fidelity=None
    )
    record = replace(record, state=type(record.state)("failed"))
    page = page_of(Result(failed.folder, record))

    assert "No verdict: the run was failed: no tini" in page
    assert 'id="panels"' not in page


def test_what_is_missing_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(assets, "folder", lambda: tmp_path)

    with pytest.raises(HostError, match="run 'make setup', or 'sh setup/report.sh .venv'"):
        assets.uplot()


def test_several_runs_stand_side_by_side(failed: Result, tmp_path: Path) -> None:
    """Each run is a row with its outcome, and leads to its own page where it has one."""
    other = made_in(tmp_path / "other", Story())
    report.write_run(failed)
    out = report.write([failed.folder, other.folder], tmp_path / "both.html")
    page = out.read_text(encoding="utf-8")

    assert "2 runs: 1 failed" in page or "2 runs: 2 failed" in page
    assert 'href="run/report.html"' in page
    assert 'href="other/report.html"' not in page


def test_a_broken_comparison_is_refused_with_what_would_be_right(failed: Result, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text("{}")

    with pytest.raises(InputError, match="name what 'testbed compare --json' printed"):
        report.write([failed.folder], tmp_path / "page.html", tmp_path / "c.json")


def test_long_logs_lose_their_middle_and_say_so(tmp_path: Path) -> None:
    """The page holds the beginning and the end, and how much is between."""
    lines = [f"line {number}" for number in range(20_000)]
    (tmp_path / "long.log").write_text("\n".join(lines))
    (log,) = logs.read(tmp_path)

    assert log.text.startswith("line 0\n")
    assert log.text.endswith("line 19999")
    assert log.size == log.left_out + len(log.text.encode())
    assert logs.FILE_BYTES >= len(log.text.encode())


@pytest.fixture
def told(tmp_path: Path) -> Iterator[dict[str, Any]]:
    yield series.timeline(made_in(tmp_path / "run", Story()))
    shutil.rmtree(tmp_path / "run")


def test_what_objectives_are_about_is_marked(told: dict[str, Any]) -> None:
    """An interruption stands at the last good heartbeat, with what was measured and what was permitted."""
    mark = next(mark for mark in told["marks"] if mark["text"].startswith("interruption"))

    assert 3.5 == mark["bound"]
    assert 29.9 < mark["start"] < 30.1


def test_another_bound_is_another_objective(tmp_path: Path) -> None:
    """Scenarios that ask more of the same metric have a column of their own: a run is held against its own bound."""
    strict = (replace(OBJECTIVES[0], at_most="1 s"),)
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    runs = [make(folders[0], objectives=OBJECTIVES[:1]), make(folders[1], objectives=strict)]
    shown = matrix.of_results(runs)

    assert ["interruption of heartbeat at most 3.5 s", "interruption of heartbeat at most 1 s"] == [
        column.title for column in shown.columns
    ]
    assert [1, 1] == [column.judged for column in shown.columns]


def test_runs_that_are_alike_are_told_apart_by_their_folders(failed: Result, tmp_path: Path) -> None:
    """Base and candidate of a comparison have the same title."""
    other = made_in(tmp_path / "candidate" / "run", Story(detected=90 * S, returned=90 * S))
    names = [run.name for run in matrix.of_results([failed, other]).runs]

    assert 2 == len(set(names))
    assert names[1].endswith("(candidate/run)")


def test_an_objective_that_nobody_failed_is_not_shown_as_failed(failed: Result, tmp_path: Path) -> None:
    """Where some could not tell, neither is it met."""
    unclear = made_in(tmp_path / "unclear", Story())
    verdicts = [replace(v, outcome=Outcome.INCONCLUSIVE) for v in unclear.record.verdicts]
    ResultWriter(unclear.folder, replace(unclear.record, verdicts=tuple(verdicts)))
    alone = matrix.of_results([Result.load(unclear.folder)]).columns
    together = matrix.of_results([Result.load(unclear.folder), failed]).columns
    missed = {v.title for v in failed.record.verdicts if v.outcome == "fail"}

    assert {"inconclusive"} == {column.outcome for column in alone}
    assert missed == {column.title for column in together if column.outcome == "fail"}


def test_what_the_fleet_missed_is_missed(failed: Result) -> None:
    """Its verdicts count for the outcome, and stand behind those on the hub."""
    missed = FleetVerdict("loss of calls", "loss", "calls", Outcome.FAIL, 0.9, "90 %, worst hub-3 8 %")
    passed = tuple(replace(v, outcome=Outcome.PASS) for v in failed.record.verdicts)
    record = replace(failed.record, verdicts=passed, fleet=(missed,))

    assert ("fail", f"Failed: 1 of {len(passed) + 1} objectives missed") == view.status(record)
    assert ("loss of calls", "90 %, worst hub-3 8 %") == (view.rows(record)[-1].asked, view.rows(record)[-1].headline)
