"""A schedule made coarse enough for netem, and the sequence of changes that follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.link.layout import CERTAIN, FOREVER, pack, unpack
from testbed.link.netemd.steps import STEP_NS, Setting, Steps, coarsen
from testbed.model.link import LinkSchedule, LinkState, QueueLimit

MS = 10**6


def schedule(*segments: tuple[float, float], end_ms: float, **fields: Any) -> LinkSchedule:
    """Return a schedule of (start, delay) in ms, without loss unless `fields` say otherwise."""
    n = len(segments)
    columns: dict[str, Any] = {
        "t_ns": np.array([round(t * MS) for t, _ in segments], np.int64),
        "delay_ns": np.array([round(d * MS) for _, d in segments], np.int64),
        "loss": np.zeros(n),
        "rate_bps": np.zeros(n, np.int64),
        "state": np.zeros(n, np.uint8),
        "end_ns": round(end_ms * MS),
    }
    return LinkSchedule(**(columns | fields))


def changes(steps: Steps, until_ns: int) -> list[tuple[float, float]]:
    """Return the (time, delay) in ms of every change up to a time, as the player meets them."""
    found, now_ns = [], -1
    while (now_ns := steps.next_ns(now_ns)) <= until_ns:
        found.append((now_ns / MS, steps.at(now_ns).delay_ns / MS))
    return found


def test_a_change_alone_in_its_step_keeps_its_time():
    """Segments of 20 ms and more are played when they say."""
    given_schedule = schedule((0, 20), (33, 40), (71.5, 25), end_ms=200)

    steps = Steps(given_schedule)
    steps.start(0)

    assert [(0, 20), (33, 40), (71.5, 25)] == changes(steps, 10**9)


def test_changes_within_a_step_become_one():
    """Three delays in one step become their mean over what is left of it; the step after it is exact again."""
    steps = Steps(schedule((0, 10), (12, 40), (14, 20), (16, 50), end_ms=100))
    steps.start(0)

    assert [(0, 10), (12, (2 * 40 + 2 * 20 + 4 * 50) / 8), (20, 50)] == changes(steps, 10**9)


def test_an_interpolated_delay_becomes_a_mean_for_each_step():
    """A ramp of 10 ms in 50 ms is five steps of 2 ms, each at its middle."""
    steps = Steps(schedule((0, 10), (50, 20), end_ms=60, interpolate=True))
    steps.start(0)

    assert [(0, 11), (10, 13), (20, 15), (30, 17), (40, 19), (50, 20)] == changes(steps, 10**9)


def test_the_longer_state_and_rate_of_a_step_hold():
    """Of a cut and a pass within one step, and of two rates, those that last longer count; loss is a mean."""
    coarse = coarsen(
        schedule(
            (0, 1), (11, 1), (13, 1), end_ms=30,
            state=np.array([LinkState.PASS, LinkState.CUT, LinkState.PASS], np.uint8),
            rate_bps=np.array([1, 2, 3], np.int64), loss=np.array([0.0, 0.0, 1.0]),
        )
    )  # fmt: skip

    assert [0, 11 * MS, 20 * MS] == coarse.t_ns.tolist()
    assert [LinkState.PASS] * 3 == coarse.state.tolist()
    assert [1, 3, 3] == coarse.rate_bps.tolist()
    assert [0.0, 7 / 9, 1.0] == pytest.approx(coarse.loss.tolist())


def test_a_repeated_schedule_begins_again():
    """The changes of each lap come at the lap's own times."""
    steps = Steps(schedule((0, 10), (30, 20), end_ms=50, repeat=True))
    steps.start(1000 * MS)

    expected = [(1000, 10), (1030, 20), (1050, 10), (1080, 20), (1100, 10)]
    assert expected == changes(steps, 1100 * MS)


def test_before_the_start_nothing_is_lost_or_cut():
    """Until the start the first segment's delay and rate hold, without its loss and outage."""
    steps = Steps(LinkSchedule.constant(delay_ns=5 * MS, rate_bps=8000, loss=1.0, state=LinkState.CUT))
    assert Setting(5 * MS, 0.0, 8000) == steps.at(0)

    steps.start(MS)

    assert Setting(5 * MS, 0.0, 8000) == steps.at(MS - 1)
    assert MS == steps.next_ns(0)
    assert Setting(5 * MS, 1.0, 8000, cut=True) == steps.at(MS)
    assert FOREVER == steps.next_ns(MS)


def test_live_changes_cover_the_schedule_for_their_time():
    """A change holds until its end, over whatever the schedule does; then the schedule's value is back."""
    steps = Steps(schedule((0, 10), (100, 20), end_ms=1000))
    steps.start(0)
    steps.change("delay", 50 * MS, 150 * MS)
    steps.change("loss", CERTAIN, FOREVER)
    steps.change("state", LinkState.CUT, 120 * MS)

    assert Setting(50 * MS, 1.0, 0, cut=True) == steps.at(110 * MS)
    assert [(100, 50), (120, 50), (150, 20)] == changes(steps, 999 * MS)[1:]
    assert Setting(20 * MS, 1.0, 0) == steps.at(200 * MS)

    steps.change("loss", 0, 200 * MS)  # a duration of 0: the schedule's again

    assert Setting(20 * MS, 0.0, 0) == steps.at(200 * MS)


@given(
    st.lists(
        st.tuples(st.integers(1, 40 * MS), st.integers(0, 100 * MS), st.floats(0, 1)),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_means_are_kept(segments: list[tuple[int, int, float]], interpolate: bool):
    """A coarse schedule has the time-weighted mean delay and loss of its original, at most one change a step."""
    lengths = np.array([length for length, _, _ in segments], np.int64)
    n = len(segments)
    original = LinkSchedule(
        t_ns=np.concatenate([[0], np.cumsum(lengths[:-1])]).astype(np.int64),
        delay_ns=np.array([delay for _, delay, _ in segments], np.int64),
        loss=np.array([loss for _, _, loss in segments]),
        rate_bps=np.zeros(n, np.int64),
        state=np.zeros(n, np.uint8),
        end_ns=int(lengths.sum()),
        interpolate=interpolate,
    )

    coarse = coarsen(original)
    spans = np.diff(coarse.t_ns, append=coarse.end_ns)

    assert len(coarse.t_ns) == len(np.unique(coarse.t_ns // STEP_NS))
    assert float((original.loss * lengths).sum()) == pytest.approx(float((coarse.loss * spans).sum()))
    delay = original.delay_ns.astype(float)
    if interpolate:
        delay = (delay + np.append(delay[1:], delay[-1])) / 2
    assert float((delay * lengths).sum()) == pytest.approx(
        float((coarse.delay_ns * spans).sum()), abs=float(spans.sum())
    )


def test_an_unpacked_schedule_is_the_packed_one():
    """linkd's block of a schedule reads back as the schedule."""
    original = schedule(
        (0, 1), (5, 2), end_ms=9, loss=np.array([0.25, 1.0]), rate_bps=np.array([0, 10**9], np.int64),
        state=np.array([LinkState.PASS, LinkState.CUT], np.uint8), repeat=True, interpolate=True,
        queue=QueueLimit(bytes=1, packets=2, time_ns=3),
    )  # fmt: skip

    read = unpack(pack(original))

    assert pack(original).tobytes() == pack(read).tobytes()
