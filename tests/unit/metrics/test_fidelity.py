"""The promised round trip and how close the heartbeat came, on schedules made by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from testbed.metrics.rtt_fidelity import rtt_error
from testbed.metrics.schedule import expected_rtt, links_of, passes_at, schedule_table
from testbed.model.link import LinkSchedule, LinkState
from tests.unit.metrics.hand_made import MS, S, evidence, heartbeat, links


def schedule(*delays: tuple[int, int], end_ns: int = 90 * S, **more: bool) -> LinkSchedule:
    """Segments of (start, one-way delay)."""
    n = len(delays)
    return LinkSchedule(
        t_ns=np.array([t for t, _ in delays], np.int64),
        delay_ns=np.array([d for _, d in delays], np.int64),
        loss=np.zeros(n),
        rate_bps=np.zeros(n, np.int64),
        state=np.zeros(n, np.uint8),
        end_ns=end_ns,
        **more,
    )


FLAT = LinkSchedule.constant(delay_ns=20 * MS)


def table(up: LinkSchedule, down: LinkSchedule = FLAT) -> pa.Table:
    return schedule_table({"starlink": (up, down), "lte": (FLAT, FLAT)}, 90 * S)


@pytest.mark.parametrize(("sent_ns", "rtt_ns"), [(0, 40), (9 * S, 40), (10 * S, 70), (80 * S, 70)])
def test_promise_is_the_sum_of_both_delays(sent_ns: int, rtt_ns: int):
    """The up delay at sending and the down delay at turning add up."""
    up = schedule((0, 20 * MS), (10 * S, 50 * MS))

    assert rtt_ns * MS == expected_rtt(table(up), "starlink", np.array([sent_ns]))[0]


def test_down_delay_is_the_one_at_the_turn():
    """A packet sent 10 ms before the step comes back after it."""
    down = schedule((0, 20 * MS), (10 * S, 50 * MS))

    assert 70 * MS == expected_rtt(table(FLAT, down), "starlink", np.array([10 * S - 10 * MS]))[0]


def test_falling_delay_keeps_the_order():
    """After a step down from 100 ms a packet waits for the one in front of it."""
    up = schedule((0, 100 * MS), (10 * S, 20 * MS))
    sent = np.array([10 * S - 10 * MS, 10 * S])

    assert [120 * MS, 110 * MS] == expected_rtt(table(up), "starlink", sent).tolist()


def test_repetition_is_written_out():
    """A schedule of 10 s that repeats is at its start again after 30 s."""
    up = schedule((0, 20 * MS), (5 * S, 50 * MS), end_ns=10 * S, repeat=True)

    assert [40 * MS, 70 * MS] == expected_rtt(table(up), "starlink", np.array([31 * S, 36 * S])).tolist()
    assert ["starlink", "lte"] == list(links_of(table(up)))


def test_interpolated_delay_runs_linearly():
    """Half-way between 20 and 40 ms the delay is 30 ms."""
    up = schedule((0, 20 * MS), (10 * S, 40 * MS), interpolate=True)

    assert 50 * MS == expected_rtt(table(up), "starlink", np.array([5 * S]))[0]


def test_link_passes_when_both_directions_do():
    """A cut in one direction alone is enough to stop the round trip."""
    down = LinkSchedule.constant(delay_ns=20 * MS, state=LinkState.CUT)
    kept = schedule_table({"starlink": (FLAT, down), "lte": (FLAT, FLAT)}, 90 * S)
    at = np.array([0, 50 * S])

    assert [False, False] == passes_at(kept, "starlink", at).tolist()
    assert [True, True] == passes_at(kept, "lte", at).tolist()


def test_error_of_undisturbed_probes():
    """A heartbeat 0.3 ms slower than promised is 0.3 ms off; outage and first second are left out."""
    kept = evidence(
        heartbeat=heartbeat(90 * S, [(30 * S, 32 * S)], rtt_ns=40 * MS + 300_000),
        links=links(("starlink", 0, 90 * S)),
        schedule=table(FLAT),
        outages=[(30 * S, 55 * S)],
    )
    measured = rtt_error(kept, "heartbeat")

    assert 300_000 == measured.value == measured.details["median_ns"]
    assert 3000 - 101 + 3399 == measured.samples


def test_error_goes_by_the_uplink_that_carried():
    """Over LTE the promise is LTE's."""
    kept = evidence(
        heartbeat=heartbeat(90 * S), links=links(("lte", 0, 90 * S)), schedule=table(schedule((0, 5 * S)))
    )

    assert 0 == rtt_error(kept, "heartbeat").value


def test_probes_behind_other_traffic_are_left_out():
    """A queue on the link is no infidelity of the link."""
    busy = links(("starlink", 0, 90 * S))
    full = pa.array([9000 if 10 * S <= t < 20 * S else 0 for t in busy["t_ns"].to_pylist()])
    busy = busy.set_column(busy.schema.get_field_index("queue_bytes_max"), "queue_bytes_max", full)
    kept = evidence(heartbeat=heartbeat(90 * S), links=busy, schedule=table(FLAT))

    assert 9000 - 101 - 1000 - 5 == rtt_error(kept, "heartbeat").samples


def test_nothing_undisturbed_gives_no_value():
    """Without evidence, or with every probe lost, nothing can be said."""
    assert rtt_error(evidence(), "heartbeat").value is None
    lost = evidence(heartbeat=heartbeat(S, [(0, S)]), links=links(("starlink", 0, S)), schedule=table(FLAT))
    assert "no undisturbed probe" == rtt_error(lost, "heartbeat").reason
