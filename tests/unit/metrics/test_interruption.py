"""interruption and packets_lost on heartbeats made by hand."""

from __future__ import annotations

from typing import Any

from testbed.metrics import METRICS
from testbed.metrics.measurement import Measurement
from tests.unit.metrics.hand_made import MS, S, ask, evidence, heartbeat


def interruption(*args: Any, **window: int) -> Measurement:
    table = heartbeat(*args)
    return METRICS["interruption"].measure(evidence(heartbeat=table), ask(**window))


def test_gap_runs_from_last_good_to_first_good_send():
    """200 lost probes from 30 s on make a gap of 2.01 s: from 29.99 s to 32 s."""
    measured = interruption(90 * S, [(30 * S, 32 * S)])

    assert 2010 * MS == measured.value
    assert (29990 * MS, 32 * S) == (measured.details["last_good_ns"], measured.details["first_good_ns"])
    assert 200 == measured.details["lost_in_gap"]
    assert 9000 == measured.samples
    assert not measured.lower_bound


def test_longest_of_several_gaps_counts():
    """Two short gaps do not add up to one long gap."""
    assert 510 * MS == interruption(90 * S, [(10 * S, 10 * S + 300 * MS), (42 * S, 42 * S + 500 * MS)]).value


def test_without_loss_the_value_is_the_probing_interval():
    """The resolution of the metric is the distance of two probes."""
    assert 10 * MS == interruption(90 * S).value


def test_one_good_probe_splits_a_gap():
    """A single answer in the middle ends the interruption."""
    measured = interruption(90 * S, [(30 * S, 31 * S), (31 * S + 10 * MS, 32 * S)])

    assert 1010 * MS == measured.value


def test_gap_over_the_windows_end_counts_inside_only():
    """A gap that goes on beyond the window is cut at its last probe, and the details say so."""
    measured = interruption(90 * S, [(30 * S, 40 * S)], end_ns=35 * S)

    assert 35 * S - 10 * MS - 29990 * MS == measured.value
    assert ["end"] == measured.details["cut_at"]
    assert not measured.lower_bound


def test_gap_over_the_windows_start_counts_inside_only():
    """A gap that began before the window is cut at its first probe."""
    measured = interruption(90 * S, [(30 * S, 40 * S)], start_ns=35 * S)

    assert 5 * S == measured.value
    assert ["start"] == measured.details["cut_at"]
    assert not measured.lower_bound


def test_gap_that_never_ends_is_a_lower_bound():
    """Where no probe is answered until the run's end, the interruption lasts at least until then."""
    measured = interruption(90 * S, [(80 * S, 90 * S)])

    assert 10 * S == measured.value
    assert measured.lower_bound
    assert measured.details["first_good_ns"] is None


def test_all_lost_is_a_lower_bound_of_the_window():
    """A heartbeat that never came through was interrupted for at least as long as it was sent."""
    measured = interruption(90 * S, [(0, 90 * S)])

    assert 89990 * MS == measured.value
    assert measured.lower_bound
    assert ["start", "end"] == measured.details["cut_at"]


def test_no_samples_give_no_value():
    """An empty stream, and a missing one, say nothing."""
    assert METRICS["interruption"].measure(evidence(), ask()).value is None
    assert "no heartbeat was sent in the window" == interruption(0).reason


def test_order_of_the_samples_does_not_matter():
    """Answers are stored as they come in; the metric goes by the time of sending."""
    table = heartbeat(90 * S, [(30 * S, 32 * S)])
    shuffled = table.take(list(range(len(table)))[::-1])

    assert 2010 * MS == METRICS["interruption"].measure(evidence(heartbeat=shuffled), ask()).value


def test_probes_that_were_not_sent_make_the_answer_untrustworthy():
    """When the prober itself stops for more than a second, its silence proves nothing."""
    measured = interruption(90 * S, (), [(40 * S, 45 * S)])

    assert "no probe was sent from 39.99 s to 45.00 s" == measured.reason


def test_probing_that_stops_early_is_noticed():
    """A prober that dies half-way does not make the second half look undisturbed."""
    assert "no probe was sent from 49.99 s to 90.00 s" == interruption(50 * S).reason


def test_packets_lost_counts_unanswered_probes_in_the_window():
    """100 of the 200 lost probes lie in the window; the longest run is told."""
    table = heartbeat(90 * S, [(30 * S, 32 * S), (50 * S, 50 * S + 30 * MS)])
    measured = METRICS["packets_lost"].measure(evidence(heartbeat=table), ask(start_ns=31 * S))

    assert 103 == measured.value
    assert 100 == measured.details["longest_run"]
    assert 5900 == measured.samples


def test_packets_lost_without_probes_has_no_value():
    """No probe, no count: not a count of zero."""
    assert METRICS["packets_lost"].measure(evidence(), ask()).value is None
