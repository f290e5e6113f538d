"""What happened after an impairment, step by step, seen from outside the hub."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from testbed.metrics.carrier import Carrier
from testbed.metrics.evidence import Evidence, Probes
from testbed.metrics.measurement import Ask
from testbed.metrics.requests import Requests, requests
from testbed.metrics.return_to_preferred import returned_at
from testbed.metrics.window import Window
from testbed.model.event import Kind
from testbed.model.facts import Happening


@dataclass(frozen=True)
class Decomposition:
    """The moments after one event, in ns since the run's start; None for what did not come.

    Of a fault of the tenant or the resolver (``uplink`` is empty) there are those of the service alone.

    ``impairment_ns``      the event's start
    ``first_lost_ns``      sending of the first heartbeat of the gap that the event caused
    ``first_backup_ns``    first marked packet on the uplink that took over (10 ms bins)
    ``first_good_ns``      sending of the first answered heartbeat after the gap
    ``service_lost_ns``    the first request under way during the event went wrong
    ``service_back_ns``    first whole answer from the tenant (not the cache) to a request after the first loss
    ``recovered_ns``       the event's end
    ``returned_ns``        the uplink carries the heartbeat again for good, until its next event
    ``new_returned_ns``    the uplink carries new flows again for good, until its next event
    """

    uplink: str
    kind: str
    impairment_ns: int
    first_lost_ns: int | None
    first_backup_ns: int | None
    backup: str | None
    first_good_ns: int | None
    service_back_ns: int | None
    recovered_ns: int
    returned_ns: int | None
    service_lost_ns: int | None = None
    new_returned_ns: int | None = None


def decompose(evidence: Evidence) -> tuple[Decomposition, ...]:
    """Return one decomposition for each event on the uplink that carried the heartbeat when it began,
    and for each fault of the tenant or the resolver: new content is none."""
    seen = evidence.carrier
    events = sorted(evidence.facts.events, key=lambda event: event.start_ns)
    return tuple(
        _of_uplink(evidence, seen, event) if event.uplink else _of_service(evidence, event)
        for event in events
        if event.uplink in ("", _holder(seen, event.start_ns)) and event.kind != Kind.CONTENT_CHANGES
    )


def _holder(seen: Carrier, t_ns: int) -> str | None:
    """Return the last uplink that took over before ``t_ns``, silence or not."""
    before = [t.uplink for t in seen.takeovers if t.t_ns < t_ns]
    return before[-1] if before else None


def _of_service(evidence: Evidence, event: Happening) -> Decomposition:
    lost = _service_lost(evidence, event)
    return Decomposition(
        uplink="",
        kind=event.kind,
        impairment_ns=event.start_ns,
        first_lost_ns=None,
        first_backup_ns=None,
        backup=None,
        first_good_ns=None,
        service_lost_ns=lost,
        service_back_ns=_service_back(
            evidence, None if lost is None else event.start_ns, evidence.facts.duration_ns, lost or 0
        ),
        recovered_ns=event.end_ns,
        returned_ns=None,
    )


def _of_uplink(evidence: Evidence, seen: Carrier, event: Happening) -> Decomposition:
    ends = [e.start_ns for e in evidence.facts.faults(event.uplink) if e.start_ns > event.start_ns]
    horizon = min([*ends, evidence.facts.duration_ns])
    first_lost, first_good = _gap(evidence.probes(evidence.facts.heartbeat), event, horizon)
    after = seen.changes(Window(event.start_ns, horizon))
    after_it = Window(event.end_ns, horizon)
    backup = next((t for t in after if t.uplink != event.uplink), None)
    return Decomposition(
        uplink=event.uplink,
        kind=event.kind,
        impairment_ns=event.start_ns,
        first_lost_ns=first_lost,
        first_backup_ns=backup.t_ns if backup else None,
        backup=backup.uplink if backup else None,
        first_good_ns=first_good,
        service_lost_ns=_service_lost(evidence, event),
        service_back_ns=_service_back(evidence, first_lost, horizon),
        recovered_ns=event.end_ns,
        returned_ns=returned_at(seen, event.uplink, after_it),
        new_returned_ns=returned_at(evidence.new_flows_carrier, event.uplink, after_it),
    )


def _gap(probes: Probes, event: Happening, horizon_ns: int) -> tuple[int | None, int | None]:
    """Return (first lost, first good after) of the longest run of lost probes that the event can have caused.

    A probe is lost to an event if it was sent up to a round trip before it.
    """
    rtt_ns = int(np.median(probes.rtt_ns[probes.good])) if probes.good.any() else 0
    lost = ~probes.good
    starts = np.flatnonzero(lost & ~np.concatenate(([False], lost[:-1])))
    ends = np.flatnonzero(lost & ~np.concatenate((lost[1:], [False])))
    caused = (probes.t_ns[ends] >= event.start_ns - rtt_ns) & (
        probes.t_ns[starts] < min(event.end_ns, horizon_ns)
    )
    starts, ends = starts[caused], ends[caused]
    if len(starts) == 0:
        return None, None
    longest = int(np.argmax(probes.t_ns[ends] - probes.t_ns[starts]))
    after = ends[longest] + 1
    first_good = int(probes.t_ns[after]) if after < len(probes.t_ns) else None
    return int(probes.t_ns[starts[longest]]), first_good


def _service_lost(evidence: Evidence, event: Happening) -> int | None:
    """Return when the first request that was under way during the event had failed."""
    asked = _requests(evidence)
    over = asked.done_ns < np.iinfo(np.int64).max
    caught = ~asked.whole & over & (asked.done_ns > event.start_ns) & (asked.t_ns < event.end_ns)
    return int(asked.done_ns[caught].min()) if caught.any() else None


def _service_back(
    evidence: Evidence, first_lost_ns: int | None, horizon_ns: int, after_ns: int = 0
) -> int | None:
    """Return when the first request after the loss that needed the tenant had its whole answer, if after that."""
    if first_lost_ns is None:
        return None
    asked = _requests(evidence)
    fetched = asked.whole & ~asked.cached & (asked.t_ns >= first_lost_ns)
    fetched &= (asked.done_ns > after_ns) & (asked.done_ns < horizon_ns)
    return int(asked.done_ns[fetched].min()) if fetched.any() else None


def _requests(evidence: Evidence) -> Requests:
    """Return the requests of all http-get streams."""
    return requests(evidence, Ask("", Window(np.iinfo(np.int64).min, np.iinfo(np.int64).max)))
