"""Reports: a run, a campaign or several runs as a page of one file, from results alone."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from testbed import __version__
from testbed.errors import InputError
from testbed.explain import chain
from testbed.report import assets, logs, matrix, page, series, view
from testbed.result import campaign as campaigns
from testbed.result.campaign import Campaign
from testbed.result.store import Result

if TYPE_CHECKING:
    from testbed.result.compare import Comparison  # scipy takes longer to load than a page to make

FILE = "report.html"


def write(folders: Sequence[Path], out: Path, comparison: Path | None = None) -> Path:
    """Write the page of a run, of a campaign, or of several of them; return its path.

    ``comparison`` is the JSON of ``testbed compare --json``, which becomes a section of its own. Raises InputError
    for what cannot be read, HostError where uPlot is not installed.
    """
    compared = read_comparison(comparison) if comparison else None
    if len(folders) == 1 and not (folders[0] / campaigns.FILE).exists():
        return write_run(Result.load(folders[0]), out, compared)
    if len(folders) == 1:
        return write_campaign(Campaign.load(folders[0]), out, compared)
    return _write_matrix(matrix.of_results(_results(folders)), out, compared)


def write_run(result: Result, out: Path | None = None, compared: Comparison | None = None) -> Path:
    """Write the page of one run, into its own folder where no other place is given."""
    record = result.record
    plot = assets.uplot()
    rows = view.rows(record)
    outcome, sentence = view.status(record)
    values = {
        "title": record.title,
        "question": record.question,
        "record": record,
        "outcome": outcome,
        "sign": view.SIGNS[outcome],
        "sentence": sentence,
        "rows": rows,
        "first": view.first_things(rows),
        "sequences": view.sequences(record),
        "chains": chain.chains(result),
        "certificate": view.certificate(record),
        "link_headings": view.LINK_HEADINGS,
        "links": view.links(record),
        "provenance": view.provenance(record),
        "logs": logs.read(result.folder / "logs"),
        "comparison": _compared(compared),
        "version": __version__,
    }
    data = series.timeline(result) if record.started_ns is not None else {"panels": []}
    values["panels"] = data["panels"]
    return page.save(page.render("run.html", values, data, plot), out or result.folder / FILE)


def write_campaign(campaign: Campaign, out: Path | None = None, compared: Comparison | None = None) -> Path:
    """Write the page of a campaign, into its own folder where no other place is given."""
    return _write_matrix(matrix.of_campaign(campaign), out or campaign.folder / FILE, compared)


def _write_matrix(shown: matrix.Overview, out: Path, compared: Comparison | None) -> Path:
    links = {run.folder: _link(run.folder, out) for run in shown.runs}
    values = {
        "title": shown.title,
        "matrix": shown,
        "links": links,
        "signs": view.SIGNS,
        "version": __version__,
    }
    return page.save(page.render("matrix.html", {**values, "comparison": _compared(compared)}), out)


def _link(folder: Path, out: Path) -> str:
    """Return the address of a run's own page, seen from this one; ``""`` where it has none."""
    theirs = folder / FILE
    return os.path.relpath(theirs, out.resolve().parent).replace(os.sep, "/") if theirs.exists() else ""


def _results(folders: Sequence[Path]) -> list[Result]:
    found: list[Result] = []
    for folder in folders:
        whole = (folder / campaigns.FILE).exists()
        found += Campaign.load(folder).results if whole else [Result.load(folder)]
    return found


def read_comparison(path: Path) -> Comparison:
    """Read what ``testbed compare --json`` printed. Raises InputError."""
    from testbed.result.compare import Comparison

    try:
        return msgspec.convert(json.loads(path.read_text(encoding="utf-8")), Comparison)
    except (OSError, ValueError) as error:
        hint = "name what 'testbed compare --json' printed"
        raise InputError(str(path), f"not a comparison: {error}", hint) from error


def _compared(comparison: Comparison | None) -> dict[str, Any] | None:
    if comparison is None:
        return None
    from testbed.result import comparison as told

    return {
        "summary": told.summary(comparison),
        "warnings": [*told.warnings(comparison), *comparison.notes],
        "headings": told.HEADINGS,
        "rows": [
            {"word": str(row.word), "scenario": row.scenario, "cells": told.cells(row), "reason": row.reason}
            for row in comparison.rows
        ],
    }
