"""Calls and transfers that went through the engine's own physics, where the truth is set by the test."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from testbed.link.native import MARK_DSCP
from testbed.link.records import bins_table
from testbed.link.simulated import LIBRARY, SimulatedLink
from testbed.metrics import METRICS
from testbed.metrics.emodel import mean_opinion_score, transmission_rating
from testbed.metrics.evidence import Evidence
from testbed.metrics.ledger import ledger
from testbed.model.link import Direction, LinkSchedule, LinkState
from testbed.probes import samples
from tests.unit.metrics.hand_made import MS, S, ask, evidence

if not LIBRARY.exists():
    pytest.skip(f"{LIBRARY.name} is not built: run make", allow_module_level=True)

END = 90 * S
SPOKEN = np.arange(0, END, 20 * MS)
CALL_FRAME, HEARTBEAT_FRAME, DATA_FRAME = 214, 118, 1514


def schedule(
    delay_ns: int, loss: float = 0.0, cut: tuple[int, int] = (END, END), rate: int = 0
) -> LinkSchedule:
    """A link of fixed values that is dark from ``cut[0]`` to ``cut[1]``."""
    t_ns = [0, *cut] if cut[0] < END else [0]
    n = len(t_ns)
    return LinkSchedule(
        t_ns=np.array(t_ns, np.int64),
        delay_ns=np.full(n, delay_ns, np.int64),
        loss=np.full(n, loss),
        rate_bps=np.full(n, rate, np.int64),
        state=np.array([LinkState.PASS, LinkState.CUT, LinkState.PASS][:n], np.uint8),
        end_ns=END,
    )


def through(
    played: LinkSchedule, direction: Direction, t_ns: np.ndarray, size: int, dscp: int = 0, link: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return when each packet left the link (-1: never), and the link's bins."""
    simulated = SimulatedLink(played, seed=7, direction=direction, link=link)
    simulated.start(0)
    transit = simulated.send(t_ns, size, dscp)
    left = np.full(len(t_ns), -1)
    left[transit.number.astype(np.int64)] = transit.depart_ns
    found = simulated.bins()
    simulated.close()
    return left, found


def call_over(up: LinkSchedule, down: LinkSchedule) -> Evidence:
    """A call over one link."""
    rows = []
    for direction, played in ((Direction.UP, up), (Direction.DOWN, down)):
        left, _ = through(played, direction, SPOKEN, CALL_FRAME)
        rows += [
            {
                "direction": str(direction),
                "seq": seq,
                "t_ns": int(t),
                "delay_ns": int(done - t) if done >= 0 else None,
                "bytes": 172,
            }
            for seq, (t, done) in enumerate(zip(SPOKEN, left, strict=True))
        ]
    return evidence(call=pa.Table.from_pylist(rows, schema=samples.CALL))


def measured(metric: str, kept: Evidence, of: str = "call", **window: int) -> float | None:
    return METRICS[metric].measure(kept, ask(of, **window)).value


def test_delays_are_those_of_the_schedules():
    """35 ms up and 60 ms down without loss: the figures of the slower direction, to the nanosecond."""
    kept = call_over(schedule(35 * MS), schedule(60 * MS))

    assert 60 * MS == measured("call_delay_p95", kept)
    assert 0 == measured("call_loss", kept) == measured("call_jitter", kept)
    assert mean_opinion_score(transmission_rating(60 + 20 + 20, 0)) == pytest.approx(measured("mos", kept))


def test_random_loss_costs_what_the_model_says():
    """Five per cent asked of the link: the loss is found, and the median score is that of random loss."""
    kept = call_over(schedule(40 * MS, 0.05), schedule(40 * MS, 0.05))
    expected = mean_opinion_score(transmission_rating(80, 0.05))

    assert 0.05 == pytest.approx(measured("call_loss", kept), abs=0.01)
    assert expected == pytest.approx(METRICS["mos"].measure(kept, ask("call")).details["median"], abs=0.15)


def test_a_cut_is_a_stall_of_its_length():
    """Dark from 30 s to 33 s: the packets of 29.98 s and 33.00 s are the last and the first that arrived."""
    dark = schedule(40 * MS, cut=(30 * S, 33 * S))
    kept = call_over(dark, schedule(40 * MS))

    assert 3020 * MS == measured("stall", kept)
    assert 0.3 == pytest.approx(METRICS["mos"].measure(kept, ask("call")).details["loss"], abs=0.002)
    assert measured("mos", kept) == pytest.approx(
        mean_opinion_score(transmission_rating(80, 0.3, 105)), abs=0.01
    )


def test_a_full_queue_is_heard():
    """A bulk sync fills a 2 Mbit/s link's queue: the call beside it is late, as the engine's queue says."""
    bulk = np.arange(0, END, 6 * MS)  # 1,514 bytes every 6 ms: just above the rate
    everything = np.sort(np.concatenate((SPOKEN, bulk)))
    left, _ = through(schedule(25 * MS, rate=2_000_000), Direction.UP, everything, DATA_FRAME)
    delay = left - everything
    mine = np.searchsorted(everything, SPOKEN)
    rows = [
        {
            "direction": direction,
            "seq": i,
            "t_ns": int(t),
            "delay_ns": None if left[m] < 0 else int(delay[m]),
            "bytes": 172,
        }
        for direction in ("up", "down")
        for i, (t, m) in enumerate(zip(SPOKEN, mine, strict=True))
    ]
    kept = evidence(call=pa.Table.from_pylist(rows, schema=samples.CALL))

    assert measured("call_delay_p95", kept) > 1 * S
    assert measured("mos", kept) < 2


def test_a_transfer_left_on_lte_is_stranded_there():
    """The hub is back on Starlink at 60 s; the transfer goes on over LTE, as the two links' counters show."""
    beat = np.arange(0, END, 10 * MS)
    data = np.arange(0, END, 12 * MS)  # 1 Mbit/s
    tables, arrivals = [], []
    for number, (chosen, carried) in enumerate(
        (
            ((beat < 30 * S) | (beat >= 60 * S), data < 30 * S),
            ((beat >= 30 * S) & (beat < 60 * S), data >= 30 * S),
        )
    ):
        for t_ns, size, dscp in ((beat[chosen], HEARTBEAT_FRAME, MARK_DSCP), (data[carried], DATA_FRAME, 0)):
            left, found = through(schedule(30 * MS), Direction.UP, t_ns, size, dscp, number)
            tables.append(bins_table(found, ("starlink", "lte")))
            if size == DATA_FRAME:
                arrivals.append(left)
    arrived = np.sort(np.concatenate(arrivals))
    rows = [
        {
            "t_ns": 0,
            "session": 0,
            "end": end,
            "direction": "up",
            "event": "connected",
            "bytes": 0,
            "reason": None,
        }
        for end in ("client", "tenant")
    ]
    rows += [
        {
            "t_ns": t,
            "session": 0,
            "end": "tenant",
            "direction": "up",
            "event": "progress",
            "bytes": int(np.sum(arrived <= t)) * 1448,
            "reason": None,
        }
        for t in range(100 * MS, END, 100 * MS)
    ]
    sync = pa.Table.from_pylist(rows, schema=samples.TRANSFER)
    (entry,) = ledger(evidence(sync=sync, links=pa.concat_tables(tables)))

    assert "lte" == entry.stranded_on
    assert 27 * S <= entry.stranded_ns <= 29 * S
