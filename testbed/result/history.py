"""The figures of kept results in the order of time, and where they changed: by the hub, or by what it met."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from testbed.model.objective import Unit
from testbed.model.times import REAL
from testbed.result.compare import POOLED
from testbed.result.observed import Observed
from testbed.result.statistics import change_points


@dataclass(frozen=True)
class LevelChange:
    """A step of a series: at which run, of which source, from one mean to another, and what else changed there.

    ``better`` is the direction of the step; ``parts`` are those of what the hub met, or was, that changed with it.
    """

    run: str
    source: str
    created_ns: int
    before: float
    after: float
    better: bool
    parts: tuple[str, ...]


@dataclass(frozen=True)
class SeriesOfRuns:
    """One objective of one scenario over time: its values in the metric's base unit, oldest first."""

    scenario: str
    key: str
    title: str
    unit: Unit
    values: tuple[float, ...]
    sources: tuple[str, ...]
    changes: tuple[LevelChange, ...]


def history(runs: Iterable[Observed]) -> list[SeriesOfRuns]:
    """Return the series of all objectives of the runs that count, with the steps in them."""
    by_scenario: dict[tuple[str, tuple[str, ...]], list[Observed]] = defaultdict(list)
    # A simulated clock always shows the same day; the runs' folders are in the order of running.
    for run in sorted(runs, key=lambda run: run.created_ns):
        if not run.void:
            variant = tuple(change for change in run.changes if change.partition("=")[0] not in POOLED)
            times = () if run.time == REAL else (f"time={run.time}",)
            by_scenario[run.scenario, (*variant, *times)].append(run)
    return [series for (name, variant), found in sorted(by_scenario.items()) for series in _of(name, variant, found)]


def _of(name: str, variant: Sequence[str], runs: Sequence[Observed]) -> Iterator[SeriesOfRuns]:
    for key in dict.fromkeys(key for run in runs for key in run.values):
        known = [run for run in runs if key in run.values and run.values[key].value is not None]
        if not known:
            continue
        latest, values = known[-1].values[key], [run.values[key].value or 0.0 for run in known]
        edges = [0, *change_points(values), len(values)]
        steps = [_change(known, values, edges[n - 1], edges[n], edges[n + 1], latest.more_is_better)
                 for n in range(1, len(edges) - 1)]  # fmt: skip
        yield SeriesOfRuns(
            scenario=f"{name} with {', '.join(variant)}" if variant else name,
            key=key,
            title=latest.title,
            unit=latest.unit,
            values=tuple(values),
            sources=tuple(run.versions.get("source", "") for run in known),
            changes=tuple(steps),
        )


def _change(runs: Sequence[Observed], values: Sequence[float], begin: int, at: int, end: int,
            more_is_better: bool) -> LevelChange:  # fmt: skip
    before, after = (sum(part) / len(part) for part in (values[begin:at], values[at:end]))
    last, first = runs[at - 1], runs[at]
    parts = {*last.unlike(first), *_changed(last.under_test, first.under_test)} - {"seed"}
    return LevelChange(
        run=first.run,
        source=first.versions.get("source", ""),
        created_ns=first.created_ns,
        before=before,
        after=after,
        better=(after > before) == more_is_better,
        parts=tuple(sorted(parts)),
    )


def _changed(one: Mapping[str, str], other: Mapping[str, str]) -> set[str]:
    return {part for part in one if part in other and one[part] != other[part]}
