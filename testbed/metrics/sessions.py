"""sessions_survived, resets, stall, stranded_sessions: what a failover costs those who are connected."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from testbed.metrics.evidence import Evidence
from testbed.metrics.flows import Session, flows, stall
from testbed.metrics.ledger import STRANDED_SLOTS, Fate, fate, lifetime, returns, stranded
from testbed.metrics.measurement import Ask, Measurement, Metric
from testbed.model.objective import Unit

TENANTS_OWN = "the tenant itself ended every session of the window"


def _none_reason(ask: Ask) -> str:
    return f"no session of {ask.of or 'any flow'} in the window"


def _alive(evidence: Evidence, ask: Ask) -> Iterator[Session]:
    """Yield the sessions that were open at some time of the window."""
    for sessions in flows(evidence, ask.of).values():
        for session in sessions:
            if session.began_ns < ask.window.end_ns and lifetime(session, ask.window).duration_ns > 0:
                yield session


def judged(fates: Iterable[Fate]) -> list[Fate]:
    """Return the fates that say something about the path: all but those of sessions that the tenant ended."""
    return [found for found in fates if found is not Fate.TENANT_ENDED]


def _survived(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the share of the flows whose first session in the window was there, and alive, at its end.

    A flow whose session the tenant itself ended says nothing about the path, and is left out.
    """
    first: dict[str, Session] = {}
    for session in _alive(evidence, ask):
        first.setdefault(session.flow, session)
    if not first:
        return SURVIVED.answer(None, 0, reason=_none_reason(ask))
    fates = {flow: fate(session, ask.window) for flow, session in first.items()}
    told, details = judged(fates.values()), {flow: str(f) for flow, f in fates.items()}
    if not told:
        return SURVIVED.answer(None, 0, reason=TENANTS_OWN, details=details)
    return SURVIVED.answer(sum(f is Fate.SURVIVED for f in told) / len(told), len(told), details=details)


def _resets(evidence: Evidence, ask: Ask) -> Measurement:
    """Count the sessions that ended in the window by an error or by the other end, but not those the tenant ended."""
    alive = list(_alive(evidence, ask))
    if not alive:
        return RESETS.answer(None, 0, reason=_none_reason(ask))
    fates = [fate(s, ask.window) for s in alive]
    ended = {
        name: [
            {"flow": s.flow, "t_ns": s.ended_ns, "reason": s.reason}
            for s, found in zip(alive, fates, strict=True)
            if found is wanted
        ]
        for name, wanted in (("resets", Fate.RESET), ("by_tenant", Fate.TENANT_ENDED))
    }
    told = judged(fates)
    reason = "" if told else TENANTS_OWN
    return RESETS.answer(len(ended["resets"]) if told else None, len(told), reason=reason, details=ended)


def _stall(evidence: Evidence, ask: Ask) -> Measurement:
    """Return the longest time in which a flow made no progress, in whatever session."""
    found = {
        name: stall(tuple(track for session in sessions for track in session.tracks), ask.window)
        for name, sessions in flows(evidence, ask.of).items()
        if sessions
    }
    if not found:
        return STALL.answer(None, 0, reason=_none_reason(ask))
    flow, worst = max(found.items(), key=lambda item: item[1].duration_ns)
    return STALL.answer(
        worst.duration_ns,
        min(s.moments for s in found.values()),
        lower_bound=worst.open and ask.window.end_ns >= evidence.facts.duration_ns,
        details={"flow": flow, "start_ns": worst.start_ns, "end_ns": worst.end_ns},
    )


def _stranded(evidence: Evidence, ask: Ask) -> Measurement:
    """Count the sessions that another uplink went on carrying after the return to the preferred one.

    It is a lower bound where it cannot be told of every session where it was.
    """
    back = returns(evidence, ask.window)
    if not back:
        what = "new flows" if evidence.facts.new_flows else "the heartbeat"
        reason = f"{what} did not return to {evidence.facts.preferred} in the window"
        return STRANDED.answer(None, 0, reason=reason)
    alive = [s for s in _alive(evidence, ask) if any(lifetime(s, after).duration_ns > 0 for after in back)]
    found = {f"{s.flow} {s.number}": stranded(evidence, s, ask.window) for s in alive}
    found = {name: left for name, left in found.items() if left.slots >= STRANDED_SLOTS}
    on = {name: {"on": left.on, "ns": left.ns} for name, left in found.items() if left.ns}
    unknown = [name for name, left in found.items() if left.ns is None]
    reason = "" if found else "no session was open for long enough after the return"
    return STRANDED.answer(
        len(on) if found else None,
        len(found),
        lower_bound=bool(unknown),
        reason=reason,
        details={"stranded": on, "not_known": unknown},
    )


SURVIVED = Metric(Unit.SHARE, "flows", 1, _survived)
RESETS = Metric(Unit.COUNT, "sessions", 1, _resets)
STALL = Metric(Unit.DURATION, "arrivals", 20, _stall)
STRANDED = Metric(Unit.COUNT, "sessions after the return", 1, _stranded)
