"""The session ledger and its metrics, on flows made by hand."""

from __future__ import annotations

import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.evidence import Evidence
from testbed.metrics.ledger import Entry, Fate, ledger
from testbed.metrics.measurement import Measurement
from testbed.model.facts import Happening
from testbed.model.traffic import TENANT_ENDED
from testbed.probes import samples
from tests.unit.metrics.hand_made import MS, S, ask, evidence
from tests.unit.metrics.made_flows import bins, call, keepalive, session, transfer

HEARTBEAT = 118  # bytes of its frame


def measured(metric: str, kept: Evidence, of: str = "sync", **window: int) -> Measurement:
    return METRICS[metric].measure(kept, ask(of, **window))


RESET = transfer(
    session(0, end_ns=33 * S, silent=[(30 * S, 33 * S)], over=("reset", "client")),
    session(1, start_ns=34 * S),
)


def test_an_undisturbed_session_survives():
    """One connection from beginning to end: no stall beyond its tick, no reset."""
    kept = evidence(sync=transfer(session()))

    assert 1.0 == measured("sessions_survived", kept).value
    assert 0 == measured("resets", kept).value
    assert 100 * MS == measured("stall", kept).value


def test_a_reset_is_counted_and_the_flow_has_not_survived():
    """The second connection carries on, but the first one's user was thrown out."""
    kept = evidence(sync=RESET)

    assert 0.0 == measured("sessions_survived", kept).value
    found = measured("resets", kept)
    assert (1, 2) == (found.value, found.samples)
    assert [{"flow": "sync", "t_ns": 33 * S, "reason": "client: ECONNRESET"}] == found.details["resets"]


def test_a_stall_lasts_until_the_flow_moves_again():
    """From the last progress before the outage to the first of the next connection: 29.9 s to 34.1 s."""
    found = measured("stall", evidence(sync=RESET))

    assert 4200 * MS == found.value
    assert (29900 * MS, 34100 * MS) == (found.details["start_ns"], found.details["end_ns"])
    assert not found.lower_bound


def test_a_window_after_the_reset_knows_only_the_second_session():
    """Who comes later finds a connection that lasts."""
    kept = evidence(sync=RESET)

    assert 1.0 == measured("sessions_survived", kept, start_ns=40 * S).value
    assert 0 == measured("resets", kept, start_ns=40 * S).value


def test_a_silent_session_has_stalled_and_its_stall_is_a_lower_bound():
    """Nothing arrives any more and nobody was told: the connection is there, the session is not."""
    kept = evidence(sync=transfer(session(silent=[(80 * S, 90 * S)])))
    found = measured("stall", kept)

    assert (10100 * MS, True) == (found.value, found.lower_bound)
    assert 0.0 == measured("sessions_survived", kept).value
    assert [Fate.STALLED] == [entry.fate for entry in ledger(kept)]


def test_the_tenants_word_counts_as_well():
    """A sender in the tenant is reset by the hub; the client, which waits, learns it by its time-out only."""
    rows = session(0, end_ns=32 * S, silent=[(30 * S, 60 * S)], over=("reset", "tenant"), direction="down")
    rows.append(rows[-1] | {"t_ns": 60 * S, "end": "client", "event": "gave up"})
    (entry,) = ledger(evidence(sync=transfer(rows)))

    assert (Fate.RESET, 32 * S, "tenant: ECONNRESET") == (entry.fate, entry.ended_ns, entry.reason)


def test_a_session_that_was_given_up_has_stalled():
    """The client's patience ended it: no reset, but not survived."""
    kept = evidence(
        sync=transfer(session(0, end_ns=60 * S, silent=[(30 * S, 60 * S)], over=("gave up", "client")))
    )

    assert 0 == measured("resets", kept).value
    assert [Fate.STALLED] == [entry.fate for entry in ledger(kept)]


def test_the_runs_own_end_resets_nothing():
    """Connections that are torn down after the scenario were open to its end."""
    rows = session(0)
    rows.append(rows[-1] | {"t_ns": 90 * S + MS, "event": "reset", "end": "tenant"})

    assert 1.0 == measured("sessions_survived", evidence(sync=transfer(rows))).value


