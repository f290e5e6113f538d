"""The E-model against the values that are known of it."""

from __future__ import annotations

import pytest

from testbed.metrics.emodel import effective_equipment, mean_opinion_score, transmission_rating


def test_the_default_connection():
    """G.107, 7.7: with all defaults R is 93.2; Annex B makes a MOS of 4.41 of it."""
    rating = transmission_rating(0, 0)

    assert 93.2 == pytest.approx(rating, abs=0.05)
    assert 4.41 == pytest.approx(mean_opinion_score(rating), abs=0.005)


@pytest.mark.parametrize(
    ("rating", "mos"),
    [(-5, 1.0), (0, 1.0), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.03), (90, 4.34), (100, 4.5)],
)
def test_annex_b(rating: float, mos: float):
    """Table B.1: the lower limits of the user satisfaction classes."""
    assert mos == pytest.approx(mean_opinion_score(rating), abs=0.007)


@pytest.mark.parametrize(
    ("loss", "burst", "taken"), [(0, 1, 0), (0.02, 1, 7.011), (0.1, 1, 27.066), (0.1, 2, 31.561)]
)
def test_losses(loss: float, burst: float, taken: float):
    """95 Ppl / (Ppl / BurstR + 25.1), worked out by hand; bursts weigh more."""
    assert taken == pytest.approx(effective_equipment(loss, burst), abs=0.001)


def test_delay_costs_little_until_it_is_noticed():
    """G.114: below 150 ms most users notice nothing; at 400 ms a call is hard to hold."""
    ratings = [transmission_rating(ms, 0) for ms in (0, 50, 100, 150, 200, 300, 400, 600)]

    assert sorted(ratings, reverse=True) == ratings
    assert ratings[0] - ratings[3] < 5
    assert ratings[6] < 70
