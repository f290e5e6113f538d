"""Causes behind the packets' way: the hub's cache, its resolver and its queues, the tenant."""

from __future__ import annotations

from collections import Counter

import numpy as np

from testbed.explain.case import SERVICE, Case
from testbed.explain.cause import Cause, at
from testbed.metrics.requests import SERVED_STALE, Requests
from testbed.metrics.window import Window
from testbed.model.cache import Cache
from testbed.result.verdict import Verdict
from testbed.units import format_duration, format_rate, format_share, format_size

REQUESTS = frozenset(
    {"availability", "hit_ratio", "byte_hit_ratio", "backhaul_offload", "edge_served", "ttfb_p50", "ttfb_p95",
     "ttfb_p99", "correctness",
     "stale_age_p95", "stale_age_max", "stale_after_change", "range_correctness", "backhaul_bytes",
     "boot_to_service"}
)  # fmt: skip
CALLS = frozenset({"mos", "call_delay_p95", "call_jitter", "call_loss"})
_LONG = ("stall", "sessions_survived", "resets", "availability", "uploads_acknowledged", "upload_p95")
_FULL_MS = 150  # so much waiting in a queue spoils a call


def no_cache(case: Case, verdict: Verdict) -> Cause | None:
    """The hub has no cache: what LAN clients ask of it is nobody's."""
    made, hub = _asked(case, verdict), case.hub
    if verdict.metric not in REQUESTS or made is None or hub is None or hub.cached is not None:
        return None
    if np.any(made.cache != ""):
        return None
    good = format_share(float(made.whole.mean()))
    statuses = Counter(made.status.tolist())
    told = ", ".join(f"{count} x {_status(status)}" for status, count in statuses.most_common(3))
    return Cause(
        "no-cache",
        f"The hub has no cache (hub.cache: off): {good} of {len(made.t_ns)} requests were answered whole.",
        0.98,
        (f"no answer of the whole run bears a cache's word; {told}",),
    )


def tenant_refused(case: Case, verdict: Verdict) -> Cause | None:
    """The tenant refused, and the cache handed that on."""
    made, hub = _asked(case, verdict), case.hub
    events = [e for e in case.facts.events if e.kind == "tenant_errors"]
    if verdict.metric not in REQUESTS or made is None or not events:
        return None
    event = min(events, key=lambda each: abs(each.start_ns - case.moment(verdict).start_ns))
    during = case.within(made, Window(event.start_ns, event.end_ns))
    refused = during.status[(during.status >= 400) & ~during.whole]
    if not len(refused) or len(refused) < 0.3 * np.sum(~made.whole):
        return None
    served = int(np.isin(during.cache, SERVED_STALE).sum())
    statuses = ", ".join(f"{count} x {_status(status)}" for status, count in Counter(refused.tolist()).most_common(3))
    off = hub is not None and hub.cached is not None and not hub.cached.stale
    if off and not served:
        return Cause(
            "stale-off",
            f"The tenant refused from {at(event.start_ns)} on, and the cache does not serve what it holds then "
            "(hub.cache.stale: off): it handed the refusals on.",
            0.95,
            (f"{statuses} while it lasted; no answer was served stale",),
        )
    return Cause(
        "tenant-refused",
        f"The tenant refused requests from {at(event.start_ns)} to {at(event.end_ns)}, of which {len(refused)} failed.",
        0.8,
        (statuses, f"{served} answers were served stale meanwhile"),
    )


def tenant_silent(case: Case, verdict: Verdict) -> Cause | None:
    """Packets to the tenant vanished."""
    made = _asked(case, verdict)
    events = [e for e in case.facts.events if e.kind == "tenant_black_hole"]
    if verdict.metric not in REQUESTS or made is None or not events:
        return None
    event = min(events, key=lambda each: abs(each.start_ns - case.moment(verdict).start_ns))
    during = case.within(made, Window(event.start_ns, event.end_ns))
    failed = int(np.sum(~during.whole))
    if not failed or failed < 0.3 * np.sum(~made.whole):
        return None
    return Cause(
        "tenant-silent",
        f"The tenant did not answer from {at(event.start_ns)} to {at(event.end_ns)}: {failed} requests of "
        f"{len(during.t_ns)} failed.",
        0.8,
    )


def no_names(case: Case, verdict: Verdict) -> Cause | None:
    """No resolver was left."""
    events = [e for e in case.facts.events if e.kind == "dns_failure"]
    if verdict.metric not in (*REQUESTS, "dns_availability") or not events:
        return None
    window = Window(*verdict.window_ns)
    covered = {e.uplink for e in events if e.start_ns < window.end_ns and e.end_ns > window.start_ns}
    everywhere = "" in covered or covered >= set(case.facts.uplinks)
    if not covered or (verdict.metric != "dns_availability" and not everywhere):
        return None
    together = "the Internet's resolver" if "" in covered else f"the resolvers of {' and '.join(sorted(covered))}"
    left = [name for name in case.facts.uplinks if name not in covered and "" not in covered]
    tail = f", and that of {' and '.join(left)} was not asked" if left else ": nobody was left to ask"
    return Cause(
        "no-resolver",
        f"In this window {together} failed{tail}.",
        0.95 if everywhere else 0.7,
        tuple(f"{e.title or 'dns failure'} from {at(e.start_ns)} to {at(e.end_ns)}" for e in events),
    )


