"""Two sides of runs compared pair by pair: both runs of a pair met the same, so that chance cancels out.

A pair is a scenario, what was changed in it, a seed and a repetition. See docs/compare.md.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from testbed.model.objective import Unit, format_value
from testbed.model.threshold import DEFAULT, Thresholds
from testbed.result.observed import Observed, Value, differing
from testbed.result.statistics import WILCOXON_MINIMUM, Paired, follows, holm, paired

FALSE_ALARMS = 0.01
"""The chance that a comparison of a hub with itself calls anything better or worse, all its rows together."""
_CHECK = 0.1
LEAST_LOOKS = 3
SAME_PACE = 0.1
"""The hub's looks are held against each other in so many pairs or more, where both sides look about as often."""
POOLED = ("seed", "shift")
"""Changes that make another pair of the same row: phases and seeds are what a row is averaged over."""


class Word(StrEnum):
    """What a difference is."""

    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Row:
    """One objective of one scenario on both sides; numbers in the metric's base unit.

    ``difference`` is candidate - base, the mean over the pairs; ``low`` to ``high`` its 95 % interval, None where
    chance cannot be told; ``detectable`` is the smallest true difference that so many pairs would have found in 95 %;
    ``threshold`` is the smallest that matters. ``reason`` says why it is inconclusive. ``chance`` is how much of
    candidate - base was chance that is known, and is not in the difference: when the hubs next looked.
    """

    scenario: str
    key: str
    title: str
    metric: str
    unit: Unit
    pairs: int
    base: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None
    detectable: float | None
    threshold: float | None
    p: float | None
    wilcoxon_p: float | None
    word: Word
    exact: bool = False
    reason: str = ""
    chance: float | None = None
    base_outcomes: Mapping[str, int] = field(default_factory=dict)
    candidate_outcomes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Unlike:
    """A pair that was not compared: what its runs met was not the same."""

    scenario: str
    base: str
    candidate: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """What became of a comparison; ``notes`` tell what differs in what was compared, and which runs do not count."""

    rows: tuple[Row, ...]
    unlike: tuple[Unlike, ...] = ()
    notes: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def words(self) -> Counter[Word]:
        """Return how many rows have each word."""
        return Counter(row.word for row in self.rows)

    @property
    def exit_status(self) -> int:
        """0 same or better, 1 something is worse, 2 nothing alike to compare, 3 it could not be told."""
        words = self.words()
        if words[Word.WORSE]:
            return 1
        if not self.rows:
            return 2
        return 3 if words[Word.INCONCLUSIVE] or self.unlike or self.alone else 0


class _Key(NamedTuple):
    scenario: str
    variant: tuple[str, ...]
    pooled: tuple[str, ...]
    seed: int
    nth: int


@dataclass(frozen=True)
class _Pair:
    base: Observed
    candidate: Observed


def compare(
    base: Sequence[Observed],
    candidate: Sequence[Observed],
    thresholds: Thresholds = DEFAULT,
    across: Iterable[str] = (),
) -> Comparison:
    """Compare two sides. ``across`` names parts of what is met that differ on purpose: ``link of starlink``."""
    notes = [f"{run.scenario} {run.run} does not count: {run.void}" for run in (*base, *candidate) if run.void]
    base, candidate = ([run for run in side if not run.void] for side in (base, candidate))
    varied = _varied(base, candidate)
    of_base, of_candidate = _keyed(base, varied), _keyed(candidate, varied)
    alone = [f"{run.scenario} {run.run} ({_told(key)}): only in base" for key, run in of_base.items()
             if key not in of_candidate]  # fmt: skip
    alone += [f"{run.scenario} {run.run} ({_told(key)}): only in candidate" for key, run in of_candidate.items()
              if key not in of_base]  # fmt: skip
    unlike: list[Unlike] = []
    groups: dict[str, list[_Pair]] = defaultdict(list)
    allowed = set(across)
    for key in of_base:
        if key not in of_candidate:
            continue
        pair = _Pair(of_base[key], of_candidate[key])
        if parts := pair.base.unlike(pair.candidate) - allowed:
            unlike.append(Unlike(key.scenario, pair.base.run, pair.candidate.run, tuple(sorted(parts))))
        else:
            name = f"{key.scenario} with {', '.join(key.variant)}" if key.variant else key.scenario
            groups[name].append(pair)
    pairs = [pair for found in groups.values() for pair in found]
    rows = [row for name, found in groups.items() for row in _rows(name, found, thresholds)]
    notes = [*_differences(varied, base, candidate, pairs), *notes, *(_taken_out(row) for row in rows if row.chance)]
    return Comparison(_corrected(rows), tuple(unlike), tuple(notes), tuple(alone))


