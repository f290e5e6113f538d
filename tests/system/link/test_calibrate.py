"""Calibrating this host, over a real veth."""

from __future__ import annotations

from testbed.checks.calibrate import calibrate

S = 1_000_000_000


def test_a_plain_veth_answers_every_probe():
    """What it adds is more than nothing, and its percentiles are in order."""
    found = calibrate(S)

    assert (150, 0) == (found.probes, found.lost)
    assert 0 < found.rtt_p50_ns <= found.rtt_p99_ns
    assert 0 <= found.stolen_share <= 1
