"""A day's course: straight lines between its points, over midnight too, from the time of day at which one begins."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.model.day import DAY_NS, Day, DayPoint
from testbed.model.link import LinkSchedule

S = 10**9
H = 3600 * S
EVENING = Day((DayPoint(4 * H, 0.2, 1.0), DayPoint(20 * H, 1.0, 0.4)), begins=19 * H)


def test_a_share_lies_on_the_line_between_two_points() -> None:
    """From 20 % at four to 100 % at eight in the evening: 95 % at seven, and back over midnight in eight hours."""
    hours = np.array([0, 1, 5, 9, 24], np.int64) * H

    assert [0.95, 1.0, 0.6, 0.2, 0.95] == pytest.approx(EVENING.load_at(hours).tolist())


def test_one_point_is_all_day() -> None:
    """A day of one point is the same at any time."""
    assert [0.3, 0.3] == Day((DayPoint(20 * H, 0.3),)).load_at(np.array([0, 7 * H])).tolist()


def test_a_cell_is_left_what_others_do_not_use_each_minute() -> None:
    """1 Gbit/s at seven, with 40 % left at eight: 437.5 Mbit/s, 0.625 less each minute; what the cell does is kept."""
    nothing = np.zeros(2, np.int64)
    cell = LinkSchedule(
        np.array([0, 90 * S]), nothing, nothing.astype(float), np.array([10**9, 5 * 10**8]), nothing.astype(np.uint8),
        90 * S + 1,
    )  # fmt: skip

    left = EVENING.left_of(cell, 150 * S)

    assert [0, 60 * S, 90 * S, 120 * S] == left.t_ns.tolist()
    assert [437_500_000, 436_875_000, 218_437_500, 218_125_000] == pytest.approx(left.rate_bps.tolist(), abs=1)


def test_a_day_without_others_leaves_the_cell_as_it_is() -> None:
    """Nothing is computed where no point says what is left of the cells."""
    cell = LinkSchedule.constant(rate_bps=10**6)

    assert cell is Day((DayPoint(0, 0.5),)).left_of(cell, DAY_NS)