def too_small(case: Case, verdict: Verdict) -> Cause | None:
    """The cache holds less than is asked for."""
    made, hub = _asked(case, verdict), case.hub
    if verdict.metric not in ("hit_ratio", "byte_hit_ratio", "backhaul_offload", "edge_served") or made is None:
        return None
    if hub is None or hub.cached is None:
        return None
    sizes: dict[str, int] = {}
    for name, size in zip(made.object.tolist(), made.size.tolist(), strict=True):
        sizes[name] = max(size, sizes.get(name, 0))
    wanted, room = sum(sizes.values()), hub.cached.size
    again = Counter(made.object[np.isin(made.cache, ("MISS", "EXPIRED"))].tolist())
    fetched = sum(1 for count in again.values() if count > 1)
    if wanted <= room:
        return None
    return Cause(
        "cache-too-small",
        f"The cache has room for {format_size(room)} (hub.cache.size), and {format_size(wanted)} were asked for: what "
        "was fetched was gone when it was asked for again.",
        0.93,
        (f"{fetched} of {len(sizes)} objects were fetched more than once",),
    )


def kept_too_long(case: Case, verdict: Verdict) -> Cause | None:
    """The cache did not ask whether content had changed."""
    hub = case.hub
    if verdict.metric not in ("stale_after_change",) or hub is None or (cache := hub.cached) is None:
        return None
    changes = [e for e in case.facts.events if e.kind == "content_changes"]
    if not changes or cache.fresh <= verdict.bound:
        return None
    return Cause(
        "fresh-too-long",
        f"The cache serves an object for {format_duration(cache.fresh)} without asking again (hub.cache.fresh), longer "
        "than the bound: the old version went on.",
        0.93,
        tuple(f"{e.title or 'new content'} at {at(e.start_ns)}" for e in changes[:3]),
    )


def large_slices(case: Case, verdict: Verdict) -> Cause | None:
    """A part of an object waits for a much larger one."""
    made, hub = _asked(case, verdict), case.hub
    if not verdict.metric.startswith("ttfb") or made is None or hub is None or (cache := hub.cached) is None:
        return None
    ranged = made.where(made.ranged)
    if not len(ranged.t_ns) or cache.slice <= 4 * Cache().slice:
        return None
    typical = float(np.median(ranged.size[ranged.size > 0])) if np.any(ranged.size > 0) else 0.0
    return Cause(
        "slice-too-large",
        f"The cache fetches {format_size(cache.slice)} at once (hub.cache.slice), for requests of "
        f"{format_size(typical)}: the first byte waits for the rest.",
        0.92,
        (f"{len(ranged.t_ns)} of {len(made.t_ns)} requests asked for a part of an object",),
    )


def fetched_by_each(case: Case, verdict: Verdict) -> Cause | None:
    """One object was fetched several times at once."""
    made, hub = _asked(case, verdict), case.hub
    if verdict.metric not in ("backhaul_bytes", "metered_bytes", "metered_cost", "hit_ratio") or made is None:
        return None
    if hub is None or (cache := hub.cached) is None or not cache.lock or verdict.relation != "at most":
        return None
    waited = made.where(made.ttfb_ns >= 0)
    crowd = Counter(made.object.tolist()).most_common(1)
    if not crowd or crowd[0][1] < 3:
        return None
    name, count = crowd[0]
    slowest = format_duration(float(waited.ttfb_ns.max())) if len(waited.t_ns) else "none"
    return Cause(
        "lock-too-short",
        f"Who waits for a slice that another fetches waits for {format_duration(cache.lock)} alone (hub.cache.lock) "
        f"and fetches it as well then: {count} asked for {name}, over an uplink that takes longer.",
        0.88,
        (f"the slowest first byte came after {slowest}",),
    )


def impatient(case: Case, verdict: Verdict) -> Cause | None:
    """The hub gave connections to the tenant up sooner than the uplink's round trips allow."""
    made, hub = _asked(case, verdict), case.hub
    if verdict.metric not in REQUESTS or made is None or hub is None or hub.cached is None:
        return None
    table = case.evidence.schedule
    if table is None:
        return None
    delays = {}
    for uplink in case.facts.uplinks:
        mine = table.filter([name == uplink for name in table["link"].to_pylist()])
        delays[uplink] = float(np.median(mine["delay_ns"].to_numpy())) if len(mine) else 0.0
    used = {case.carrier_at(int(t_ns)) for t_ns in made.t_ns[~made.whole].tolist()} - {None}
    slow = max((delays.get(str(uplink), 0.0) for uplink in used), default=0.0)
    if not slow or hub.connect_timeout >= 2.2 * slow:
        return None
    timed_out = int(np.isin(made.status, (502, 504)).sum())
    name = max(delays, key=lambda each: delays[each] if each in used else -1.0)
    return Cause(
        "timeout-too-short",
        f"The hub grants {format_duration(hub.connect_timeout)} to each step of a connection (hub.connect_timeout), "
        f"and {name} takes {format_duration(2 * slow)} there and back.",
        0.9,
        (f"{timed_out} requests ended with 502 or 504",),
    )