def test_a_keepalive_connections_progress_is_an_answer():
    """Answers every second until 30 s; the request of 31 s meets a reset, the next one goes over a new connection."""
    requests = [(t * S, 0, "answered") for t in range(31)] + [
        (31 * S, 0, "reset"),
        (32 * S, 1, "unreachable"),
    ]
    requests += [(t * S, 1, "answered") for t in range(33, 90)]
    kept = evidence(portal=keepalive(*requests))

    assert 1 == measured("resets", kept, "portal").value
    assert 3 * S == measured("stall", kept, "portal").value
    assert [(0, Fate.RESET, 31050 * MS), (1, Fate.SURVIVED, None)] == [
        (e.session, e.fate, e.ended_ns) for e in ledger(kept)
    ]


def test_a_quic_connection_is_a_session_too():
    """It waits from 30 s to 34 s for its echo behind the new address, and is not reset."""
    requests = [(t * S, 0, "answered") for t in range(90) if not 30 < t < 34]
    kept = evidence(portal=keepalive(*requests, schema=samples.QUIC))

    assert 1.0 == measured("sessions_survived", kept, "portal").value
    assert 0 == measured("resets", kept, "portal").value
    assert 4 * S == measured("stall", kept, "portal").value


def test_what_the_tenant_itself_ended_is_no_reset():
    """The service closed the connection: the path did nothing, and a lone flow says nothing about it."""
    requests = [(t * S, 0, "answered") for t in range(31)] + [(31 * S, 0, TENANT_ENDED)]
    requests += [(t * S, 1, "answered") for t in range(32, 90)]
    alone = evidence(portal=keepalive(*requests))
    beside = evidence(portal=keepalive(*requests), call=call())

    assert [Fate.TENANT_ENDED, Fate.SURVIVED] == [e.fate for e in ledger(alone)]
    found = measured("resets", alone, "portal")
    assert (0, 1) == (found.value, found.samples)
    assert 1 == len(found.details["by_tenant"])
    survived = measured("sessions_survived", alone, "portal")
    assert (None, "the tenant itself ended every session of the window") == (survived.value, survived.reason)
    assert (1.0, 1) == (measured("sessions_survived", beside, "").value, 1)


@pytest.mark.parametrize(
    ("kind", "start_ns", "end_ns", "fate"),
    [
        ("tenant_errors", 30 * S + 500 * MS, 40 * S, Fate.TENANT_ENDED),
        ("tenant_errors", 10 * S, 30 * S + 500 * MS, Fate.TENANT_ENDED),
        ("tenant_black_hole", 30 * S + 500 * MS, 40 * S, Fate.TENANT_ENDED),
        ("tenant_errors", 10 * S, 20 * S, Fate.RESET),
        ("dns_failure", 30 * S, 40 * S, Fate.RESET),
    ],
)
def test_a_fault_of_the_tenant_excuses_the_end_of_a_connection(
    kind: str, start_ns: int, end_ns: int, fate: Fate
):
    """A reset that is found at 31.05 s, after an answer at 30.05 s: a fault of the tenant in between explains it."""
    requests = [(t * S, 0, "answered") for t in range(31)] + [(31 * S, 0, "reset")]
    event = Happening(kind, "", start_ns, end_ns)
    kept = evidence(portal=keepalive(*requests), events=[event])

    assert [fate] == [entry.fate for entry in ledger(kept)]


def test_a_slow_beat_is_no_stall():
    """A connection that is used every four seconds is alive four seconds after its last answer."""
    kept = evidence(portal=keepalive(*((t * S, 0, "answered") for t in range(0, 87, 4))))

    assert 1.0 == measured("sessions_survived", kept, "portal").value


def test_a_call_is_as_good_as_its_worse_direction():
    """Down is silent from 10 s to 14 s while up goes on: a stall of 4 s and the 20 ms to the next packet."""
    down = [None if 10 * S <= t < 14 * S else 40 * MS for t in range(0, 90 * S, 20 * MS)]
    kept = evidence(call=call(down=down))

    assert 4020 * MS == measured("stall", kept, "call").value
    assert 1.0 == measured("sessions_survived", kept, "call").value


