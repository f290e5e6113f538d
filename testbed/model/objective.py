"""What must hold: a bound on a metric, of a traffic, in a window of the scenario."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from testbed import units
from testbed.errors import NOWHERE, Place, Problem, did_you_mean
from testbed.model.quantities import Duration


class Unit(StrEnum):
    """The base unit of a metric's value: nanoseconds, a count, a share of 1, a mean opinion score, bytes, USD."""

    DURATION = "ns"
    COUNT = "count"
    SHARE = "share"
    MOS = "MOS"
    SIZE = "bytes"
    MONEY = "USD"


@dataclass(frozen=True)
class MetricSpec:
    """What a metric is, as far as a scenario needs to know it.

    ``of`` has the kinds of traffic that it can measure, none where it looks at the uplinks themselves;
    ``together``: without a name it is about all of the scenario's traffic of these kinds, not about one.
    ``by_uplink``: an objective may restrict it to one uplink; ``by_status``: to hits or misses; ``by_content``: where
    it is of requests, to cached content.
    """

    unit: Unit
    of: tuple[str, ...]
    summary: str
    together: bool = False
    by_uplink: bool = False
    by_status: bool = False
    by_content: bool = True
    of_loss: bool = False

    @property
    def more_is_better(self) -> bool:
        """Whether a larger value is the better one: so it is of shares and scores; of times, counts, bytes the smaller.

        A share of what went wrong (``call_loss``) says so itself.
        """
        return self.unit in (Unit.SHARE, Unit.MOS) and not self.of_loss


_HEARTBEAT, _NEW_FLOWS, _REQUESTS = ("udp-echo",), ("udp-flows",), ("http-get",)
_CALLS, _UPLOADS, _NAMES = ("udp-call",), ("http-put", "sdk-upload"), ("dns-query",)
_FLOWS = ("tcp-transfer", "https-keepalive", "quic", "udp-call")

