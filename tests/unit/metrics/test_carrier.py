"""The carrier, failovers and return_to_preferred on link counters made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.carrier import Stretch, Takeover, carrier
from testbed.metrics.measurement import Measurement
from testbed.metrics.window import Window
from tests.unit.metrics.hand_made import MS, S, ask, evidence, links

BLACKOUT = (("starlink", 0, 30 * S), ("lte", 32 * S, 60 * S), ("starlink", 60 * S, 90 * S))


def failovers(*marked: tuple[str, int, int], **window: int) -> Measurement:
    return METRICS["failovers"].measure(evidence(links=links(*marked)), ask(**window))


def returned(
    *marked: tuple[str, int, int], outages: Sequence[tuple[int, int]] = ((30 * S, 55 * S),), **window: int
) -> Measurement:
    kept = evidence(links=links(*marked), outages=outages)
    return METRICS["return_to_preferred"].measure(kept, ask(**window))


@pytest.mark.parametrize(
    ("at_ns", "uplink"),
    [
        (0, "starlink"),
        (29 * S, "starlink"),
        (31 * S, None),
        (32 * S, "lte"),
        (60 * S, "starlink"),
        (89 * S, "starlink"),
    ],
)
def test_carrier_at_a_moment(at_ns: int, uplink: str | None):
    """The carrier is the uplink that lets the heartbeat out, and nobody while nothing comes out."""
    assert uplink == carrier(links(*BLACKOUT)).at(at_ns)


def test_carrier_before_and_after_the_heartbeat_is_nobody():
    """Before the first marked packet and well after the last one nothing is carried."""
    seen = carrier(links(("starlink", 5 * S, 20 * S)))

    assert (None, None) == (seen.at(4 * S), seen.at(22 * S))


def test_stretches_cover_the_window_without_holes():
    """A drawing of the carrier needs every moment, silence included."""
    assert [
        Stretch(0, 30 * S, "starlink"),
        Stretch(30 * S, 32 * S, None),
        Stretch(32 * S, 60 * S, "lte"),
        Stretch(60 * S, 90 * S, "starlink"),
    ] == list(carrier(links(*BLACKOUT)).stretches(Window(0, 90 * S)))[:4]


def test_run_without_a_heartbeat_is_one_silence():
    """Where no marked packet was ever seen, nobody carried at any time."""
    assert [Stretch(0, 90 * S, None)] == list(carrier(links()).stretches(Window(0, 90 * S)))
    assert carrier(None).at(5 * S) is None


def test_there_and_back_are_two_failovers():
    """A blackout with a return changes the carrier twice; the first carrier is no change."""
    measured = failovers(*BLACKOUT)

    assert 2 == measured.value
    assert [
        {"t_ns": 32 * S, "from": "starlink", "to": "lte"},
        {"t_ns": 60 * S, "from": "lte", "to": "starlink"},
    ] == measured.details["changes"]
    assert 8800 == measured.samples


def test_only_changes_in_the_window_count():
    """The window leaves out the change at 60 s."""
    assert 1 == failovers(*BLACKOUT, end_ns=60 * S).value


def test_handover_gap_is_no_failover():
    """Half a second of silence on the same uplink changes nothing, and carries on."""
    seen = carrier(links(("starlink", 0, 12 * S), ("starlink", 12 * S + 500 * MS, 90 * S)))

    assert "starlink" == seen.at(12 * S + 250 * MS)
    assert () == seen.changes(Window(0, 90 * S))


@pytest.mark.parametrize(("stray_bins", "changes"), [(1, 0), (4, 0), (5, 2)])
def test_stray_packets_are_no_failover(stray_bins: int, changes: int):
    """Fewer than five bins in a row on the other uplink are strays."""
    away = 20 * S + stray_bins * 10 * MS

    assert (
        changes == failovers(("starlink", 0, 20 * S), ("lte", 20 * S, away), ("starlink", away, 90 * S)).value
    )


def test_burst_beside_the_running_heartbeat_is_no_failover():
    """Old packets let out of a held queue while the heartbeat runs over LTE do not move the carrier."""
    assert (
        1 == failovers(("starlink", 0, 30 * S), ("lte", 32 * S, 90 * S), ("starlink", 55 * S, 56 * S)).value
    )


def test_packets_towards_the_hub_do_not_count():
    """Only the up direction tells what the hub chose."""
    both = pa.concat_tables([links(("starlink", 0, 90 * S)), links(("lte", 0, 90 * S), direction="down")])

    assert (Takeover(0, "starlink", None),) == carrier(both).takeovers


def test_bins_without_marked_packets_do_not_count():
    """Other traffic on a link is not the heartbeat."""
    assert {} == carrier(links(("starlink", 0, 90 * S), per_bin=0)).marked


def test_no_marked_packets_give_no_value():
    """Without a heartbeat in the window nothing is known, which is not zero failovers."""
    assert failovers().value is None
    assert failovers(("starlink", 0, 20 * S), start_ns=30 * S).value is None
    assert METRICS["failovers"].measure(evidence(), ask()).value is None


def test_slow_heartbeat_is_not_silence():
    """A heartbeat every 2 s has a carrier between its packets too."""
    slow = [("starlink", t * S, t * S + 10 * MS) for t in range(0, 90, 2)]

    assert "starlink" == carrier(links(*slow)).at(11 * S)


def test_return_counts_from_the_outages_end():
    """Starlink is back at 55 s and carries from 60 s on: 5 s."""
    measured = returned(*BLACKOUT)

    assert 5 * S == measured.value
    assert (55 * S, 60 * S) == (measured.details["outage_end_ns"], measured.details["returned_ns"])
    assert not measured.lower_bound


def test_return_that_does_not_last_does_not_count():
    """Only the return that lasts until the window's end is the return."""
    measured = returned(
        ("starlink", 0, 30 * S),
        ("lte", 32 * S, 58 * S),
        ("starlink", 58 * S, 62 * S),
        ("lte", 62 * S, 70 * S),
        ("starlink", 70 * S, 90 * S),
    )

    assert 15 * S == measured.value


def test_never_returning_is_a_lower_bound():
    """A hub that stays on LTE takes at least until the window's end."""
    measured = returned(("starlink", 0, 30 * S), ("lte", 32 * S, 90 * S))

    assert 35 * S == measured.value
    assert measured.lower_bound


def test_uplink_that_was_never_left_is_back_with_its_first_packet():
    """A hub that sits the outage out returns as soon as packets pass again."""
    assert 20 * MS == returned(("starlink", 0, 30 * S), ("starlink", 55 * S + 20 * MS, 90 * S)).value


def test_slowest_of_several_returns_counts():
    """With two outages the value is the longer wait, each looked for until the next outage."""
    measured = returned(
        ("starlink", 0, 10 * S),
        ("lte", 11 * S, 25 * S),
        ("starlink", 25 * S, 40 * S),
        ("lte", 41 * S, 60 * S),
        ("starlink", 60 * S, 90 * S),
        outages=((10 * S, 20 * S), (40 * S, 58 * S)),
    )

    assert 5 * S == measured.value
    assert 2 == measured.details["outages"]


def test_without_an_outage_there_is_nothing_to_return_from():
    """No outage that ends in the window, no value."""
    assert "no outage of starlink ends in the window" == returned(*BLACKOUT, outages=()).reason
    assert returned(*BLACKOUT, end_ns=50 * S).value is None
