"""The users' demand is drawn in advance, from the seed alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from testbed.model.catalogue import CatalogueObject
from testbed.probes.demand import Request, draw

OBJECTS = tuple(
    CatalogueObject(name, 1, weight, "") for name, weight in {"a": 0.6, "b": 0.3, "c": 0.1}.items()
)
HOUR_NS = 3600 * 10**9


def test_the_demand_of_a_seed_is_the_same_on_every_machine() -> None:
    """The first requests of a seed never change, so that old runs can be repeated."""
    expected = (Request(165_166_166, "a"), Request(503_122_599, "a"), Request(625_067_997, "a"))

    assert expected == draw("7/lessons", 5, 10**9, OBJECTS)[:3]


def test_another_seed_is_another_demand() -> None:
    """Seeds are not correlated: two draw different times."""
    assert draw("7/lessons", 5, HOUR_NS, OBJECTS)[0] != draw("8/lessons", 5, HOUR_NS, OBJECTS)[0]


def test_a_longer_run_begins_like_a_shorter_one() -> None:
    """The duration cuts the demand off and changes nothing before it."""
    short, long = (draw("7", 5, duration, OBJECTS) for duration in (HOUR_NS // 2, HOUR_NS))

    assert short == long[: len(short)]


def test_the_catalogue_leaves_the_times_alone() -> None:
    """Other objects are asked for at the same times."""
    one, three = draw("7", 5, HOUR_NS, OBJECTS[:1]), draw("7", 5, HOUR_NS, OBJECTS)

    assert [r.at_ns for r in one] == [r.at_ns for r in three]


def test_times_are_a_poisson_process() -> None:
    """Gaps have the mean 1/rate and an exponential's spread; all times lie inside the run, in order."""
    times = np.array([r.at_ns for r in draw("7", 5, HOUR_NS, OBJECTS)])
    gaps = np.diff(times) / 1e9

    assert 18_000 == pytest.approx(len(times), abs=3 * 18_000**0.5)
    assert 0.2 == pytest.approx(np.mean(gaps), rel=0.03)
    assert 0.2 == pytest.approx(np.std(gaps), rel=0.05)
    assert 0 <= times[0]
    assert times[-1] < HOUR_NS
    assert min(gaps) >= 0


def test_objects_are_drawn_by_their_weights() -> None:
    """In an hour of requests each object has its share."""
    counts = Counter(r.object for r in draw("7", 5, HOUR_NS, OBJECTS))

    for o in OBJECTS:
        assert o.weight == pytest.approx(counts[o.name] / counts.total(), abs=0.02)