def short_path(case: Case, verdict: Verdict) -> Cause | None:
    """Long packets vanish, and nobody says so."""
    hub, scenario = case.hub, case.scenario
    if verdict.metric not in _LONG:
        return None
    events = [e for e in case.facts.events if e.kind == "mtu"]
    narrow = scenario is not None and any(profile.path_mtu.size < 1500 for profile in scenario.uplinks.values())
    if hub is None or not (events or narrow):
        return None
    size = min([p.path_mtu.size for p in scenario.uplinks.values()] if scenario else [1500])
    size = min([size, *(e.size for e in (scenario.events if scenario else ()) if e.size)])
    if hub.mss and hub.mss <= size - 40:
        return None
    when = f"{events[0].title} at {at(events[0].start_ns)}" if events else "all the time"
    mss = f"hub.mss: {hub.mss} B" if hub.mss else "no hub.mss"
    return Cause(
        "path-takes-shorter-packets",
        f"The path takes packets of {size} B at most ({when}), and the hub lets longer ones be sent ({mss}), which "
        "vanished.",
        0.92,
        ("the heartbeat, whose packets are short, went on",) if _heartbeat_well(case, verdict) else (),
    )


def full_queue(case: Case, verdict: Verdict) -> Cause | None:
    """Calls waited in an uplink's queue behind bulk."""
    hub = case.hub
    if verdict.metric not in (*CALLS, "backhaul_bytes") or hub is None:
        return None
    window = Window(*verdict.window_ns)
    capped = [e for e in case.facts.events if e.kind == "rate_cap"]
    uplink = case.carrier_at(window.start_ns) or case.facts.preferred
    waiting = case.longest_queue(uplink, window)
    rate = case.bytes_out(uplink, window) * 8e9 / max(window.duration_ns, 1)
    if not waiting or not rate or waiting * 8e3 / rate < _FULL_MS:
        return None
    waited = format_duration(waiting * 8e9 / rate)
    how = "does not sort what it sends (hub.qos: off)" if not hub.qos else "sorts what it sends"
    if capped and hub.failover != "overflow":
        how = f"sends nothing elsewhere when an uplink is full (hub.failover: {hub.failover})"
    return Cause(
        "queue-full",
        f"Up to {format_size(waiting)} waited at {uplink}, {waited} of its rate of {format_rate(rate)}: the hub {how}.",
        0.9 if not hub.qos or capped else 0.6,
        tuple(f"{e.title} from {at(e.start_ns)} to {at(e.end_ns)}" for e in capped[:2]),
    )


def old_prefix(case: Case, verdict: Verdict) -> Cause | None:
    """Clients kept an IPv6 address that leads nowhere: nobody had told them."""
    hub = case.hub
    if verdict.metric != "address_gap" or hub is None or hub.ra_interval <= verdict.bound:
        return None
    return Cause(
        "advertised-too-seldom",
        f"The hub advertises IPv6 every {format_duration(hub.ra_interval)} (hub.ra_interval): clients kept the "
        "address of an uplink that was gone.",
        0.93,
    )


def service_gone(case: Case, verdict: Verdict) -> Cause | None:
    """Some fault of the service was under way, and nothing else explains it."""
    moment = case.moment(verdict)
    for event in case.events_before(moment):
        if event.kind in SERVICE and verdict.metric in (*REQUESTS, "uploads_acknowledged", "upload_p95"):
            return Cause("service-fault", f"{event.title} was under way from {at(event.start_ns)} on.", 0.4)
    return None


def _asked(case: Case, verdict: Verdict) -> Requests | None:
    made = case.requests
    if made is None:
        return None
    inside = case.within(made, Window(*verdict.window_ns))
    return inside if len(inside.t_ns) else None


def _heartbeat_well(case: Case, verdict: Verdict) -> bool:
    moment = case.moment(verdict)
    probes = case.evidence.probes(case.facts.heartbeat).within(moment)
    return bool(len(probes.good)) and float(probes.good.mean()) > 0.9


def _status(status: int) -> str:
    return f"status {status}" if status else "no answer"


LOOKS = (
    no_cache, tenant_refused, tenant_silent, no_names, too_small, kept_too_long, large_slices, fetched_by_each,
    impatient, short_path, full_queue, old_prefix, service_gone,
)  # fmt: skip
