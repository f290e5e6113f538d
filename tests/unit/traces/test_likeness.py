"""What two recordings are compared by: distribution, steps, losses and their runs."""

import numpy as np
import pytest

from testbed.model.trace import Loss, Series
from testbed.traces import placing
from testbed.traces.likeness import alike, distance, likeness, step
from testbed.traces.profile import Spell

MS, S = 10**6, 10**9


def series(rtt_ms, lost=(), cadence_ms=100):
    t = np.arange(len(rtt_ms)) * cadence_ms * MS
    loss = np.where(np.isin(np.arange(len(rtt_ms)), lost), Loss.UNKNOWN, Loss.NONE)
    return Series.of(t, (np.asarray(rtt_ms) * MS).astype(np.int64), loss)


def test_the_distance_is_the_largest_difference_of_shares():
    """A quarter of one sample lies where the other has nothing; a sample is no distance from itself."""
    assert 0.25 == distance(np.array([1, 2, 3, 9]), np.array([1, 2, 3, 3]))
    assert 0 == distance(np.array([5, 1]), np.array([1, 5]))


def test_lengths_of_one_kind_are_alike_and_of_two_are_not():
    """Samples of one geometric distribution pass, those of another do not."""
    chance = np.random.default_rng(1)
    one, same, other = (chance.geometric(p, 200) for p in (0.5, 0.5, 0.2))

    assert alike(one, same) > 0.05
    assert alike(one, other) < 0.001
    assert alike(one, one) == 1


def test_a_step_is_read_off_four_seconds_on_either_side():
    """Levels that change by 8 ms each 15 s step by that at their boundaries, and by nothing between them."""
    found = series(50 + 8 * ((np.arange(1200) - 30) // 150 % 2))

    assert 8 * MS == step(found, 3 * S)
    assert 0 == step(found, 10 * S)
    assert step(series([50] * 30), 0) is None


def test_likeness_holds_both_sides():
    """Shares of losses, the tail and the factor between them."""
    found = likeness(series([50] * 200, lost=[5]), series([55] * 200, lost=[5, 9]), (0, 0))

    assert ((0.005, 0.01), 2.0, 1.0) == (found.loss, found.loss_factor, found.ks)
    assert found.p95_ratio == pytest.approx(1.1)


def test_nothing_is_compared_with_what_never_answered():
    """A series without an answer has no distribution."""
    with pytest.raises(ValueError, match="nothing was answered"):
        likeness(series([50] * 3), series([50] * 3, lost=[0, 1, 2]), (0, 0))


@pytest.mark.parametrize("wanted", [7, 14, 3])
def test_as_many_stretches_as_recorded_are_the_recorded_ones(wanted):
    """Of seven, seven are all of them, fourteen each twice, three spread evenly."""
    recorded = [Spell(10, 4), Spell(20, 2), Spell(500, 1)]

    drawn = sorted(one.lasted for one in placing.drawn(recorded, wanted, np.random.default_rng(1)))

    assert wanted == len(drawn)
    if wanted != 3:
        assert sorted([10, 10, 10, 10, 20, 20, 500] * (wanted // 7)) == drawn


def test_scattered_runs_keep_their_lengths():
    """No two runs touch, however full the trace is."""
    lost = placing.scattered([1, 1, 5, 30], 45, np.random.default_rng(3))

    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(int), [0]))))
    assert [1, 1, 5, 30] == sorted((edges[1::2] - edges[::2]).tolist())
    assert 45 == len(lost)


def test_stretches_stand_apart():
    """None begins before the one in front has ended, and none that has no room is placed."""
    lasted = [40, 30, 20, 50]

    begins = placing.apart(lasted, 100, np.random.default_rng(1))

    assert 3 == len(begins)
    assert all(a + length <= b for a, length, b in zip(begins, lasted, begins[1:], strict=False))
    assert begins[-1] + lasted[2] <= 100
