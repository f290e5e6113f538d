"""Metrics: pure functions from kept samples, a window and the run's facts to a measurement."""

from __future__ import annotations

from collections.abc import Mapping

from testbed.metrics import (
    availability,
    backhaul,
    backhaul_offload,
    byte_hit_ratio,
    correctness,
    edge_served,
    failovers,
    false_alarms,
    flaps,
    hit_ratio,
    interruption,
    metered,
    packets_lost,
    return_to_preferred,
    stale_age,
    stranded,
    ttfb,
)
from testbed.metrics.measurement import Metric

METRICS: Mapping[str, Metric] = {
    "interruption": interruption.METRIC,
    "packets_lost": packets_lost.METRIC,
    "failovers": failovers.METRIC,
    "return_to_preferred": return_to_preferred.METRIC,
    "flaps": flaps.METRIC,
    "false_alarms": false_alarms.METRIC,
    "stranded_time": stranded.TIME,
    "stranded_bytes": stranded.BYTES,
    "backhaul_bytes": backhaul.METRIC,
    "metered_bytes": metered.BYTES,
    "metered_cost": metered.COST,
    "hit_ratio": hit_ratio.METRIC,
    "byte_hit_ratio": byte_hit_ratio.METRIC,
    "backhaul_offload": backhaul_offload.METRIC,
    "edge_served": edge_served.METRIC,
    "stale_age_p95": stale_age.BY_PERCENT[95],
    "stale_age_max": stale_age.BY_PERCENT[100],
    "correctness": correctness.METRIC,
    "availability": availability.METRIC,
    "ttfb_p50": ttfb.BY_PERCENT[50],
    "ttfb_p95": ttfb.BY_PERCENT[95],
    "ttfb_p99": ttfb.BY_PERCENT[99],
}
