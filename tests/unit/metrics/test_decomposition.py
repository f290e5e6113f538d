"""The decomposition of an impairment on samples made by hand."""

from __future__ import annotations

import pytest

from testbed.metrics.decomposition import Decomposition, decompose
from testbed.model.facts import Happening
from tests.unit.metrics.hand_made import MS, UNANSWERED, S, evidence, heartbeat, lessons, links, request

OUTAGE = (30 * S, 55 * S)


def test_every_step_of_a_blackout():
    """Outage, first loss one half round trip before it, LTE's first packet, answers, fetches, return."""
    kept = evidence(
        heartbeat=heartbeat(90 * S, [(29980 * MS, 32 * S)]),
        links=links(("starlink", 0, 30 * S), ("lte", 31990 * MS, 60 * S), ("starlink", 60 * S, 90 * S)),
        lessons=lessons(
            request(31 * S, "HIT"),
            request(31 * S, **UNANSWERED | {"status": 504, "total_ns": 9 * S}),
            request(33 * S, "MISS", total_ns=250 * MS),
            request(34 * S, "MISS", total_ns=250 * MS),
        ),
        outages=[OUTAGE],
    )
    expected = Decomposition(
        uplink="starlink",
        kind="outage",
        impairment_ns=30 * S,
        first_lost_ns=29980 * MS,
        first_backup_ns=31990 * MS,
        backup="lte",
        first_good_ns=32 * S,
        service_back_ns=33 * S + 250 * MS,
        recovered_ns=55 * S,
        returned_ns=60 * S,
        service_lost_ns=40 * S,
    )

    assert (expected,) == decompose(kept)


def test_what_did_not_come_is_none():
    """A hub without failover loses everything and never reaches the backup."""
    kept = evidence(
        heartbeat=heartbeat(90 * S, [(30 * S, 90 * S)]),
        links=links(("starlink", 0, 30 * S)),
        outages=[OUTAGE],
    )
    (found,) = decompose(kept)

    assert 30 * S == found.first_lost_ns
    assert (None, None, None, None, None) == (
        *(found.first_backup_ns, found.backup, found.first_good_ns),
        *(found.service_back_ns, found.returned_ns),
    )


def test_loss_before_the_event_is_not_its_doing():
    """A longer gap at 20 s is not the gap of the outage at 30 s."""
    kept = evidence(
        heartbeat=heartbeat(90 * S, [(20 * S, 22 * S), (30 * S, 31 * S)]),
        links=links(("starlink", 0, 90 * S)),
        outages=[OUTAGE],
    )

    assert [30 * S] == [found.first_lost_ns for found in decompose(kept)]


def test_event_without_loss_has_no_gap():
    """An event that the heartbeat does not feel has neither a first loss nor a first good one."""
    kept = evidence(heartbeat=heartbeat(90 * S), links=links(("starlink", 0, 90 * S)), outages=[OUTAGE])

    assert [(None, None)] == [(found.first_lost_ns, found.first_good_ns) for found in decompose(kept)]


def test_event_on_an_idle_uplink_is_not_decomposed():
    """An outage of Starlink while LTE carries interrupts nothing."""
    kept = evidence(heartbeat=heartbeat(90 * S), links=links(("lte", 0, 90 * S)), outages=[OUTAGE])

    assert () == decompose(kept)


def test_fault_of_the_tenant_is_told_by_the_requests():
    """A download cut short by the fault is its first loss; the service is back with the first fetch after it.

    The hub moves for another reason meanwhile: that is no step of this event.
    """
    fault = Happening("tenant_errors", "", 30 * S, 40 * S)
    kept = evidence(
        heartbeat=heartbeat(90 * S, [(33 * S, 34 * S)]),
        links=links(("starlink", 0, 33 * S), ("lte", 34 * S, 90 * S)),
        lessons=lessons(
            request(25 * S, "MISS", total_ns=6 * S, bytes=500, error="cut", sha256_ok=None),
            request(26 * S, "MISS", total_ns=S),
            request(32 * S, **UNANSWERED | {"status": 503, "cache": "MISS", "total_ns": 100 * MS}),
            request(35 * S, "STALE"),
            request(41 * S, "MISS", total_ns=250 * MS),
        ),
        events=[fault],
    )
    (found,) = decompose(kept)

    assert ("", "tenant_errors", 30 * S, 40 * S) == (
        *(found.uplink, found.kind, found.impairment_ns, found.recovered_ns),
    )
    assert (31 * S, 41 * S + 250 * MS) == (found.service_lost_ns, found.service_back_ns)
    assert (None,) * 5 == (
        *(found.first_lost_ns, found.first_backup_ns, found.backup, found.first_good_ns, found.returned_ns),
    )


@pytest.mark.parametrize("kind", ["outage", "hold", "brownout", "rate_cap", "reboot"])
def test_every_fault_of_an_uplink_has_its_last_steps(kind: str):
    """Whatever the kind: the service is back, the fault is over, the uplink carries again."""
    kept = evidence(
        heartbeat=heartbeat(90 * S, [(30 * S, 32 * S)]),
        links=links(("starlink", 0, 30 * S), ("lte", 32 * S, 60 * S), ("starlink", 60 * S, 90 * S)),
        lessons=lessons(request(33 * S, "MISS", total_ns=250 * MS)),
        events=[Happening(kind, "starlink", 30 * S, 55 * S)],
    )
    (found,) = decompose(kept)

    assert (33 * S + 250 * MS, 55 * S, 60 * S) == (
        *(found.service_back_ns, found.recovered_ns, found.returned_ns),
    )
