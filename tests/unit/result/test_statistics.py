"""Statistics of paired differences, against answers that are known."""

from __future__ import annotations

import pytest

from testbed.result.statistics import change_points, detectable_in_spreads, follows, holm, paired


def test_the_interval_is_students():
    """Of 1 to 5: 3 +- t(4, 97.5 %) * sqrt(2.5 / 5) = 2.776 * 0.707; the tables' p of t = 4.243 is 0.0132."""
    said = paired([1, 2, 3, 4, 5])

    assert 3 == said.mean
    assert (1.0368, 4.9632) == (pytest.approx(said.low, abs=1e-4), pytest.approx(said.high, abs=1e-4))
    assert 0.0132 == pytest.approx(said.p, abs=1e-4)


def test_wilcoxon_of_six_of_one_sign_is_one_in_thirty_two():
    """Two of the 64 ways to give six ranks their signs are as extreme."""
    assert 1 / 32 == paired([1, 2, 3, 4, 5, 6]).wilcoxon_p


def test_wilcoxon_says_nothing_of_five_pairs():
    """The rarest order of five signs comes by chance in 1 of 16: it can never speak against chance."""
    assert paired([1, 2, 3, 4, 5]).wilcoxon_p is None


def test_values_follow_a_chance_or_do_not():
    """With it, without it, and where the chance was always the same."""
    chances = [(0.0, 0.2), (0.9, 0.8), (0.4, 0.5), (0.1, 0.6)]

    assert follows([(3 + a, 4 + b) for a, b in chances], chances)
    assert not follows([(3.0, 4.1), (3.1, 4.0), (3.0, 4.0), (3.1, 4.1)], chances)
    assert not follows([(3.0, 4.1), (3.1, 4.0)], [(0.2, 0.2)] * 2)


def test_one_pair_of_real_time_has_no_interval():
    """Nobody knows how far apart two runs of the same thing are."""
    said = paired([7.0])

    assert (7.0, None, None, None, None) == (said.mean, said.low, said.high, said.p, said.detectable(0.005))


def test_one_exact_pair_is_enough():
    """Where the same run gives the same bits, a difference is a difference."""
    said = paired([7.0], exact=True)

    assert (7.0, 7.0, 0.0, 0.0) == (said.low, said.high, said.p, said.detectable(0.005))
    assert 1.0 == paired([0.0], exact=True).p


def test_equal_differences_are_known_no_better_than_they_are_read():
    """One count more in two of two pairs is not certain; in six of six it is."""
    assert paired([1, 1], resolution=1.0).p > 0.05
    assert paired([1] * 6, resolution=1.0).p < 0.005


def test_without_resolution_equal_differences_are_certain():
    """Nothing varied, and nothing was rounded."""
    said = paired([0.0, 0.0, 0.0])

    assert (0.0, 0.0, 1.0) == (said.low, said.high, said.p)


def test_no_pair_is_no_difference():
    """Nothing is made up of nothing."""
    with pytest.raises(ValueError, match="no pair"):
        paired([])


def test_the_detectable_difference_is_the_textbooks():
    """54 pairs find half a standard deviation with 95 % at the two-sided level of 5 % (Cohen; G*Power 3)."""
    assert 0.5 == pytest.approx(detectable_in_spreads(54, 0.05, 0.95), abs=0.003)


def test_what_is_detectable_scales_with_the_spread():
    """Twice the noise hides twice the difference."""
    one, two = paired([1, 2, 3]), paired([2, 4, 6])

    assert two.detectable(0.01) == pytest.approx(2 * one.detectable(0.01))


@pytest.mark.parametrize(
    ("p", "counts"),
    [
        ([0.01, 0.04, 0.03, 0.005], (True, False, False, True)),  # Holm's own steps: 1/4, 1/3, 1/2 of 5 %
        ([0.04], (True,)),
        ([0.04, 0.04], (False, False)),
        ([], ()),
    ],
)
def test_many_rows_raise_no_more_false_alarms_than_one(p: list[float], counts: tuple[bool, ...]):
    """The smallest p is held against the level's share of all rows, the next of one less."""
    assert counts == holm(p, 0.05)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([5, 6, 5, 6, 5, 6, 9, 10, 9, 10, 9, 10], [6]),
        ([5, 6, 5, 6, 5, 6, 5, 6, 5, 6, 5, 6], []),
        ([1, 1, 1, 1, 2, 2, 2, 2], [4]),
        ([5, 6, 5, 6, 5, 40, 6, 5, 6, 5, 6, 5], []),  # an outlier is no step
        ([1, 2, 1, 2, 1, 2, 9, 8, 9, 8, 9, 8, 1, 2, 1, 2, 1, 2], [6, 12]),
        ([1, 2, 9, 9], []),  # too few to tell
        ([], []),
    ],
)
def test_change_points_are_where_the_level_changes(values: list[float], found: list[int]):
    """The first value of each new level."""
    assert found == change_points(values)