METRICS: Mapping[str, MetricSpec] = {
    "interruption": MetricSpec(Unit.DURATION, _HEARTBEAT + _NEW_FLOWS, "longest gap of the heartbeat"),
    "address_gap": MetricSpec(
        Unit.DURATION, ("ipv6-source",), "longest time without an IPv6 address that leads anywhere"
    ),
    "packets_lost": MetricSpec(Unit.COUNT, _HEARTBEAT + _NEW_FLOWS, "heartbeats without an answer"),
    "failovers": MetricSpec(Unit.COUNT, _HEARTBEAT, "changes of the uplink that carries the heartbeat"),
    "return_to_preferred": MetricSpec(
        Unit.DURATION, _HEARTBEAT, "from the preferred uplink's recovery until it carries the heartbeat again"
    ),
    "new_flows_return": MetricSpec(
        Unit.DURATION, _NEW_FLOWS, "from the preferred uplink's recovery until it carries new flows again"
    ),
    "boot_to_service": MetricSpec(
        Unit.DURATION,
        _HEARTBEAT + _NEW_FLOWS + _REQUESTS,
        "from the hub's power-on until the traffic is served again",
    ),
    "flaps": MetricSpec(Unit.COUNT, _HEARTBEAT, "most pairs of failovers, there and back, in any 60 s"),
    "false_alarms": MetricSpec(Unit.COUNT, _HEARTBEAT, "failovers from an uplink that nothing was wrong with"),
    "stranded_time": MetricSpec(
        Unit.DURATION, _HEARTBEAT, "time on a metered uplink after the preferred one had recovered"
    ),
    "stranded_bytes": MetricSpec(Unit.SIZE, (), "bytes on metered uplinks after the preferred one had recovered"),
    "backhaul_bytes": MetricSpec(Unit.SIZE, (), "bytes over the uplinks, both ways", by_uplink=True),
    "metered_bytes": MetricSpec(Unit.SIZE, (), "bytes over metered uplinks, both ways"),
    "egress": MetricSpec(Unit.COUNT, (), "flows of the hub to hosts that were not named, or unencrypted"),
    "metered_cost": MetricSpec(Unit.MONEY, (), "price of the bytes over metered uplinks"),
    "hit_ratio": MetricSpec(Unit.SHARE, _REQUESTS, "requests answered from the hub's cache"),
    "byte_hit_ratio": MetricSpec(Unit.SHARE, _REQUESTS, "bytes to clients that did not come from the tenant"),
    "backhaul_offload": MetricSpec(
        Unit.SHARE,
        _REQUESTS,
        "bytes to clients that the uplinks were spared, by the links' counters",
        together=True,
        by_uplink=True,
        by_content=False,  # the links count bytes, whatever they were asked for
    ),
    "edge_served": MetricSpec(Unit.SHARE, _REQUESTS, "requests answered from the hub's cache in under 20 ms"),
    "stale_age_p95": MetricSpec(Unit.DURATION, _REQUESTS, "95th percentile of the age of stale answers"),
    "stale_age_max": MetricSpec(Unit.DURATION, _REQUESTS, "age of the oldest stale answer"),
    "stale_after_change": MetricSpec(
        Unit.DURATION, _REQUESTS, "time after a change of content in which the old version was still served"
    ),
    "correctness": MetricSpec(Unit.SHARE, _REQUESTS, "complete answers that were right to the last byte"),
    "range_correctness": MetricSpec(
        Unit.SHARE, _REQUESTS, "answers to requests for a range that were this range, byte for byte"
    ),
    "availability": MetricSpec(Unit.SHARE, _REQUESTS, "requests answered whole and right"),
    "dns_availability": MetricSpec(Unit.SHARE, _NAMES, "queries of LAN clients answered with the right address"),
    "ttfb_p50": MetricSpec(Unit.DURATION, _REQUESTS, "median time to first byte", by_status=True),
    "ttfb_p95": MetricSpec(Unit.DURATION, _REQUESTS, "95th percentile of the time to first byte", by_status=True),
    "ttfb_p99": MetricSpec(Unit.DURATION, _REQUESTS, "99th percentile of the time to first byte", by_status=True),
    "sessions_survived": MetricSpec(
        Unit.SHARE, _FLOWS, "flows whose session was there, and alive, at the end", together=True
    ),
    "resets": MetricSpec(Unit.COUNT, _FLOWS, "sessions that were reset or closed", together=True),
    "stall": MetricSpec(Unit.DURATION, _FLOWS, "longest time without progress of a flow", together=True),
    "stranded_sessions": MetricSpec(
        Unit.COUNT, _FLOWS, "sessions left on another uplink after the return", together=True
    ),
    "call_delay_p95": MetricSpec(Unit.DURATION, _CALLS, "95th percentile of the one-way delay"),
    "call_jitter": MetricSpec(Unit.DURATION, _CALLS, "95th percentile of the interarrival jitter"),
    "call_loss": MetricSpec(Unit.SHARE, _CALLS, "packets of the call that did not arrive", of_loss=True),
    "mos": MetricSpec(Unit.MOS, _CALLS, "mean opinion score of the call's worst ten seconds"),
    "uploads_durable": MetricSpec(Unit.SHARE, _UPLOADS, "acknowledged uploads that the tenant has bit for bit"),
    "uploads_acknowledged": MetricSpec(Unit.SHARE, _UPLOADS, "uploads that were acknowledged"),
    "upload_p95": MetricSpec(Unit.DURATION, _UPLOADS, "95th percentile of the time to the acknowledgement"),
}

_PARSERS: Mapping[Unit, Callable[[str], float]] = {
    Unit.DURATION: units.parse_duration,
    Unit.SHARE: units.parse_share,
    Unit.MOS: units.parse_mos,
    Unit.SIZE: units.parse_size,
    Unit.MONEY: units.parse_money,
}
_WRITERS: Mapping[Unit, Callable[[float], str]] = {
    Unit.DURATION: units.format_duration,
    Unit.SHARE: units.format_share,
    Unit.COUNT: "{:g}".format,
    Unit.MOS: "{:.2f}".format,
    Unit.SIZE: units.format_size,
    Unit.MONEY: units.format_money,
}
_EXAMPLES: Mapping[Unit, str] = {
    Unit.DURATION: "'3 s'",
    Unit.SHARE: "'60 %'",
    Unit.COUNT: "'0'",
    Unit.MOS: "'3.6'",
    Unit.SIZE: "'2 MB'",
    Unit.MONEY: "'0.05 USD'",
}


def parse_value(text: str, unit: Unit) -> float:
    """Read a bound in its metric's unit. Raises ValueError with what would be right."""
    if unit in _PARSERS:
        return float(_PARSERS[unit](text))
    if not text.isdecimal():
        raise ValueError("a whole number, such as '0'")
    return float(text)


def format_value(value: float, unit: Unit) -> str:
    """Write a metric's value with its unit for people."""
    return _WRITERS[unit](value)


