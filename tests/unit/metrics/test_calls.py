"""Delay, jitter, loss and score of calls made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from testbed.metrics import METRICS
from testbed.metrics.calls import burst_ratio
from testbed.metrics.emodel import mean_opinion_score, transmission_rating
from testbed.metrics.evidence import Evidence
from testbed.metrics.measurement import Measurement
from tests.unit.metrics.hand_made import MS, S, ask, evidence
from tests.unit.metrics.made_flows import call

SLOTS = range(0, 90 * S, 20 * MS)


def measured(metric: str, kept: Evidence, **window: int) -> Measurement:
    return METRICS[metric].measure(kept, ask("call", **window))


def test_an_even_call():
    """40 ms each way, nothing lost: no jitter, and the score of 40 + 20 + 20 ms."""
    kept = evidence(call=call())

    assert 40 * MS == measured("call_delay_p95", kept).value
    assert 0 == measured("call_jitter", kept).value == measured("call_loss", kept).value
    found = measured("mos", kept)
    assert mean_opinion_score(transmission_rating(80, 0)) == pytest.approx(found.value)
    assert 18 == found.samples


def test_the_worse_direction_counts():
    """Up takes 40 ms and down 200 ms; every tenth packet up is lost."""
    up = [None if i % 10 == 5 else 40 * MS for i, _ in enumerate(SLOTS)]
    kept = evidence(call=call(up=up, down=200 * MS))

    delay, loss = measured("call_delay_p95", kept), measured("call_loss", kept)
    assert (200 * MS, {"up": 40 * MS, "down": 200 * MS}) == (delay.value, delay.details)
    assert (0.1, {"up": 0.1, "down": 0.0}) == (loss.value, loss.details)


def test_jitter_is_that_of_rfc_3550():
    """Delays of 40 and 56 ms in turn: |D| is 16 ms each time, and J comes to it from below."""
    up = [(40 if i % 2 == 0 else 56) * MS for i, _ in enumerate(SLOTS)]
    found = measured("call_jitter", evidence(call=call(up=up)))

    assert 16 * MS == pytest.approx(found.value, rel=1e-6)
    first = measured("call_jitter", evidence(call=call(up=up)), end_ns=40 * MS)
    assert 1 * MS == pytest.approx(first.value)  # after one difference: 16 / 16


def test_packets_too_late_for_any_buffer_are_lost_to_the_ear():
    """Every fifth packet comes 300 ms after the others: it arrived, and nobody hears it."""
    up = [(340 if i % 5 == 4 else 40) * MS for i, _ in enumerate(SLOTS)]
    found = measured("mos", evidence(call=call(up=up)))

    assert 0 == measured("call_loss", evidence(call=call(up=up))).value
    assert mean_opinion_score(transmission_rating(80, 0.2)) == pytest.approx(found.value)
    assert ("up", 0.2, 80.0) == tuple(found.details[key] for key in ("direction", "loss", "delay_ms"))


def test_the_buffer_trades_delay_for_loss():
    """Every fifth packet comes 100 ms after the others: waiting for it sounds better than missing it."""
    up = [(140 if i % 5 == 4 else 40) * MS for i, _ in enumerate(SLOTS)]
    found = measured("mos", evidence(call=call(up=up)))

    assert mean_opinion_score(transmission_rating(160, 0)) == pytest.approx(found.value)


def test_the_worst_ten_seconds_are_the_value():
    """Three dark seconds from 42 s to 45 s are one burst in the window that begins at 40 s."""
    down = [None if 42 * S <= t < 45 * S else 40 * MS for t in SLOTS]
    found = measured("mos", evidence(call=call(down=down)))

    assert ("down", 40 * S, 0.3) == tuple(found.details[key] for key in ("direction", "start_ns", "loss"))
    assert found.value < 1.1
    assert mean_opinion_score(transmission_rating(80, 0)) == pytest.approx(found.details["median"])
    assert measured("mos", evidence(call=call(down=down)), start_ns=50 * S).value > 4.3


def test_a_silent_window_is_as_bad_as_it_can_be():
    """Nothing arrives for ten seconds: 1.0, and no delay to speak of."""
    up = [None if 40 * S <= t < 50 * S else 40 * MS for t in SLOTS]
    found = measured("mos", evidence(call=call(up=up)))

    assert (1.0, None) == (found.value, found.details["delay_ms"])


def test_one_silent_direction_cannot_be_judged():
    """A tenant that never sent leaves no verdict on the call."""
    table = call()
    kept = evidence(call=table.filter(np.array(table["direction"].to_pylist()) == "up"))

    assert "nothing was sent down" == measured("mos", kept).reason
    assert "no packet of call in one direction" == measured("call_loss", kept).reason


@pytest.mark.parametrize(
    ("pattern", "ratio"),
    [("........", 1.0), ("x.......", 1.0), ("xx......", 1.5), ("xxxx....", 2.0), ("x.x.x.x.", 1.0)],
)
def test_burst_ratio(pattern: str, ratio: float):
    """Mean burst length x (1 - loss); fewer bursts than chance would make count as chance."""
    assert ratio == burst_ratio(np.array([letter == "x" for letter in pattern]))
