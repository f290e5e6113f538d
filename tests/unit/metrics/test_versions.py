"""Answers of several versions, parts of objects and answers without a body, made by hand."""

from __future__ import annotations

import pytest

from testbed.metrics import METRICS
from testbed.metrics.measurement import Measurement
from testbed.model.facts import Happening
from tests.unit.metrics.hand_made import MS, S, ask, evidence, lessons, request

CHANGE = Happening("content_changes", "", 10 * S, 12 * S)
SEEK: dict[str, object] = {"status": 206, "first": 5000, "size": 9000}


def measure(metric: str, *rows: dict[str, object], events: tuple[Happening, ...] = (CHANGE,)) -> Measurement:
    return METRICS[metric].measure(evidence(lessons=lessons(*rows), events=events), ask("lessons"))


def seen(*versions: int, begin_s: int = 0, of: str = "a.jpg") -> list[dict[str, object]]:
    """One answer a second, each of a version."""
    return [request(t * S, version=v, object=of) for t, v in enumerate(versions, start=begin_s)]


def test_the_last_old_answer_tells_how_long_the_old_version_was_served():
    """All new since 12 s; the old one is given at 12, 13 and 15 s: for 3 s. What was old before does not count."""
    found = measure("stale_after_change", *seen(*[0] * 14, 1, 0, *[1] * 20))

    assert (3 * S, False, 24) == (found.value, found.lower_bound, found.samples)
    assert (3, []) == (found.details["old"], found.details["never_seen_new"])
    assert (1 * S, 3 * S) == (found.details["old_p50_ns"], found.details["old_p95_ns"])


def test_a_hub_that_is_at_once_up_to_date_served_nothing_old():
    """Answers while the tenant replaces its objects may be of either version."""
    found = measure("stale_after_change", *seen(*[0] * 11, 0, *[1] * 20))

    assert (0.0, False) == (found.value, found.lower_bound)


def test_an_object_that_was_never_seen_new_makes_it_a_lower_bound():
    """Its last answer was old, at 20 s: nobody knows for how long it stays so."""
    found = measure("stale_after_change", *seen(*[1] * 20, begin_s=12), request(20 * S, object="b.jpg"))

    assert (8 * S, True, ["b.jpg"]) == (found.value, found.lower_bound, found.details["never_seen_new"])


def test_each_change_has_a_time_of_its_own():
    """After the second change the first one's version is old; 2 s after the first, 5 s after the second."""
    second = Happening("content_changes", "", 30 * S, 31 * S)
    rows = seen(*[0] * 15, *[1] * 22, *[2] * 20)
    found = measure("stale_after_change", *rows, events=(CHANGE, second))

    assert (5 * S, False) == (found.value, found.lower_bound)


def test_wrong_and_cut_answers_are_no_version():
    """What is not a whole and right answer says nothing about versions."""
    wrong = request(40 * S, version=-1, sha256_ok=False)
    cut = request(41 * S, version=0, error="reset")

    assert 0.0 == measure("stale_after_change", *seen(*[1] * 20, begin_s=12), wrong, cut).value


def test_without_a_change_there_is_nothing_to_tell():
    """A run without the event has no answer after it."""
    found = measure("stale_after_change", *seen(*[0] * 30), events=())

    assert (None, "no answer after a change of content in the window") == (found.value, found.reason)


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ({}, 1.0),
        ({"sha256_ok": False, "version": -1}, 0.75),
        ({"status": 200, "bytes": 9000}, 0.75),
        ({"status": 416, "bytes": 300, "sha256_ok": None}, 0.75),
        ({"status": 304, "bytes": 0}, 1.0),
        ({"status": 504, "bytes": 0, "sha256_ok": None}, 1.0),
        ({"error": "reset", "sha256_ok": None}, 1.0),
    ],
    ids=["right", "other bytes", "the whole", "refused", "not modified", "unavailable", "cut"],
)
def test_a_part_has_to_be_the_part_that_was_asked_for(answer: dict[str, object], share: float):
    """Of four answers to requests for 1,000 bytes the last is as given; a request for the whole is none of them."""
    rows = [request(t * S, **SEEK) for t in range(3)] + [request(3 * S, **(SEEK | answer)), request(4 * S)]

    assert share == measure("range_correctness", *rows).value


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (SEEK, True),
        (SEEK | {"sha256_ok": None}, False),
        ({"status": 304, "bytes": 0, "total_ns": 1 * MS}, True),
        ({"status": 304, "bytes": 0, "sha256_ok": False}, False),
        ({"status": 204, "bytes": 0, "sha256_ok": None}, False),
    ],
)
def test_parts_and_unchanged_objects_are_service(answer: dict[str, object], whole: bool):
    """A right 206 or 304 is an answer that a client can use; one that was not compared is not."""
    assert float(whole) == measure("availability", request(0, **answer)).value


def test_a_part_does_not_bring_the_object_into_the_store():
    """Cached content is what was there as a whole when the window began."""
    pages = [request(t * S, object="b.jpg") for t in (2, 22)]
    kept = evidence(lessons=lessons(request(1 * S, **SEEK), *pages, *seen(1, 1, begin_s=20)))

    assert 1 == METRICS["availability"].measure(kept, ask("lessons", start_ns=10 * S, content="cached")).samples