@dataclass(frozen=True)
class Objective:
    """A bound on a metric. Exactly one of ``at_most`` and ``at_least`` is given.

    ``of`` names the traffic that is measured; it may be left out where only one traffic fits.
    ``window`` is [from, to] since the scenario's start; without it the whole scenario counts.
    ``content: cached`` looks only at objects that were in the cache when the window began; ``uplink``
    restricts a metric of the uplinks to one of them. ``id`` is its name in reports that are compared, in
    place of one made of what it asks.
    """

    metric: str = field(metadata={"choices": METRICS})
    of: str = ""
    at_most: str = ""
    at_least: str = ""
    window: tuple[Duration, Duration] | None = None
    content: Literal["all", "cached"] = "all"
    status: Literal["any", "hit", "miss"] = "any"
    uplink: str = ""
    id: str = ""
    place: Place = field(default=NOWHERE, compare=False, repr=False)

    @property
    def unit(self) -> Unit:
        """The unit of the metric's value and of the bound."""
        return METRICS[self.metric].unit

    @property
    def bound(self) -> float:
        """The bound in the metric's base unit (ns, count, share of 1)."""
        return parse_value(self.at_most or self.at_least, self.unit)

    @property
    def key(self) -> str:
        """What the objective is known by from run to run, whatever its bound and the shift of its window."""
        if self.id:
            return self.id
        window = "-".join(units.format_duration(edge).replace(" ", "") for edge in self.window or ())
        asked = (
            self.metric,
            self.of,
            self.uplink,
            "cached" if self.content == "cached" else "",
            self.status if self.status != "any" else "",
            "at_most" if self.at_most else "at_least",
            window,
        )
        return ":".join(filter(None, asked))

    @property
    def title(self) -> str:
        """The objective in one line, as it is written in reports."""
        relation = "at most" if self.at_most else "at least"
        window = f" in {_span(self.window)}" if self.window else ""
        of = f" of {self.of}" if self.of else ""
        over = f" over {self.uplink}" if self.uplink else ""
        content = " (cached content)" if self.content == "cached" else ""
        status = f" ({self.status})" if self.status != "any" else ""
        return f"{self.metric}{of}{over}{content}{status} {relation} {format_value(self.bound, self.unit)}{window}"

    def shifted(self, by_ns: int) -> Objective:
        """Return the objective with its window moved to a later time; it is the same objective, by its key."""
        if self.window is None or by_ns == 0:
            return self
        return replace(self, window=(self.window[0] + by_ns, self.window[1] + by_ns), id=self.key)

    def holds(self, value: float) -> bool:
        """Whether a measured value (base unit) keeps the bound."""
        return value <= self.bound if self.at_most else value >= self.bound

    def problems(self) -> Iterable[Problem]:
        if self.metric not in METRICS:
            yield Problem(
                self.place.at("metric"), f"unknown metric {self.metric!r}", did_you_mean(self.metric, METRICS)
            )
            return
        if self.uplink and not METRICS[self.metric].by_uplink:
            found = f"{self.metric} cannot be restricted to an uplink"
            yield Problem(self.place.at("uplink"), found, "leave 'uplink' away")
        spec = METRICS[self.metric]
        if self.content == "cached" and spec.of != _REQUESTS:
            found = f"{self.metric} looks at no content, cached or not"
            yield Problem(self.place.at("content"), found, "leave 'content' away")
        elif self.content == "cached" and not spec.by_content:
            found = f"{self.metric} counts all bytes that the uplinks carried, of cached content or not"
            yield Problem(self.place.at("content"), found, "leave 'content' away, or ask byte_hit_ratio")
        if self.status != "any" and not METRICS[self.metric].by_status:
            known = ", ".join(name for name, metric in METRICS.items() if metric.by_status)
            found = f"{self.metric} cannot be restricted to answers of one cache status"
            yield Problem(self.place.at("status"), found, f"leave 'status' away, or ask {known}")
        if bool(self.at_most) == bool(self.at_least):
            yield Problem(
                self.place,
                f"objective on {self.metric} has {'two bounds' if self.at_most else 'no bound'}",
                f"write at_most: or at_least: {_EXAMPLES[self.unit]}",
            )
            return
        try:
            _ = self.bound
        except ValueError as error:
            key = "at_most" if self.at_most else "at_least"
            found = f"{key} of {self.metric} is {self.at_most or self.at_least!r}"
            yield Problem(self.place.at(key), found, f"write {error}")
        if self.id and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.id):
            yield Problem(self.place.at("id"), f"id is {self.id!r}", "use letters, digits and _ . -")
        if self.window and self.window[0] >= self.window[1]:
            found = f"window [{_span(self.window)}] ends before it begins"
            yield Problem(self.place.at("window"), found, "write [from, to]")


def _span(window: tuple[int, int]) -> str:
    return " .. ".join(map(units.format_duration, window))
