"""When a hub next looked at a dead uplink, told from what still came to it."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from testbed.metrics import METRICS
from testbed.metrics.looks import Look, first_look
from testbed.model.facts import Happening
from tests.unit.metrics.hand_made import MS, S, ask, evidence, heartbeat

OUTAGE = Happening("outage", "starlink", 30 * S, 40 * S)
RTT = 40 * MS


def links(*came: tuple[int, int], back: int = 33 * S) -> pa.Table:
    """Starlink carries the heartbeat until 30 s, LTE from ``back`` on; ``came`` to Starlink: (time, bytes)."""
    carried = [(t, "starlink", 1, 1, 100) for t in range(0, 30 * S, 10 * MS)]
    carried += [(t, "lte", 1, 1, 100) for t in range(back, 90 * S, 10 * MS)]
    carried += [(t // (10 * MS) * 10 * MS, "starlink", 0, size // 98 or 1, size) for t, size in came]
    t_ns, names, marked, packets, size = zip(*sorted(carried), strict=True)
    return pa.table(
        {
            "t_ns": pa.array(t_ns, pa.int64()),
            "link": pa.array(names, pa.string()),
            "direction": pa.array(["up"] * len(t_ns), pa.string()),
            "marked_out": pa.array(marked, pa.uint32()),
            "packets_in": pa.array(packets, pa.uint32()),
            "bytes_in": pa.array(size, pa.uint64()),
        }
    )


def looks(*came: tuple[int, int]) -> Look | None:
    """What is told of an outage from 30 s to 40 s."""
    beats = heartbeat(90 * S, [(30 * S - RTT // 2, 33 * S)], rtt_ns=RTT)
    return first_look(evidence(links=links(*came), heartbeat=beats, events=[OUTAGE]), OUTAGE)


def pings(first_ns: int, every_ns: int = S, size: int = 98) -> Sequence[tuple[int, int]]:
    """Pings all through the outage."""
    return [(t, size) for t in range(first_ns, 40 * S, every_ns)]


@pytest.mark.parametrize("after_ms", [100, 400, 700, 900])
def test_the_beat_tells_when_the_first_look_was_due(after_ms: int):
    """Pings are seen from the takeover on, and counted back to the outage less half a round trip."""
    look = looks(*pings(30 * S + after_ms * MS))

    assert look is not None and not look.unsure
    assert (S, pytest.approx((after_ms + 20) * MS, abs=10 * MS)) == (look.every_ns, look.after_ns)


def test_other_packets_and_a_late_look_move_nothing():
    """Retransmissions have another size, a second target's ping comes at once, one ping is late, one is missing."""
    came = list(pings(30 * S + 400 * MS))
    came[6] = (came[6][0] + 90 * MS, 98)
    del came[8]
    came += [(t + 10 * MS, 98) for t, _ in came[:4]]
    stale = [(33 * S + t * MS, 66) for t in (70, 300, 820, 1770, 3690)]

    look = looks(*came, *stale)

    assert look is not None
    assert (420 * MS, S) == (pytest.approx(look.after_ns, abs=15 * MS), pytest.approx(look.every_ns, rel=0.01))


def test_a_look_that_was_under_way_is_unsure():
    """It left 15 ms before the outage, of a round trip of 40: perhaps its answer came through."""
    look = looks(*pings(30 * S - 15 * MS))

    assert look is not None and look.unsure


@pytest.mark.parametrize(
    "came",
    [
        [],
        [(34 * S, 98), (35 * S, 98)],
        [(33 * S + t * MS, 98) for t in (100, 400, 1700, 1900, 4000, 6200)],
        [(t, 98) for t in range(33 * S, 40 * S, 50 * MS)],
    ],
    ids=["nothing", "two", "no beat", "a stream"],
)
def test_without_a_beat_nothing_is_told(came: Sequence[tuple[int, int]]):
    """Null is not 0."""
    assert looks(*came) is None


def test_without_a_takeover_nothing_is_told():
    """Everything still goes to the dead uplink: what of it is a look cannot be told."""
    table = links(*pings(30 * S), back=50 * S)

    assert first_look(evidence(links=table, events=[OUTAGE]), OUTAGE) is None


def test_an_interruption_keeps_the_look_of_its_event():
    """One event made the gap: its look is a detail of the interruption; a gap of no event has none."""
    beats = heartbeat(90 * S, [(29_980 * MS, 33 * S), (60 * S, 61 * S)], rtt_ns=RTT)
    kept = evidence(links=links(*pings(30 * S + 400 * MS)), heartbeat=beats, events=[OUTAGE])

    whole = METRICS["interruption"].measure(kept, ask())
    later = METRICS["interruption"].measure(kept, ask(start_ns=50 * S))

    look = whole.details["look"]
    assert isinstance(look, dict)
    assert S == look["every_ns"]
    assert later.details["look"] is None
