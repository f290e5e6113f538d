"""Queries of LAN clients made by hand."""

from __future__ import annotations

from typing import Any

from testbed.metrics import METRICS
from testbed.metrics.measurement import Measurement
from testbed.probes import samples
from tests.unit.metrics.hand_made import MS, S, ask, evidence

RIGHT: dict[str, Any] = {"rcode": 0, "right": True, "latency_ns": 40 * MS}
FAILURES: tuple[dict[str, Any], ...] = (
    {"rcode": 2, "right": False, "latency_ns": 40 * MS},
    {"rcode": 0, "right": False, "latency_ns": 40 * MS},
    {"error": "timeout: 5 s"},
    {"error": "timeout: 5 s"},
)


def measured(*answers: dict[str, Any], **window: int) -> Measurement:
    """One query a second."""
    rows = [
        {"t_ns": t * S, "started_ns_late": 0, "name": f"q{t}.example"} | answer for t, answer in enumerate(answers)
    ]
    kept = evidence(names=samples.table(rows, samples.NAMES))
    return METRICS["dns_availability"].measure(kept, ask("names", **window))


def test_a_name_is_found_with_its_right_address_or_it_is_not():
    """Of twenty queries one is SERVFAIL, one has another address, two are not answered."""
    found = measured(*FAILURES, *[RIGHT] * 16)

    assert (0.8, 20) == (found.value, found.samples)
    fates = {"right": 16, "status 2": 1, "a wrong address": 1, "timeout: 5 s": 2}
    assert fates == found.details["fates"]


def test_the_window_counts_by_when_a_query_was_due():
    """From 4 s on all were answered."""
    assert (1.0, 16) == (lambda m: (m.value, m.samples))(measured(*FAILURES, *[RIGHT] * 16, start_ns=4 * S))


def test_without_queries_nothing_is_known():
    """Not asked is not unavailable."""
    assert (None, "no query of names in the window") == (lambda m: (m.value, m.reason))(measured())
