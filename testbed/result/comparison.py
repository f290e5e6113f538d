"""A comparison for people and for CI: cells of a table, Markdown for a pull request, JUnit, JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

from testbed.model.objective import Unit, format_value
from testbed.result import junit
from testbed.result.compare import Comparison, Row, Word

HEADINGS = ("objective", "base", "candidate", "difference (95 %)", "found from", "N")
_TAGS = {Word.WORSE: "failure", Word.INCONCLUSIVE: "skipped"}


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's cells, HEADINGS, with units; what is not known is a dash."""
    return (
        asked(row.title),
        _shown(row.base, row.unit),
        _shown(row.candidate, row.unit),
        known(row),
        found_from(row),
        str(row.pairs),
    )


def asked(title: str) -> str:
    """Return what an objective measures, without its bound: ``interruption of heartbeat in 6 s .. 14 s``."""
    return re.sub(r" at (?:most|least) .*?(?= in |$)", "", title)


def known(row: Row) -> str:
    """Return a row's difference and how well it is known: ``+20 ms ± 1.4 ms``."""
    if row.difference is None:
        return "–"
    told = signed(row.difference, row.unit)
    if row.exact:
        return f"{told}, exact"
    return told if row.high is None else f"{told} ± {difference(row.high - row.difference, row.unit)}"


def found_from(row: Row) -> str:
    """Return the least true difference that the row would have found and that matters, for people."""
    if row.detectable is None or row.threshold is None:
        return "–"
    return difference(max(row.detectable, row.threshold), row.unit)


def difference(value: float, unit: Unit) -> str:
    """Write the size of a difference: of shares in points, ``1.2 points``."""
    text = f"{abs(value):.3g}" if unit is Unit.COUNT else format_value(abs(value), unit)
    return text.replace(" %", " points") if unit is Unit.SHARE else text


def signed(value: float, unit: Unit) -> str:
    """Write a difference with its sign, ``+20 ms``."""
    return f"{'-' if value < 0 else '+' if value > 0 else ''}{difference(value, unit)}"


def summary(comparison: Comparison) -> str:
    """Return the comparison in a line."""
    words = comparison.words()
    told = [f"{words[word]} {word}" for word in (Word.WORSE, Word.BETTER, Word.INCONCLUSIVE, Word.SAME) if words[word]]
    if comparison.unlike:
        told.append(f"unlike pairs: {len(comparison.unlike)}")
    if comparison.alone:
        told.append(f"runs without a partner: {len(comparison.alone)}")
    return ", ".join(told) or "nothing to compare"


def warnings(comparison: Comparison) -> Iterator[str]:
    """Yield what must be told before any figure: pairs that are not compared, and why."""
    for pair in comparison.unlike:
        parts = ", ".join(pair.parts)
        yield f"{pair.scenario}: not compared, {pair.base} and {pair.candidate} did not meet the same: {parts}"
    yield from (f"not compared: {run}" for run in comparison.alone)


def markdown(comparison: Comparison, base: str, candidate: str) -> str:
    """Return the comparison as Markdown, for a pull request."""
    lines = [f"### {candidate} against {base}: {summary(comparison)}", ""]
    lines += [f"- **{_escaped(warning)}**" for warning in warnings(comparison)]
    lines += [f"- {_escaped(note)}" for note in comparison.notes]
    for scenario, rows in groupby(comparison.rows, key=lambda row: row.scenario):
        lines += ["", f"#### {_escaped(scenario)}", "", _line(("", *HEADINGS))]
        lines.append(_line(["---"] * 2 + ["---:"] * (len(HEADINGS) - 1)))
        for row in rows:
            lines.append(_line((f"**{row.word}**" if row.word in _TAGS else str(row.word), *cells(row))))
        reasons = [row for row in comparison.rows if row.scenario == scenario and row.reason]
        lines += ["", *(f"- {_escaped(asked(row.title))}: {_escaped(row.reason)}" for row in reasons)]
    return "\n".join(lines).rstrip() + "\n"


def suites(comparison: Comparison) -> ElementTree.Element:
    """Return a JUnit document: a suite for each scenario, a case for each objective; an unlike pair is an error."""
    root = ElementTree.Element("testsuites")
    scenarios = dict.fromkeys([*(row.scenario for row in comparison.rows), *(u.scenario for u in comparison.unlike)])
    for scenario in scenarios:
        suite = ElementTree.SubElement(root, "testsuite", name=f"compare {scenario}")
        for row in (row for row in comparison.rows if scenario == row.scenario):
            case = ElementTree.SubElement(suite, "testcase", classname=scenario, name=row.key)
            line = ", ".join(f"{h}: {cell}" for h, cell in zip(HEADINGS, cells(row), strict=True))
            if row.word in _TAGS:
                message = row.reason or f"worse by {signed(row.difference or 0.0, row.unit)}"
                ElementTree.SubElement(case, _TAGS[row.word], message=message).text = line
            ElementTree.SubElement(case, "system-out").text = f"{row.word}; {line}"
        for pair in (pair for pair in comparison.unlike if scenario == pair.scenario):
            case = ElementTree.SubElement(
                suite, "testcase", classname=scenario, name=f"{pair.base} and {pair.candidate} met the same"
            )
            ElementTree.SubElement(case, "error", message=f"not the same: {', '.join(pair.parts)}")
        junit.count(suite)
    return root


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Return the comparison as JSON values, numbers in the metrics' base units."""
    return {"exit_status": comparison.exit_status, "summary": summary(comparison), **asdict(comparison)}


def _shown(value: float | None, unit: Unit) -> str:
    return "–" if value is None else format_value(value, unit)


def _line(found: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(map(_escaped, found))} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
