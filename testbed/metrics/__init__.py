"""Metrics: pure functions from kept samples, a window and the run's facts to a measurement."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.metrics import (
    availability,
    byte_hit_ratio,
    failovers,
    hit_ratio,
    interruption,
    packets_lost,
    return_to_preferred,
    ttfb,
)
from testbed.metrics.measurement import Metric

METRICS: Mapping[str, Metric] = {
    "interruption": interruption.METRIC,
    "packets_lost": packets_lost.METRIC,
    "failovers": failovers.METRIC,
    "return_to_preferred": return_to_preferred.METRIC,
    "hit_ratio": hit_ratio.METRIC,
    "byte_hit_ratio": byte_hit_ratio.METRIC,
    "availability": availability.METRIC,
    "ttfb_p50": ttfb.BY_PERCENT[50],
    "ttfb_p95": ttfb.BY_PERCENT[95],
    "ttfb_p99": ttfb.BY_PERCENT[99],
}