def _varied(base: Sequence[Observed], candidate: Sequence[Observed]) -> tuple[str, ...]:
    """Return the changed keys that tell the sides apart: each side has one value of its own, all through."""
    keys = {change.partition("=")[0] for run in (*base, *candidate) for change in run.changes}
    found = []
    for key in sorted(keys - set(POOLED)):
        left, right = ({run.change(key) for run in side} for side in (base, candidate))
        if len(left) == len(right) == 1 and left != right:
            found.append(key)
    return tuple(found)


def _keyed(side: Sequence[Observed], varied: Sequence[str]) -> dict[_Key, Observed]:
    seen: Counter[tuple[object, ...]] = Counter()
    found: dict[_Key, Observed] = {}
    for run in sorted(side, key=lambda run: run.created_ns):
        changes = [change for change in run.changes if change.partition("=")[0] not in varied]
        pooled = tuple(change for change in changes if change.partition("=")[0] in POOLED)
        variant = tuple(change for change in changes if change.partition("=")[0] not in POOLED)
        same = (run.scenario, variant, pooled, run.seed)
        seen[same] += 1
        found[_Key(run.scenario, variant, pooled, run.seed, seen[same])] = run
    return found


def _told(key: _Key) -> str:
    parts = [*key.variant, *(change for change in key.pooled if not change.startswith("seed=")), f"seed {key.seed}"]
    return ", ".join([*parts, f"repetition {key.nth}"])


def _differences(
    varied: Sequence[str], base: Sequence[Observed], candidate: Sequence[Observed], pairs: Sequence[_Pair]
) -> Iterator[str]:
    """Yield what differs in what is compared, the user's changes first."""
    for key in varied:
        left, right = (side[0].change(key) or "as the scenario says" for side in (base, candidate))
        yield f"{key}: {left} -> {right}"
    parts: Counter[str] = Counter()
    for pair in pairs:
        parts.update(differing(pair.base.under_test, pair.candidate.under_test))
    told = [part for part in ("hub", "roles", "role", "engine", "program", "bench") if parts[part]]
    if told:
        yield f"different on the two sides: {', '.join(told)}"
    for name in ("testbed", "source"):
        old, new = ({run.versions.get(name, "") for run in side} for side in (base, candidate))
        if old and new and old != new:
            yield f"{name}: {', '.join(sorted(old))} -> {', '.join(sorted(new))}"
    hosts = [{tuple(run.host.values()) for run in side} for side in (base, candidate)]
    if all(hosts) and hosts[0] != hosts[1]:
        yield "the sides ran on different hosts"


def _taken_out(row: Row) -> str:
    how = f"{format_value(abs(row.chance or 0.0), row.unit)} {'later' if (row.chance or 0.0) > 0 else 'sooner'}"
    return f"{row.scenario}: {row.metric}: by chance the candidate looked {how}, which is not in the difference"


def _rows(name: str, pairs: Sequence[_Pair], thresholds: Thresholds) -> Iterator[Row]:
    keys = dict.fromkeys(key for pair in pairs for run in (pair.base, pair.candidate) for key in run.values)
    for key in keys:
        yield _row(name, key, pairs, thresholds)


def _row(name: str, key: str, pairs: Sequence[_Pair], thresholds: Thresholds) -> Row:
    both = [(pair.base.values.get(key), pair.candidate.values.get(key)) for pair in pairs]
    told = next(value for values in both for value in reversed(values) if value is not None)
    row = Row(
        scenario=name, key=key, title=told.title, metric=told.metric, unit=told.unit, pairs=0,
        base=_mean(b for b, _ in both), candidate=_mean(c for _, c in both),
        difference=None, low=None, high=None, detectable=None, threshold=None, p=None, wilcoxon_p=None,
        word=Word.INCONCLUSIVE,
        base_outcomes=dict(Counter(b.outcome for b, _ in both if b)),
        candidate_outcomes=dict(Counter(c.outcome for _, c in both if c)),
    )  # fmt: skip
    known = [(b, c) for b, c in both if b and c and b.value is not None and c.value is not None]
    if not known:
        return replace(row, reason=_why_none(both))
    exact = all(pair.base.exact and pair.candidate.exact for pair in pairs)
    looks = None if exact else _looks(known)
    used = [values for values, of in zip(known, looks, strict=True) if of] if looks else known
    chances = [of[1] - of[0] for of in looks if of] if looks else [0.0] * len(used)
    differences = [(c.value or 0.0) - (b.value or 0.0) - x for (b, c), x in zip(used, chances, strict=True)]
    said = paired(differences, max(v.resolution for values in known for v in values), exact=exact)
    row = replace(
        row,
        pairs=said.n,
        base=_mean(b for b, _ in used),
        candidate=_mean(c for _, c in used),
        difference=said.mean,
        chance=sum(chances) / len(chances) if looks else None,
        low=said.low,
        high=said.high,
        detectable=said.detectable(FALSE_ALARMS),
        p=said.p,
        wilcoxon_p=said.wilcoxon_p,
        exact=exact,
        threshold=thresholds.least(told.metric, told.unit, _mean(b for b, _ in known) or 0.0),
    )
    if len(known) < len(both):
        missing = len(both) - len(known)
        return replace(row, reason=f"{missing} of {len(both)} pairs have no value on one side")
    return _judged(row, known, said)


