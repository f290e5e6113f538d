"""Baselines: what runs measured, kept in small files beside the code, to be reviewed in a diff and held against.

A file a scenario (and what was changed in it): FOLDER/<scenario>.json. It is of one version of the testbed: what a
metric means may change from one to the next.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

import msgspec

import testbed
from testbed import paths
from testbed.errors import InputError
from testbed.result.compare import POOLED
from testbed.result.observed import Observed

FOLDER = paths.RESULTS / "baselines"
SCHEMA = 1
_DIGITS = 12
"""Of a hash; enough to tell two inputs apart, and short enough to be read in a diff."""


@dataclass(frozen=True)
class Baseline:
    """What a file holds: the runs of one scenario with the same changes but for phases and seeds."""

    schema: int
    testbed: str
    scenario: str
    changes: tuple[str, ...]
    runs: tuple[Observed, ...]


def keep(runs: Sequence[Observed], folder: Path) -> list[Path]:
    """Write runs as baselines and return the files, those of the same scenarios replaced.

    Raises InputError where one of them does not count.
    """
    for run in runs:
        if run.void:
            raise InputError(run.run, f"the run does not count: {run.void}", "keep runs that are valid")
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for (scenario, changes), found in groupby(sorted(runs, key=_place), key=_same):
        kept = Baseline(SCHEMA, testbed.__version__, scenario, changes, tuple(map(_short, found)))
        path = folder / f"{_name(scenario, changes)}.json"
        partial = path.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(asdict(kept)), indent=1) + b"\n")
        partial.replace(path)
        made.append(path)
    return made


def files(folder: Path) -> list[Path]:
    """Return the baselines of a folder. Raises InputError where there is none."""
    found = sorted(folder.glob("*.json"))
    if not found:
        raise InputError(paths.shown(folder), "no baselines", "keep some by 'testbed baseline set RESULT...'")
    return found


def load(path: Path) -> Baseline:
    """Read a baseline. Raises InputError for one that is broken, or of another version of the testbed."""
    place = paths.shown(path)
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(place, f"no baseline: {error}", "write it again by 'testbed baseline set'") from error
    if (kept.schema, kept.testbed) != (SCHEMA, testbed.__version__):
        found = f"made by testbed {kept.testbed}, and this is {testbed.__version__}"
        raise InputError(place, found, "make it again by 'testbed baseline set', and look at the difference")
    return kept


def partners(baselines: Iterable[Baseline], runs: Sequence[Observed]) -> tuple[list[Observed], list[Observed]]:
    """Return the baselines' runs of the scenarios that were run, and the runs as a baseline would hold them."""
    wanted = {_same(run) for run in runs}
    return [run for kept in baselines for run in kept.runs if _same(run) in wanted], list(map(_short, runs))


def _same(run: Observed) -> tuple[str, tuple[str, ...]]:
    return run.scenario, tuple(change for change in run.changes if change.partition("=")[0] not in POOLED)


def _place(run: Observed) -> tuple[object, ...]:
    return (*_same(run), run.created_ns)


def _short(run: Observed) -> Observed:
    met, tested, files = (
        {part: value[:_DIGITS] for part, value in hashes.items()} for hashes in (run.met, run.under_test, run.files)
    )
    return replace(run, met=met, under_test=tested, files={} if run.met else files)


def _name(scenario: str, changes: Sequence[str]) -> str:
    return re.sub(r"[^A-Za-z0-9.=_-]+", "_", "-with-".join(filter(None, [scenario, ",".join(changes)])))
