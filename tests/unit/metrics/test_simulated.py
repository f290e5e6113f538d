"""Metrics of heartbeats that went through the engine's own physics, where the truth is set by the test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from testbed.link.native import MARK_DSCP
from testbed.link.records import bins_table
from testbed.link.simulated import LIBRARY, SimulatedLink
from testbed.metrics import METRICS
from testbed.metrics.decomposition import decompose
from testbed.metrics.evidence import Evidence
from testbed.metrics.rtt_fidelity import rtt_error
from testbed.metrics.schedule import schedule_table
from testbed.model.link import Direction, LinkSchedule, LinkState
from tests.unit.metrics.hand_made import MS, STEP, S, ask, evidence, lessons, request

if not LIBRARY.exists():
    pytest.skip(f"{LIBRARY.name} is not built: run make", allow_module_level=True)

NAMES = ("starlink", "lte")
SENT = np.arange(0, 90 * S, STEP)
AWAY, BACK = 32 * S + 140 * MS, 61 * S + 380 * MS  # when this hub leaves Starlink, and returns


def schedule(t_ns: list[int], delay_ns: list[int], state: list[LinkState]) -> LinkSchedule:
    n = len(t_ns)
    return LinkSchedule(
        t_ns=np.array(t_ns, np.int64),
        delay_ns=np.array(delay_ns, np.int64),
        loss=np.zeros(n),
        rate_bps=np.zeros(n, np.int64),
        state=np.array(state, np.uint8),
        end_ns=90 * S,
    )


def run(schedules: Mapping[str, tuple[LinkSchedule, LinkSchedule]], on_lte: np.ndarray) -> Evidence:
    """Send the heartbeat over the uplink that the hub chose for each probe, and keep what a run keeps."""
    rtt, tables = np.full(len(SENT), -1), []
    for number, (name, pair) in enumerate(schedules.items()):
        mine = np.flatnonzero(on_lte == (name == "lte"))
        arrived, up_bins = through(pair[0], Direction.UP, number, SENT[mine])
        answered, down_bins = through(pair[1], Direction.DOWN, number, arrived[arrived >= 0])
        back = np.full(len(mine), -1)
        back[arrived >= 0] = answered
        rtt[mine] = np.where(back >= 0, back - SENT[mine], -1)
        tables += [bins_table(bins, NAMES) for bins in (up_bins, down_bins)]
    heartbeat = pa.table({"t_ns": SENT, "rtt_ns": pa.array(rtt, mask=rtt < 0)})
    kept = schedule_table(schedules, 90 * S)
    return evidence(
        heartbeat=heartbeat, links=pa.concat_tables(tables), schedule=kept, outages=[(30 * S, 55 * S)]
    )


def through(
    played: LinkSchedule, direction: Direction, number: int, t_ns: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return when each packet left the link (-1: never), and the link's bins."""
    link = SimulatedLink(played, seed=7, direction=direction, link=number)
    link.start(0)
    transit = link.send(t_ns, 100, MARK_DSCP)
    left = np.full(len(t_ns), -1)
    left[transit.number.astype(np.int64)] = transit.depart_ns
    bins = link.bins()
    link.close()
    return left, bins


@pytest.fixture(scope="module")
def blackout() -> Evidence:
    """Starlink (20 ms each way) is cut from 30 s to 55 s; the hub uses LTE from 32.14 s to 61.38 s."""
    starlink = schedule([0, 30 * S, 55 * S], [20 * MS] * 3, [LinkState.PASS, LinkState.CUT, LinkState.PASS])
    lte = LinkSchedule.constant(delay_ns=35 * MS)
    return run({"starlink": (starlink, starlink), "lte": (lte, lte)}, (SENT >= AWAY) & (SENT < BACK))


def test_interruption_is_what_the_hub_took(blackout: Evidence):
    """The last good probe was sent at 29.97 s: the one after it met the cut on its way back."""
    assert AWAY - 29970 * MS == METRICS["interruption"].measure(blackout, ask()).value


def test_carrier_is_what_the_hub_chose(blackout: Evidence):
    """Two changes; back 6.38 s after the outage, within the 35 ms of the way and the 10 ms of a bin."""
    returned = METRICS["return_to_preferred"].measure(blackout, ask()).value

    assert 2 == METRICS["failovers"].measure(blackout, ask()).value
    assert returned is not None
    assert 0 <= returned - (BACK - 55 * S) <= 45 * MS


def test_decomposition_is_what_happened(blackout: Evidence):
    """First loss, takeover and first answer are at the times that the hub set."""
    (found,) = decompose(blackout)

    assert (29980 * MS, AWAY) == (found.first_lost_ns, found.first_good_ns)
    assert found.first_backup_ns is not None
    assert 0 <= found.first_backup_ns - AWAY <= 45 * MS