def _looks(known: Sequence[tuple[Value, Value]]) -> list[tuple[float, float] | None] | None:
    """Return, of each pair, how long after the uplinks went out the hubs next looked; None: which look is not sure.

    None at all where that has no part in the values, or the two sides do not look at the same pace.
    """
    looks = [(b.look, c.look) for b, c in known]
    seen = [(b, c) for b, c in looks if b and c]
    if len(seen) < len(known) or any(value.lower_bound for values in known for value in values):
        return None
    sure = [None if b.unsure or c.unsure else (float(b.after_ns), float(c.after_ns)) for b, c in seen]
    paces = [sorted(look[side].every_ns for look in seen)[len(seen) // 2] for side in (0, 1)]
    values = [(b.value or 0.0, c.value or 0.0) for (b, c), of in zip(known, sure, strict=True) if of]
    if len(values) < LEAST_LOOKS or abs(paces[0] - paces[1]) > SAME_PACE * max(paces):
        return None
    return sure if follows(values, [of for of in sure if of]) else None


def _judged(row: Row, known: Sequence[tuple[Value, Value]], said: Paired) -> Row:
    """Return the row with its word, as if it were alone in its comparison."""
    threshold = row.threshold or 0.0
    more = any(c.lower_bound and not b.lower_bound for b, c in known)  # the true difference is at least this
    less = any(b.lower_bound and not c.lower_bound for b, c in known)
    unknown = any(b.lower_bound and c.lower_bound for b, c in known)
    if said.low is None or said.high is None or said.p is None:
        return replace(row, reason="one pair in real time: chance cannot be told, repeat the runs")
    if unknown or (more and said.mean < 0) or (less and said.mean > 0):
        return replace(row, reason="what was waited for did not come before the window ended")
    bounded = more or less
    if not bounded and -threshold <= said.low and said.high <= threshold:
        return replace(row, word=Word.SAME)
    if said.p > FALSE_ALARMS:
        if all(b.value == c.value for b, c in known):
            return replace(row, reason=f"no pair differs; {said.n} are too few to rule out one step of the value")
        return replace(row, reason="the difference may be chance" if said.mean else "the runs vary too much")
    if abs(said.mean) <= threshold:
        return replace(row, reason="more than chance, and perhaps too small to matter")
    if said.n >= WILCOXON_MINIMUM and (said.wilcoxon_p is None or said.wilcoxon_p > _CHECK):
        return replace(row, reason="the ranks of the pairs do not agree with their mean")
    better = (said.mean > 0) == known[0][0].more_is_better
    return replace(row, word=Word.BETTER if better else Word.WORSE)


def _corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the rows with words that hold although there are many rows (Holm)."""
    tested = [index for index, row in enumerate(rows) if row.p is not None]
    counts = dict(zip(tested, holm([rows[index].p or 0.0 for index in tested], FALSE_ALARMS), strict=True))
    return tuple(
        replace(row, word=Word.INCONCLUSIVE, reason=f"may be chance, among {len(tested)} rows")
        if row.word in (Word.BETTER, Word.WORSE) and not counts[index]
        else row
        for index, row in enumerate(rows)
    )


def _why_none(both: Sequence[tuple[Value | None, Value | None]]) -> str:
    for side, place in (("base", 0), ("candidate", 1)):
        if all(values[place] is None for values in both):
            return f"the {side} has no such objective"
    for side, place in (("base", 0), ("candidate", 1)):
        if all((value := values[place]) is None or value.value is None for values in both):
            return f"not measured in the {side}"
    return "no pair has a value on both sides"


def _mean(values: Iterable[Value | None]) -> float | None:
    found = [value.value for value in values if value is not None and value.value is not None]
    return sum(found) / len(found) if found else None
