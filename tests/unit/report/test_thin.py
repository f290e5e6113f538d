"""Long series on a page: shorter, but no extreme and no loss is missing."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from testbed.report import thin


def test_the_extremes_of_every_bucket_are_kept() -> None:
    """100,000 samples become at most two a bucket, the lowest and the highest of each among them."""
    random = np.random.default_rng(1)
    t_ns, values = np.arange(100_000, dtype=np.int64) * 10_000_000, random.exponential(20, 100_000)
    kept_ns, kept = thin.extremes(t_ns, values, 1000)

    assert 2000 >= len(kept)
    assert list(kept_ns) == sorted(kept_ns)
    for bucket in range(1000):
        whole = values[bucket * 100 : bucket * 100 + 100]
        inside = kept[(kept_ns >= t_ns[bucket * 100]) & (kept_ns <= t_ns[bucket * 100 + 99])]
        assert (whole.min(), whole.max()) == (inside.min(), inside.max())


def test_a_short_series_stays_as_it_is() -> None:
    t_ns, values = np.arange(20, dtype=np.int64), np.arange(20.0)

    assert all((a == b).all() for a, b in zip((t_ns, values), thin.extremes(t_ns, values, 10), strict=True))


@given(st.lists(st.booleans(), max_size=60))
def test_runs_cover_the_losses_and_nothing_else(lost: list[bool]) -> None:
    """Every lost sample lies in one run, every other sample in none, and two runs never touch."""
    runs = thin.runs(np.array(lost, np.bool_)).tolist()
    inside = [index for first, last in runs for index in range(first, last + 1)]

    assert [index for index, gone in enumerate(lost) if gone] == inside
    assert all(a[1] + 1 < b[0] for a, b in zip(runs, runs[1:], strict=False))
