"""Causes that lie in the way of the packets: no uplink, no failover, one that is late, blind or too eager."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.explain.case import AWAY, Case
from testbed.explain.cause import Cause, at, quoted
from testbed.metrics.window import Window
from testbed.model.facts import Happening
from testbed.result.verdict import Verdict
from testbed.units import format_duration

GAPS = frozenset(
    {"interruption", "packets_lost", "stall", "uploads_acknowledged", "upload_p95", "availability", "address_gap",
     "sessions_survived", "resets", "backhaul_bytes", "mos", "call_loss", "call_delay_p95", "call_jitter",
     "dns_availability", "boot_to_service"}
)  # fmt: skip
"""Metrics that suffer where nothing passes, or by the wrong way."""
CHANGES = frozenset({"failovers", "flaps", "false_alarms"})
SESSIONS = frozenset({"sessions_survived", "resets", "stranded_sessions", "stall"})
RETURNS = frozenset({"return_to_preferred", "new_flows_return", "stranded_time", "stranded_bytes", "metered_bytes",
                     "metered_cost", "stranded_sessions"})  # fmt: skip
_AFTER_NS = 5_000_000_000
_MOST = 0.6  # of a gap: more than this in the dark, and the dark is what it was


def no_way(case: Case, verdict: Verdict) -> Cause | None:
    """All uplinks were dark at once: no failover could have helped."""
    moment = case.moment(verdict)
    if verdict.metric not in GAPS or len(case.facts.uplinks) < 2 or not moment.duration_ns:
        return None
    together = _together(case, moment)
    if not together or together / moment.duration_ns < 0.3:
        return None
    share = min(1.0, together / moment.duration_ns)
    names = " and ".join(case.facts.uplinks)
    return Cause(
        "all-uplinks-dark",
        f"All uplinks ({names}) were dark at once for {format_duration(together)}: there was no way to fail over to.",
        0.7 + 0.25 * share,
        tuple(f"{uplink} let nothing through for {format_duration(case.dark_within(uplink, moment))} of it"
              for uplink in case.facts.uplinks),
    )  # fmt: skip


def no_failover(case: Case, verdict: Verdict) -> Cause | None:
    """The hub has no failover, and stayed on the uplink that failed."""
    hub = case.hub
    if verdict.metric not in GAPS | RETURNS or hub is None or hub.failover != "none":
        return None
    event = _of_carrier(case, verdict)
    if event is None or case.takeovers:
        return None
    carried = case.carrier_at(event.start_ns)
    others = [name for name in case.facts.uplinks if name != carried]
    return Cause(
        "no-failover",
        f"The hub has no failover (hub.failover: none): it stayed on {carried} through {_titled(event)}.",
        0.96,
        (
            f"nothing that is marked left by {' or '.join(others) or 'another uplink'} in the whole run",
            *_lit(case, others, event),
        ),
    )


def blind(case: Case, verdict: Verdict) -> Cause | None:
    """The failover did not notice: what it looks at passed while traffic did not."""
    hub, moment = case.hub, case.moment(verdict)
    event = _of_carrier(case, verdict)
    if verdict.metric not in GAPS or event is None or hub is None or hub.failover == "none":
        return None
    span = Window(event.start_ns, max(event.end_ns, event.start_ns + 1))
    if event.kind not in (*AWAY, "black_hole", "mtu", "brownout", "rate_cap", "lease", "dhcp_down") or (
        verdict.metric in ("call_delay_p95", "mos", "call_jitter")
    ):
        return None
    if any(event.start_ns <= each.t_ns < moment.end_ns + _AFTER_NS for each in case.takeovers):
        return None
    noticed = case.said(span, "FAULT", "avoided", "failed")
    if noticed:
        return None
    checks = "a connection to the tenant" if hub.timers.probe == "tcp" else "pings"
    weight = {"black_hole": 0.93, "mtu": 0.3}.get(event.kind, 0.75)
    return Cause(
        "failover-blind",
        f"The hub's failover ({hub.failover}) looks by {checks}, which passed: it did not notice {_titled(event)} "
        f"and stayed on {event.uplink}.",
        weight,
        (f"between {at(span.start_ns)} and {at(span.end_ns)} the hub's daemons reported no failed check",),
    )


def late(case: Case, verdict: Verdict) -> Cause | None:
    """The failover came, and later than the bound permits."""
    event = _of_carrier(case, verdict)
    if verdict.metric not in ("interruption", "packets_lost", "stall", "address_gap") or event is None:
        return None
    taken = next((each for each in case.takeovers if each.t_ns >= event.start_ns), None)
    if taken is None or taken.t_ns > max(event.end_ns, case.moment(verdict).end_ns + _AFTER_NS):
        return None
    waited_ns = taken.t_ns - event.start_ns
    said = case.said(Window(event.start_ns, taken.t_ns + 1), "returning 1", "failed", "FAULT", "avoided", "down")
    promise = case.hub.promise if case.hub else None
    told = []
    if promise is not None:
        worst = format_duration(promise.worst_ns)
        fits = "as its timers promise" if waited_ns <= promise.worst_ns * 1.15 else "longer than its timers promise"
        told.append(f"its timers promise {format_duration(promise.best_ns)} to {worst}: {fits}")
    if verdict.metric == "interruption" and promise is not None and verdict.bound < promise.worst_ns:
        told.append("the objective's bound is less than they promise at worst")
    weight = 0.85 if verdict.metric == "interruption" else 0.45
    return Cause(
        "failover-late",
        f"The hub left {event.uplink} for {taken.uplink} {format_duration(waited_ns)} after {_titled(event)} began.",
        weight,
        (*told, *(quoted(each) for each in said[:4])),
    )


def poor_backup(case: Case, verdict: Verdict) -> Cause | None:
    """The hub went to an uplink that did not carry either."""
    moment = case.moment(verdict)
    if verdict.metric not in GAPS:
        return None
    for left, to, t_ns in _moves(case, moment):
        after = Window(t_ns, moment.end_ns)
        dark_ns = case.dark_within(to, after)
        if after.duration_ns and dark_ns > 0.5 * after.duration_ns and dark_ns > 1_000_000_000:
            return Cause(
                "backup-failed",
                f"The hub left {left} for {to} at {at(t_ns)}, which let nothing through for "
                f"{format_duration(dark_ns)}.",
                0.88,
                tuple(f"{_titled(event)} at {at(event.start_ns)}" for event in case.facts.faults(to)),
            )
    return None


def _moves(case: Case, moment: Window) -> Iterator[tuple[str, str, int]]:
    """Yield from where to where the hub went, and when: by what left the links, or else by its own word."""
    for each in case.takeovers:
        if moment.start_ns <= each.t_ns < moment.end_ns:
            yield each.before or "", each.uplink, each.t_ns
    for said in case.said(moment, "avoided"):
        left = said.what.partition(" ")[0]
        for to in case.facts.uplinks:
            if said.kind == "route" and left in case.facts.uplinks and to != left:
                yield left, to, said.t_ns


def false_alarm(case: Case, verdict: Verdict) -> Cause | None:
    """The hub left an uplink that worked: its probe target was silent."""
    moment = case.moment(verdict)
    silent = [e for e in case.events_before(moment) if e.kind == "target_down" and e.start_ns <= moment.start_ns]
    if verdict.metric not in CHANGES | SESSIONS | {"interruption"} or not silent:
        return None
    event = silent[0]
    left = [each for each in case.takeovers if event.start_ns <= each.t_ns < event.end_ns + _AFTER_NS]
    if not left:
        return None
    uplink = left[0].before or ""
    if case.dark_within(uplink, Window(event.start_ns, left[0].t_ns)):
        return None
    said = case.said(Window(event.start_ns, left[0].t_ns + 1), "returning 1", "failed", "FAULT", "avoided")
    return Cause(
        "target-silent",
        f"What the hub pings was silent ({_titled(event)}), and it took {uplink} for dead, which carried traffic well.",
        0.93,
        (f"{uplink} let packets through all the time until {at(left[0].t_ns)}", *(quoted(each) for each in said[:3])),
    )


def rain_for_outage(case: Case, verdict: Verdict) -> Cause | None:
    """Lost packets were taken for an outage."""
    moment = case.moment(verdict)
    if verdict.metric not in CHANGES | SESSIONS | {"interruption"}:
        return None
    for event in case.events_before(moment):
        left = [e for e in case.takeovers if event.start_ns <= e.t_ns < event.end_ns and e.before == event.uplink]
        if event.kind != "brownout" or not left or case.dark_within(event.uplink, Window(event.start_ns, event.end_ns)):
            continue
        said = case.said(Window(event.start_ns, event.end_ns), "down", "Down", "FAULT", "failed", "avoided")
        hub = case.hub
        how = f"{hub.bfd.multiplier} lost BFD packets in a row" if hub and hub.tunnelled else "a few lost checks"
        return Cause(
            "loss-taken-for-outage",
            f"The hub took {how} during {_titled(event)} for an outage and left {event.uplink} {len(left)} times, "
            "though it carried most packets.",
            0.92,
            tuple(quoted(each) for each in said[:3]),
        )
    return None


def returned_too_soon(case: Case, verdict: Verdict) -> Cause | None:
    """The hub went back to an uplink that failed again soon after."""
    if verdict.metric not in ("flaps", "failovers"):
        return None
    pairs = []
    preferred = case.facts.preferred
    for back, away in zip(case.takeovers, case.takeovers[1:], strict=False):
        if back.uplink == preferred and away.before == preferred and away.t_ns - back.t_ns < 30_000_000_000:
            pairs.append((back, away))
    outages = [e for e in case.facts.faults(preferred) if e.kind in AWAY]
    if len(pairs) < 1 or len(outages) < 2:
        return None
    rise = case.hub.timers.rise if case.hub else None
    told = f" (timers.rise: {rise})" if rise is not None else ""
    return Cause(
        "returned-too-soon",
        f"The hub went back to {preferred}{told} while it came and went, and left it again {len(pairs)} times.",
        0.94,
        tuple(f"back at {at(back.t_ns)}, left again at {at(away.t_ns)}" for back, away in pairs[:4]),
    )


def left_for_cause(case: Case, verdict: Verdict) -> Cause | None:
    """The hub left an uplink that was dark: what it is for, where the objective wants it to stay."""
    if verdict.metric not in CHANGES | SESSIONS:
        return None
    for each in case.takeovers:
        gone = [e for e in case.facts.faults(each.before or "") if e.kind in AWAY and e.start_ns <= each.t_ns]
        gone = [e for e in gone if each.t_ns < e.end_ns + _AFTER_NS]
        if not gone:
            continue
        event = gone[-1]
        length = event.end_ns - event.start_ns
        tunnelled = case.hub is not None and case.hub.tunnelled
        if verdict.metric in SESSIONS and tunnelled:
            return None
        why = " and sessions do not outlive the change of address" if verdict.metric in SESSIONS else ""
        said = case.said(Window(event.start_ns, each.t_ns + 1), "failed", "FAULT", "avoided")
        return Cause(
            "left-in-outage",
            f"The hub left {each.before} for {each.uplink} at {at(each.t_ns)} because of {_titled(event)} "
            f"(it lasted {format_duration(length)}){why}.",
            0.84,
            tuple(quoted(one) for one in said[:3]),
        )
    return None


def late_return(case: Case, verdict: Verdict) -> Cause | None:
    """The preferred uplink was well again, and the hub waited."""
    if verdict.metric not in RETURNS:
        return None
    preferred = case.facts.preferred
    outages = [e for e in case.facts.faults(preferred) if e.kind in (*AWAY, "brownout")]
    if not outages or not case.takeovers:
        return None
    over_ns = max(e.end_ns for e in outages)
    back = next((each for each in case.takeovers if each.t_ns >= over_ns and each.uplink == preferred), None)
    until = Window(over_ns - 2_000_000_000, back.t_ns + 1 if back else case.facts.duration_ns)
    answers = next(iter(case.said(until, "returning 0")), None)
    believed = next(iter(case.said(until, "succeeded", "preferred")), None)
    waited = f"went back {format_duration(back.t_ns - over_ns)} later" if back else "did not go back before the end"
    rise = case.hub.timers.rise if case.hub and case.hub.pings else None
    told = f"; it asks for {rise} good checks in a row (timers.rise)" if rise is not None else ""
    return Cause(
        "return-late",
        f"{preferred} was well again at {at(over_ns)}, and the hub {waited}{told}.",
        0.86,
        tuple(quoted(each) for each in (answers, believed) if each is not None),
    )


def lost_lease(case: Case, verdict: Verdict) -> Cause | None:
    """The hub had no address on the uplink."""
    moment = case.moment(verdict)
    if verdict.metric not in GAPS:
        return None
    for event in case.events_before(moment):
        if event.kind not in ("lease", "dhcp_down", "unplug", "reboot"):
            continue
        gone = case.said(Window(event.start_ns, moment.end_ns), f"{event.uplink} deconfigured")
        if gone and not any(each.t_ns >= event.start_ns for each in case.takeovers):
            return Cause(
                "no-address",
                f"The hub lost its address on {event.uplink} during {_titled(event)} and stayed there.",
                0.6,
                tuple(quoted(each) for each in gone[:2]),
            )
    return None


def _together(case: Case, moment: Window) -> int:
    """Return for how many ns of a time all uplinks were dark at once."""
    common = [moment]
    for uplink in case.facts.uplinks:
        found = []
        for window in common:
            for gone in case.dark(uplink):
                start, end = max(window.start_ns, gone.start_ns), min(window.end_ns, gone.end_ns)
                if end > start:
                    found.append(Window(start, end))
        common = found
    total, until = 0, moment.start_ns
    for window in sorted(common, key=lambda each: each.start_ns):
        start = max(window.start_ns, until)
        if window.end_ns > start:
            total, until = total + window.end_ns - start, window.end_ns
    return total


def _of_carrier(case: Case, verdict: Verdict) -> Happening | None:
    """Return the event of the uplink that carried, which led to what happened."""
    for event in case.events_before(case.moment(verdict)):
        if event.uplink and event.uplink == case.carrier_at(event.start_ns) and event.kind != "target_down":
            return event
    return None


def _lit(case: Case, others: list[str], event: Happening) -> tuple[str, ...]:
    """Return which other uplinks would have carried."""
    span = Window(event.start_ns, event.end_ns)
    return tuple(f"{name} was up meanwhile" for name in others if not case.dark_within(name, span))


def _titled(event: Happening) -> str:
    return event.title or f"{event.uplink} {event.kind.replace('_', ' ')}".strip()


LOOKS = (
    no_way, no_failover, blind, late, poor_backup, false_alarm, rain_for_outage, returned_too_soon, left_for_cause,
    late_return, lost_lease,
)  # fmt: skip
