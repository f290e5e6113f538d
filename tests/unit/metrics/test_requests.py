"""The metrics of an http-get stream on requests made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.metrics import METRICS
from testbed.metrics.measurement import Measurement
from tests.unit.metrics.hand_made import MS, UNANSWERED, S, ask, evidence, lessons, request


def measure(metric: str, *rows: dict[str, object], **asked: Any) -> Measurement:
    return METRICS[metric].measure(evidence(lessons=lessons(*rows)), ask("lessons", **asked))


def test_hit_ratio_is_hits_over_answers():
    """Three of four answers came from the cache; the request without an answer is not counted."""
    rows = [request(0, "MISS"), request(S), request(2 * S, "STALE"), request(3 * S, "UPDATING")]
    measured = measure("hit_ratio", *rows, request(4 * S, **UNANSWERED))

    assert 0.75 == measured.value
    assert 4 == measured.samples


@pytest.mark.parametrize(
    ("cache", "share"),
    [("HIT", 1), ("REVALIDATED", 1), ("EXPIRED", 0), ("BYPASS", 0), ("MISS", 0), (None, 0)],
)
def test_what_counts_as_a_hit(cache: str | None, share: float):
    """A body from the hub's store is a hit; a fetched one, or one from a hub without a cache, is not."""
    assert share == measure("hit_ratio", request(0, cache)).value


def test_what_the_account_itself_throttled_says_nothing_of_the_hub():
    """A request that the tenant told to wait counts for nothing; where all were, nothing is known."""
    throttled = request(S, **UNANSWERED) | {"status": 503, "throttled": 2}
    answered = request(0) | {"throttled": 0}

    found = measure("availability", answered, throttled)
    assert (1.0, 1) == (found.value, found.samples)
    assert measure("availability", throttled).value is None


def test_ratios_without_answers_have_no_value():
    """No answer at all is not a hit ratio of zero."""
    assert "no request was answered" == measure("hit_ratio", request(0, **UNANSWERED)).reason
    assert "no byte was received" == measure("byte_hit_ratio", request(0, **UNANSWERED)).reason
    assert "no request of lessons in the window" == measure("hit_ratio").reason
    assert (
        "no request of lessons in the window"
        == METRICS["availability"].measure(evidence(), ask("lessons")).reason
    )


def test_byte_hit_ratio_weighs_by_bytes():
    """A 8,000-byte miss and two 1,000-byte hits: a fifth of the bytes was spared."""
    rows = [request(0, "MISS", size=8000, bytes=8000), request(S), request(2 * S)]
    measured = measure("byte_hit_ratio", *rows)

    assert 0.2 == measured.value
    assert {"bytes_to_clients": 10000, "bytes_from_origin": 8000} == measured.details


@pytest.mark.parametrize(
    "flaw",
    [{"status": 504}, {"bytes": 999}, {"sha256_ok": False}, {"error": "reset"}, UNANSWERED],
    ids=["status", "short", "wrong bytes", "error", "no answer"],
)
def test_only_whole_and_right_answers_are_available(flaw: dict[str, object]):
    """An answer that is cut, wrong or no 200 does not count."""
    measured = measure("availability", request(0), request(S, **flaw))

    assert 0.5 == measured.value
    assert [{"t_ns": S, "object": "a.jpg"}] == measured.details["failed"]


def test_window_goes_by_the_scheduled_time():
    """A request belongs to the window of its schedule, however late it started."""
    rows = [request(29 * S, started_ns_late=2 * S), request(30 * S), request(55 * S, **UNANSWERED)]

    assert 1 == measure("availability", *rows, start_ns=30 * S, end_ns=55 * S).samples


def test_cached_content_is_what_was_whole_before_the_window():
    """Only objects with a whole answer before the window are asked about."""
    rows = [
        request(10 * S, "MISS", object="seen"),
        request(11 * S, "MISS", object="cut", bytes=10),
        request(29 * S, "MISS", object="late", total_ns=2 * S),
        request(31 * S, object="seen"),
        request(32 * S, object="cut", **UNANSWERED),
        request(33 * S, object="late", **UNANSWERED),
        request(34 * S, object="new", **UNANSWERED),
    ]
    measured = measure("availability", *rows, start_ns=30 * S, end_ns=55 * S, content="cached")

    assert 1.0 == measured.value
    assert 1 == measured.samples


def test_nothing_cached_gives_no_value():
    """With an empty store nothing was promised."""
    measured = measure("availability", request(31 * S), start_ns=30 * S, content="cached")

    assert "no request of lessons for content in the cache in the window" == measured.reason


def test_percentiles_are_samples():
    """Of 1..100 ms the 95th percentile is 95 ms: 95 % of the samples do not exceed it."""
    rows = [request(i * 100 * MS, ttfb_ns=i * MS) for i in range(1, 101)]

    assert [50 * MS, 95 * MS, 99 * MS] == [measure(f"ttfb_p{p}", *rows).value for p in (50, 95, 99)]


def test_ttfb_of_hits_and_misses_apart():
    """``status`` chooses hits or misses; broken answers are in neither."""
    rows = [
        request(0, "HIT", ttfb_ns=2 * MS),
        request(S, "MISS", ttfb_ns=90 * MS),
        request(2 * S, "MISS", ttfb_ns=1 * MS, status=502),
    ]

    assert 2 * MS == measure("ttfb_p50", *rows, status="hit").value
    assert 90 * MS == measure("ttfb_p50", *rows, status="miss").value
    assert "no whole answer (hit) in the window" == measure("ttfb_p50", *rows[1:], status="hit").reason


@pytest.mark.parametrize(("metric", "minimum"), [("ttfb_p50", 20), ("ttfb_p95", 40), ("ttfb_p99", 200)])
def test_higher_percentiles_need_more_samples(metric: str, minimum: int):
    """Two samples have to lie beyond a percentile."""
    assert minimum == measure(metric, request(0)).minimum_samples
