"""Why a run failed, in sentences: what was missed by how much, what preceded it, what led to it, what did not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from testbed.explain import own, paths, service
from testbed.explain.case import Case
from testbed.explain.cause import Cause, Look, at, quoted
from testbed.metrics.window import Window
from testbed.model.objective import format_value
from testbed.result.store import Result
from testbed.result.verdict import Outcome, Verdict

LOOKS: Sequence[Look] = (*paths.LOOKS, *service.LOOKS)
_LINES = 6


@dataclass(frozen=True)
class Missed:
    """An objective that failed: by how much, what preceded it, what the hub said and did; causes, likeliest first."""

    verdict: Verdict
    sentence: str
    preceded: tuple[str, ...]
    did: tuple[str, ...]
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Explanation:
    """All of it. ``causes`` are the run's, likeliest first; ``own``: the first is the testbed's own, not the hub's."""

    title: str
    outcome: str
    causes: tuple[Cause, ...]
    missed: tuple[Missed, ...]
    ruled_out: tuple[str, ...]
    own: bool = False


def explain(result: Result) -> Explanation:
    """Explain a run from its folder. Raises InputError for samples that cannot be read."""
    return of(Case.of(result))


def of(case: Case) -> Explanation:
    """Explain a case."""
    blamed = list(own.causes(case))
    missed = tuple(_missed(case, verdict) for verdict in case.failed) if not _void(case) else ()
    causes = [*blamed, *_ranked(missed)] or list(own.unsure(case))
    return Explanation(
        title=case.record.title,
        outcome=_outcome(case),
        causes=tuple(causes),
        missed=missed,
        ruled_out=tuple(dict.fromkeys(own.ruled_out(case))),
        own=bool(blamed),
    )


def _void(case: Case) -> bool:
    return any(verdict.outcome is Outcome.INVALID for verdict in case.record.verdicts)


def _outcome(case: Case) -> str:
    outcomes = {str(verdict.outcome) for verdict in case.record.verdicts}
    if str(case.record.state) != "complete":
        return str(case.record.state)
    return next((word for word in ("invalid", "fail", "inconclusive") if word in outcomes), "pass")


def _ranked(missed: Sequence[Missed]) -> list[Cause]:
    """Return the causes of all objectives, each once: by its weight, and by how many objectives it explains."""
    best: dict[str, Cause] = {}
    explains: dict[str, int] = {}
    for each in missed:
        for cause in each.causes:
            explains[cause.key] = explains.get(cause.key, 0) + 1
            if cause.key not in best or cause.weight > best[cause.key].weight:
                best[cause.key] = cause
    return sorted(best.values(), key=lambda cause: -(cause.weight + 0.02 * min(explains[cause.key] - 1, 3)))


def _missed(case: Case, verdict: Verdict) -> Missed:
    moment = case.moment(verdict)
    found = [cause for look in LOOKS if (cause := look(case, verdict)) is not None]
    causes = tuple(sorted(found, key=lambda cause: -cause.weight))
    return Missed(verdict, _missed_by(verdict), tuple(_preceded(case, moment)), tuple(_did(case, moment)), causes)


def _missed_by(verdict: Verdict) -> str:
    value = verdict.measured
    if verdict.margin is None:
        return f"{verdict.title}: it was {value}."
    missed = format_value(abs(verdict.margin), verdict.unit)
    more = "at least " if verdict.lower_bound else ""
    return f"{verdict.title}: it was {value}, {more}{missed} beyond the bound."


def _preceded(case: Case, moment: Window) -> Iterator[str]:
    for event in case.events_before(moment)[:3]:
        title = event.title or f"{event.uplink} {event.kind}".strip()
        yield f"{title}, from {at(event.start_ns)} to {at(event.end_ns)}"


def _did(case: Case, moment: Window) -> Iterator[str]:
    """Yield what the hub said and did from shortly before until it was over."""
    starts = [event.start_ns for event in case.events_before(moment)[:1]]
    window = Window(min([moment.start_ns, *starts]) - 100_000_000, moment.end_ns + 1)
    told = [quoted(each) for each in case.said(window) if each.kind != "packet"]
    changes = [
        f"{at(each.t_ns)}: the heartbeat went from {each.before} to {each.uplink}"
        for each in case.takeovers
        if window.start_ns <= each.t_ns < window.end_ns
    ]
    yield from changes[:_LINES]
    yield from told[:_LINES]
    if len(told) > _LINES:
        yield f"and {len(told) - _LINES} more lines; the report has them all"
    if not told and not changes:
        yield "the hub's daemons said nothing, and the heartbeat stayed where it was"
