"""Metrics of the uplinks, on samples made by hand: flaps, false alarms, bytes, cost, what is stranded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Measurement
from testbed.metrics.schedule import schedule_table
from testbed.model.facts import Happening
from testbed.model.link import LinkSchedule, LinkState
from tests.unit.metrics.hand_made import MS, S, ask, evidence, links


def measure(metric: str, kept: Evidence, **asked: Any) -> Measurement:
    return METRICS[metric].measure(kept, ask(**asked))


def moves(*changes_s: int, until_s: int = 90) -> pa.Table:
    """The heartbeat begins on Starlink and goes to the other uplink at each of the times."""
    edges = [0, *changes_s, until_s]
    return links(
        *(
            (("starlink", "lte")[n % 2], a * S, b * S)
            for n, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True))
        )
    )


@pytest.mark.parametrize(
    ("changes_s", "flaps"),
    [
        ((), 0),
        ((30,), 0),
        ((30, 60), 1),
        ((10, 15, 20, 25), 2),
        ((10, 15, 20, 25, 30), 2),
        ((10, 15, 62, 68, 74, 80), 2),
        ((10, 71), 0),
    ],
)
def test_a_flap_is_there_and_back_within_a_minute(changes_s: tuple[int, ...], flaps: int):
    """Pairs do not share a takeover; only those that lie in one and the same 60 s are counted together."""
    assert flaps == measure("flaps", evidence(links=moves(*changes_s))).value


def test_a_failover_with_a_cause_is_no_false_alarm():
    """Leaving Starlink in its outage, or shortly after it, and coming back, are no alarms at all."""
    kept = evidence(links=moves(32, 60), outages=[(30 * S, 55 * S)])
    late = evidence(links=moves(32, 60), outages=[(20 * S, 23 * S)])

    assert 0 == measure("false_alarms", kept).value
    assert 0 == measure("false_alarms", late).value


def test_a_failover_without_a_cause_is_a_false_alarm():
    """Nothing was wrong, or had been so long ago, or with the other uplink, or with the tenant."""
    events = (Happening("outage", "lte", 30 * S, 35 * S), Happening("tenant_errors", "", 30 * S, 35 * S))
    found = measure("false_alarms", evidence(links=moves(32, 60), outages=[(10 * S, 12 * S)], events=events))

    assert 1 == found.value
    assert [{"t_ns": 32 * S, "from": "starlink", "to": "lte"}] == found.details["false"]


@pytest.mark.parametrize(("gap_ns", "false"), [(500 * MS, 1), (1500 * MS, 0)])
def test_a_handover_gap_is_no_cause_and_an_outage_of_the_trace_is(gap_ns: int, false: int):
    """A link that passes nothing for half a second has a handover, for 1.5 s an outage."""
    gap = LinkSchedule(
        t_ns=np.array([0, 31 * S, 31 * S + gap_ns]),
        delay_ns=np.zeros(3, np.int64),
        loss=np.array([0.0, 1.0, 0.0]),
        rate_bps=np.zeros(3, np.int64),
        state=np.full(3, LinkState.PASS, np.uint8),
        end_ns=90 * S,
    )
    good = LinkSchedule.constant()
    schedule = schedule_table({"starlink": (good, gap), "lte": (good, good)}, 90 * S)

    assert false == measure("false_alarms", evidence(links=moves(32, 60), schedule=schedule)).value


def test_stranded_is_what_stays_on_the_metered_uplink():
    """The outage ends at 55 s and LTE carries until 61 s: 6 s; its 600 bins of 100 bytes are stranded."""
    kept = evidence(links=moves(32, 61), outages=[(30 * S, 55 * S)])

    assert (6 * S, False) == (
        measure("stranded_time", kept).value,
        measure("stranded_time", kept).lower_bound,
    )
    assert 600 * 100 == measure("stranded_bytes", kept).value


def test_stranded_at_the_end_is_a_lower_bound():
    """A hub that never returns was stranded for at least as long as the run lasted."""
    found = measure("stranded_time", evidence(links=moves(32), outages=[(30 * S, 55 * S)]))

    assert (35 * S, True) == (found.value, found.lower_bound)


def test_without_a_heartbeat_nobody_knows_how_long_it_was_stranded():
    """Traffic without a marked packet after the fault: no value, not a time of 0."""
    silent = links(("lte", 55 * S, 90 * S), per_bin=0)
    found = measure("stranded_time", evidence(links=silent, outages=[(30 * S, 55 * S)]))

    assert (None, "no link let a marked heartbeat packet out in the window") == (found.value, found.reason)


def test_bytes_stay_behind_though_the_heartbeat_has_returned():
    """A session that goes on over LTE after the return is seen by the bytes, not by the time."""
    session = links(("lte", 56 * S, 80 * S), size=1000).set_column(
        3, "marked_out", pa.array([0] * 2400, pa.uint32())
    )
    kept = evidence(links=pa.concat_tables([moves(32, 56), session]), outages=[(30 * S, 55 * S)])

    assert S == measure("stranded_time", kept).value
    assert 100 * 100 + 2400 * 1000 == measure("stranded_bytes", kept).value


def test_before_the_next_fault_is_what_counts():
    """Between two outages LTE carries for 5 s of recovery, after the second for 3 s."""
    kept = evidence(links=moves(22, 63), outages=[(20 * S, 30 * S), (35 * S, 60 * S)])

    assert 8 * S == measure("stranded_time", kept).value


def test_bytes_of_uplinks_count_both_ways_and_can_be_restricted():
    """1,000 bins of 100 bytes up on each uplink, and of 1,500 down on LTE."""
    table = pa.concat_tables(
        [
            links(("starlink", 0, 10 * S), ("lte", 10 * S, 20 * S)),
            links(("lte", 10 * S, 20 * S), direction="down", size=1500),
        ]
    )
    kept = evidence(links=table)

    assert 100_000 + 1_600_000 == measure("backhaul_bytes", kept).value
    assert 100_000 == measure("backhaul_bytes", kept, uplink="starlink").value
    assert 800_000 == measure("backhaul_bytes", kept, uplink="lte", start_ns=15 * S).value
    assert 1_600_000 == measure("metered_bytes", kept).value
    assert 1_600_000 * 4.5e-9 == measure("metered_cost", kept).value