def test_promise_is_what_the_engine_keeps():
    """On wildly stepping delays, which would reorder, the promised round trip is the engine's to the ns."""
    chance = np.random.default_rng(7)
    times = [int(t) for t in np.arange(0, 90 * S, 70 * MS)]
    pair = [
        schedule(
            times, [int(d) for d in chance.integers(5 * MS, 300 * MS, len(times))], [LinkState.PASS] * len(times)
        )
        for _ in Direction
    ]
    kept = run({"starlink": (pair[0], pair[1]), "lte": (pair[0], pair[1])}, np.zeros(len(SENT), bool))
    measured = rtt_error(kept, "heartbeat")

    assert 0 == measured.value == measured.details["largest_ns"]
    assert measured.samples > 5000


def test_bytes_are_what_went_through_the_links(blackout: Evidence):
    """Every heartbeat has 100 bytes each way; what the cut swallowed was not carried."""
    on_lte = (SENT >= AWAY) & (SENT < BACK)
    on_starlink = ~on_lte
    up = on_starlink & ((SENT < 30 * S) | (SENT >= 55 * S))  # dropped where it arrives at the cut
    down = up & ((SENT + 20 * MS < 30 * S) | (SENT + 20 * MS >= 55 * S))

    assert 200 * on_lte.sum() == METRICS["metered_bytes"].measure(blackout, ask()).value
    assert 200 * on_lte.sum() * 4.5e-9 == METRICS["metered_cost"].measure(blackout, ask()).value
    over_starlink = METRICS["backhaul_bytes"].measure(blackout, ask(end_ns=91 * S, uplink="starlink")).value
    assert 100 * (up.sum() + down.sum()) == over_starlink


def test_stranded_is_what_the_hub_left_on_lte(blackout: Evidence):
    """From Starlink's recovery at 55 s until the hub went back: 6.38 s, and each packet that left LTE then."""
    on_lte = SENT[(SENT >= AWAY) & (SENT < BACK)]
    up, down = (on_lte + 35 * MS >= 55 * S), (on_lte + 70 * MS >= 55 * S)
    stranded = METRICS["stranded_time"].measure(blackout, ask()).value

    assert 100 * (up.sum() + down.sum()) == METRICS["stranded_bytes"].measure(blackout, ask()).value
    assert stranded is not None
    assert 0 <= stranded - (BACK - 55 * S) <= 45 * MS


def test_restlessness_is_what_the_hub_did(blackout: Evidence):
    """Away in the outage and back within a minute: one flap, and no false alarm."""
    assert 1 == METRICS["flaps"].measure(blackout, ask()).value
    assert 0 == METRICS["false_alarms"].measure(blackout, ask()).value


@pytest.mark.parametrize(("gap_ns", "false"), [(500 * MS, 1), (2 * S, 0)])
def test_a_hub_that_leaves_at_a_gap_of_the_trace(gap_ns: int, false: int):
    """Half a second of nothing is a handover, two seconds are an outage, whoever counts the packets."""
    cut = schedule([0, 30 * S, 30 * S + gap_ns], [20 * MS] * 3, [LinkState.PASS, LinkState.CUT, LinkState.PASS])
    good = LinkSchedule.constant(delay_ns=35 * MS)
    kept = run({"starlink": (cut, cut), "lte": (good, good)}, (SENT >= 31 * S) & (SENT < 40 * S))
    without_event = replace(kept, facts=replace(kept.facts, events=()))

    assert false == METRICS["false_alarms"].measure(without_event, ask()).value


def test_offload_and_edge_are_what_the_cache_kept_away():
    """30 of 40 answers of 100 kB come from the cache at once, 10 as 70 packets each over a link of 40 ms."""
    link = SimulatedLink(LinkSchedule.constant(delay_ns=40 * MS), direction=Direction.DOWN)
    link.start(0)
    rows = []
    for t_ns in range(0, 40 * S, S):
        cached, first_ns = t_ns % (4 * S) != 0, 2 * MS
        if not cached:
            first_ns = int(link.send(t_ns + np.arange(70), 1514).depart_ns[0]) - t_ns
        cache = "HIT" if cached else "MISS"
        rows.append(request(t_ns, cache, ttfb_ns=first_ns, size=100_000, bytes=100_000))
    kept = evidence(links=bins_table(link.bins(), NAMES), lessons=lessons(*rows))
    link.close()

    fetched = 10 * 70 * 1514
    assert (4_000_000 - fetched) / 4_000_000 == METRICS["backhaul_offload"].measure(
        kept, ask("lessons")
    ).value
    assert 30 / 40 == METRICS["edge_served"].measure(kept, ask("lessons")).value
    assert 40 * MS == METRICS["ttfb_p95"].measure(kept, ask("lessons")).value
