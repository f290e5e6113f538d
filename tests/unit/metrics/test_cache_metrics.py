"""Metrics of the cache, on samples made by hand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Measurement
from tests.unit.metrics.hand_made import MS, UNANSWERED, S, ask, evidence, lessons, links, request


def measure(metric: str, kept: Evidence, of: str = "lessons", **asked: Any) -> Measurement:
    return METRICS[metric].measure(kept, ask(of, **asked))


def test_offload_is_what_the_uplinks_did_not_bring():
    """40 answers of 1,000 bytes; 100 bins of 100 bytes came down over Starlink and 50 over LTE."""
    down = links(("starlink", 0, S), ("lte", S, 1500 * MS), direction="down")
    kept = evidence(links=down, lessons=lessons(*(request(n * 100 * MS) for n in range(40))))

    assert (40_000 - 15_000) / 40_000 == measure("backhaul_offload", kept).value
    assert (40_000 - 5_000) / 40_000 == measure("backhaul_offload", kept, uplink="lte").value


@pytest.mark.parametrize("counters", [None, links()], ids=["none", "empty"])
def test_without_counters_no_offload_is_known(counters: pa.Table | None):
    """Links that counted nothing at all have not spared everything: no value."""
    kept = evidence(links=counters, lessons=lessons(*(request(n * 100 * MS) for n in range(40))))
    found = METRICS["backhaul_offload"].measure(kept, ask("lessons"))

    assert (None, "the links left no counters") == (found.value, found.reason)


def test_offload_of_all_streams_together():
    """Two streams share the uplinks: what both delivered is what was spared or not."""
    down = links(("starlink", 0, S), direction="down")
    stream = lessons(*(request(n * 100 * MS) for n in range(40)))
    kept = evidence(links=down, lessons=stream, homework=stream)

    assert (80_000 - 10_000) / 80_000 == measure("backhaul_offload", kept, of="").value


def test_offload_is_negative_where_more_came_than_was_delivered():
    """A hub that fetches for nobody is worse than one without a cache."""
    down = links(("starlink", 0, S), direction="down")
    kept = evidence(links=down, lessons=lessons(*(request(n * MS, size=100, bytes=100) for n in range(20))))

    assert (2_000 - 10_000) / 2_000 == measure("backhaul_offload", kept).value


def test_what_goes_up_is_no_fetch():
    """The up direction carries requests: no content."""
    kept = evidence(links=links(("starlink", 0, S)), lessons=lessons(*(request(n * MS) for n in range(20))))

    assert 1.0 == measure("backhaul_offload", kept).value


def test_edge_served_is_a_hit_in_under_20_ms():
    """Of 20 requests: a hit at 19 ms counts; one at 20 ms, a quick miss, a wrong and a lost one do not."""
    others = [
        request(1, ttfb_ns=20 * MS),
        request(2, "MISS"),
        request(3, sha256_ok=False),
        request(4, **UNANSWERED),
    ]
    kept = evidence(lessons=lessons(*others, *(request(n, "STALE", ttfb_ns=19 * MS) for n in range(5, 21))))

    assert 16 / 20 == measure("edge_served", kept).value


def test_age_is_of_stale_answers_alone():
    """40 stale answers aged 1 s to 40 s: the 38th is the p95, the last the oldest; a fresh hit has no say."""
    stale = (request(n, ("STALE", "UPDATING")[n % 2], age_ns=n * S) for n in range(1, 41))
    kept = evidence(lessons=lessons(*stale, request(50, "HIT", age_ns=900 * S)))

    assert 38 * S == measure("stale_age_p95", kept).value
    assert 40 * S == measure("stale_age_max", kept).value


def test_stale_answers_without_an_age_say_so():
    """A hub that tells neither Age nor Date leaves the question open."""
    kept = evidence(lessons=lessons(*(request(n, "STALE", age_ns=None) for n in range(20))))
    found = measure("stale_age_max", kept)

    assert (None, "the stale answers have no Age or Date") == (found.value, found.reason)


def test_one_wrong_byte_is_a_wrong_answer():
    """Right length and wrong hash, and too many bytes, are wrong; a cut or refused answer is not complete."""
    wrong = [request(1, sha256_ok=False), request(2, bytes=62_914_760, sha256_ok=False)]
    others = [request(3, bytes=500, error="cut", sha256_ok=None), request(4, status=503, sha256_ok=None)]
    kept = evidence(lessons=lessons(*wrong, *others, *(request(n) for n in range(5, 23))))
    found = measure("correctness", kept)

    assert (18 / 20, 20) == (found.value, found.samples)
    wrongs: Any = found.details["wrong"]
    assert [1, 2] == [answer["t_ns"] for answer in wrongs]
