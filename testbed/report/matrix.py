"""Many runs against the objectives that they share: what a campaign's page shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed.model.objective import format_value
from testbed.report import view
from testbed.result.campaign import Campaign
from testbed.result.store import Result
from testbed.result.verdict import Verdict


@dataclass(frozen=True)
class Measured:
    """What one run measured for one objective."""

    outcome: str
    measured: str
    margin: str
    reason: str


@dataclass(frozen=True)
class RunRow:
    """A run as a row: what was changed in it, how it ended, a cell for each objective (None: not asked)."""

    folder: Path
    name: str
    outcome: str
    sentence: str
    cells: tuple[Measured | None, ...]


@dataclass(frozen=True)
class ObjectiveColumn:
    """An objective over all runs: how many met it, its worst run, and its values as shares of one scale."""

    title: str
    passed: int
    judged: int
    worst: str
    dots: tuple[tuple[float, str], ...]
    bound: float | None
    low: str
    high: str
    outcome: str
    """Of all runs: fail where one failed, pass where all passed, inconclusive in between."""


@dataclass(frozen=True)
class Overview:
    """All that the page of a campaign, or of several runs, shows."""

    title: str
    outcome: str
    sentence: str
    columns: tuple[ObjectiveColumn, ...]
    runs: tuple[RunRow, ...]
    died: tuple[tuple[str, str], ...] = ()
    commits: tuple[str, ...] = ()


def of_campaign(campaign: Campaign) -> Overview:
    """Return a campaign's runs by what varied in them."""
    names = {
        result.folder: ", ".join(f"{key}={value}" for key, value in campaign.values(result).items())
        for result in campaign.results
    }
    return _matrix(f"Campaign: {campaign.scenario}", campaign.results, names, tuple(campaign.died.items()))


def of_results(results: Sequence[Result]) -> Overview:
    """Return several runs by their scenarios and changes; of those that are alike the folder is told, too."""
    titles = Counter(result.record.title for result in results)
    names = {
        result.folder: f"{result.record.title} ({result.folder.parent.name}/{result.folder.name})"
        if titles[result.record.title] > 1
        else result.record.title
        for result in results
    }
    return _matrix(f"{len(results)} runs", results, names, ())


def _matrix(
    title: str, results: Sequence[Result], names: dict[Path, str], died: tuple[tuple[str, str], ...]
) -> Overview:
    titles = [*dict.fromkeys(title for result in results for title in _verdicts(result))]
    runs = tuple(_run(result, names[result.folder] or result.folder.name, titles) for result in results)
    rows = [run.name for run in runs]
    columns = tuple(_column(title, [_verdicts(r).get(title) for r in results], rows) for title in titles)
    count = {word: sum(run.outcome == word for run in runs) for word in view.SIGNS}
    outcome = next(
        (word for word in ("fail", "invalid", "inconclusive") if count[word]), "pass" if runs else "invalid"
    )
    told = ", ".join(f"{count[word]} {name}" for word, name in _WORDS.items() if count[word])
    commits = tuple(sorted({result.record.versions.source for result in results}))
    return Overview(
        title, outcome, f"{len(runs)} runs: {told or 'none was judged'}", columns, runs, died, commits
    )


_WORDS = {
    "fail": "failed",
    "invalid": "invalid or cut short",
    "inconclusive": "inconclusive",
    "pass": "passed",
}


def _verdicts(result: Result) -> dict[str, Verdict]:
    """Return a run's verdicts by what was asked, its bound included: another scenario may ask more of the same."""
    return {verdict.title: verdict for verdict in result.record.verdicts}


def _run(result: Result, name: str, titles: Iterable[str]) -> RunRow:
    outcome, sentence = view.status(result.record)
    found = _verdicts(result)
    return RunRow(result.folder, name, outcome, sentence, tuple(map(_cell, map(found.get, titles))))


def _cell(verdict: Verdict | None) -> Measured | None:
    if verdict is None:
        return None
    margin = "" if verdict.margin is None else view.signed(verdict.margin, verdict.unit)
    return Measured(str(verdict.outcome), verdict.measured, margin, verdict.reason)


def _column(title: str, verdicts: Sequence[Verdict | None], names: Sequence[str]) -> ObjectiveColumn:
    judged = [(verdict, name) for verdict, name in zip(verdicts, names, strict=True) if verdict is not None]
    margins = [(v.margin, v, name) for v, name in judged if v.margin is not None]
    values = [v.value for v, _ in judged if v.value is not None]
    passed = sum(v.outcome == "pass" for v, _ in judged)
    outcome = "pass" if passed == len(judged) else "inconclusive"
    if any(v.outcome == "fail" for v, _ in judged):
        outcome = "fail"
    if not margins or not values:
        return ObjectiveColumn(title, passed, len(judged), "", (), None, "", "", outcome)
    _, worst, where = min(margins, key=lambda each: each[0])
    top = max(*values, *(v.bound for v, _ in judged), 1e-9)
    return ObjectiveColumn(
        title=title,
        passed=passed,
        judged=len(judged),
        worst=f"{worst.measured} with {where}",
        dots=tuple((v.value / top, str(v.outcome)) for v, _ in judged if v.value is not None),
        bound=worst.bound / top,
        low="0",
        high=format_value(top, worst.unit),
        outcome=outcome,
    )