def test_all_flows_together():
    """Without a name every flow counts: one of three was reset."""
    kept = evidence(sync=RESET, call=call(), portal=keepalive(*((t * S, 0, "answered") for t in range(90))))
    found = measured("sessions_survived", kept, "")

    assert 2 / 3 == found.value
    assert {"sync": "reset", "call": "survived", "portal": "survived"} == found.details
    assert ("sync", 4200 * MS) == (
        measured("stall", kept, "").details["flow"],
        measured("stall", kept, "").value,
    )


def links(stays_on: str, up_bytes: int) -> pa.Table:
    """The heartbeat leaves for LTE at 30 s and is back at 60 s; a transfer's bytes go by ``stays_on`` from then on."""
    home, away = ("starlink", "up"), ("lte", "up")
    beat = HEARTBEAT
    extra = {name: up_bytes if name == stays_on else 0 for name in ("starlink", "lte")}
    return bins(
        (*home, 0, 30 * S, beat + up_bytes, 1),
        (*away, 30 * S, 60 * S, beat + up_bytes, 1),
        (*home, 60 * S, 90 * S, beat + extra["starlink"], 1),
        (*away, 60 * S, 90 * S, extra["lte"], 0),
        (stays_on, "down", 60 * S, 90 * S, up_bytes, 0),
    )


@pytest.mark.parametrize(("stays_on", "count"), [("lte", 1), ("starlink", 0)])
def test_a_session_on_the_wrong_uplink_is_stranded(stays_on: str, count: int):
    """10,000 bytes every 100 ms and their headers leave by one uplink or the other after the return."""
    kept = evidence(sync=transfer(session()), links=links(stays_on, 1050))
    found = measured("stranded_sessions", kept)
    (entry,) = ledger(kept)

    assert (count, 1) == (found.value, found.samples)
    expected = (29 * S, "lte") if count else (0, None)
    assert expected == (entry.stranded_ns, entry.stranded_on)


@pytest.mark.parametrize(("stays_on", "count"), [("lte", 1), ("starlink", 0)])
def test_a_call_beside_the_heartbeat_is_told_from_it(stays_on: str, count: int):
    """A call's 8.6 kB/s are less than the heartbeat's 11.8: its frames are not counted."""
    kept = evidence(call=call(), links=links(stays_on, 107))

    assert count == measured("stranded_sessions", kept, "call").value


def test_traffic_beside_it_hides_a_stranded_session_and_never_feigns_one():
    """Where as many bytes leave by the preferred uplink, nothing is proven."""
    busy = bins(
        ("starlink", "up", 0, 30 * S, 1200, 1),
        ("lte", "up", 30 * S, 60 * S, 1200, 1),
        ("starlink", "up", 60 * S, 90 * S, 1200, 1),
        ("lte", "up", 60 * S, 90 * S, 1050, 0),
    )

    kept = evidence(sync=transfer(session()), links=busy)
    found = measured("stranded_sessions", kept)
    assert (0, True, ["sync 0"]) == (found.value, found.lower_bound, found.details["not_known"])
    assert [(None, None)] == [(entry.stranded_ns, entry.stranded_on) for entry in ledger(kept)]


def test_without_a_return_nothing_can_be_stranded():
    """A run whose heartbeat stays where it is cannot tell."""
    kept = evidence(sync=transfer(session()), links=bins(("starlink", "up", 0, 90 * S, 1200, 1)))
    found = measured("stranded_sessions", kept)

    assert found.value is None
    assert "the heartbeat did not return to starlink in the window" == found.reason
    assert [None] == [entry.stranded_ns for entry in ledger(kept)]


def test_of_a_session_that_ended_with_the_return_nothing_is_known():
    """It was open for one second after it: neither here nor there."""
    kept = evidence(sync=transfer(session(end_ns=62 * S, over=("reset", "client"))), links=links("lte", 1050))
    found = measured("stranded_sessions", kept)

    assert (None, "no session was open for long enough after the return") == (found.value, found.reason)
    assert [None] == [entry.stranded_ns for entry in ledger(kept)]


def test_the_ledger_of_a_failover():
    """The whole entry of a reset session, as result.json keeps it."""
    first, _ = ledger(evidence(sync=RESET))

    expected = Entry("sync", 0, Fate.RESET, 0, 33 * S, "client: ECONNRESET", 3100 * MS, 29900 * MS)
    assert expected == first
