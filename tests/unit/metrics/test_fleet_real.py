"""A real hub's figures among those of light ones: known answers from a handful of samples."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from testbed.link.layout import BUCKETS, bucket_edges
from testbed.metrics.fleet.delay import delay_mean
from testbed.metrics.fleet.evidence import FleetEvidence
from testbed.metrics.fleet.fetch_time import fetch_time
from testbed.metrics.fleet.loss import loss
from testbed.metrics.fleet.real import with_real
from testbed.metrics.fleet.throughput import throughput
from testbed.metrics.window import Window
from testbed.probes.samples import HEARTBEAT, REQUESTS

MS, S = 10**6, 10**9
NAMES = ("offered", "carried", "packets", "arrived", "lost", "delay_ns", "delay_ns_max", "done", "done_ns")
WHOLE = Window(0, 3 * S)


@pytest.fixture
def light() -> FleetEvidence:
    """Two hubs, three seconds, a load that beats and one that is fetched; the second hub got something."""
    columns = {name: np.zeros((2, 3, 2), np.int64) for name in NAMES}
    columns["packets"][0, :, 1], columns["arrived"][0, :, 1], columns["delay_ns"][0, :, 1] = 10, 10, 10 * 40 * MS
    return FleetEvidence(
        ("hub-1", "hub-2"), np.array([4, 4]), ("calls", "lessons"), columns,
        np.zeros((2, 2, BUCKETS), np.int64), bucket_edges(),
    )  # fmt: skip


def test_a_heartbeat_is_a_beat(light: FleetEvidence) -> None:
    """Four sent, one lost, 50 ms each, one answered in the next second: as the engine counts a light hub's."""
    rtt = [50 * MS, None, 50 * MS, 50 * MS]
    t_ns = [0, 100 * MS, 980 * MS, 2 * S]
    table = pa.table({"seq": range(4), "t_ns": t_ns, "rtt_ns": rtt, "lost": ["none"] * 4}, HEARTBEAT)
    both = with_real(light, 0, {"calls": (table, 118)}, {})

    assert [50 * MS, 40 * MS] == delay_mean(both, "calls", WHOLE).tolist()
    assert [0.25, 0] == loss(both, "calls", WHOLE).tolist()
    assert [1, 1, 1] == both.columns["arrived"][0, :, 0].tolist()
    assert 3 * 118 * 8 / 3 == throughput(both, "calls", WHOLE)[0]
    assert 3 == both.delays[0, 0].sum()
    assert both.edges_ns[both.delays[0, 0].argmax()] <= 50 * MS < both.edges_ns[both.delays[0, 0].argmax() + 1]
    assert 0 == light.columns["packets"][0, :, 0].sum()


def test_requests_are_fetches(light: FleetEvidence) -> None:
    """Two whole objects in 0.5 s and 1.5 s, one that broke off: the mean of two, the bytes of all, no loss known."""
    rows = [(0, 500 * MS, 1000, None), (S, 1500 * MS, 1000, None), (S, 200 * MS, 300, "reset")]
    columns = {name: [None] * 3 for name in REQUESTS.names}
    columns |= {"client": ["c"] * 3, "object": ["o"] * 3, "size": [1000] * 3, "conditional": [False] * 3}
    columns |= {"started_ns_late": [0] * 3, "t_ns": [r[0] for r in rows], "total_ns": [r[1] for r in rows]}
    columns |= {"bytes": [r[2] for r in rows], "error": [r[3] for r in rows]}
    both = with_real(light, 0, {}, {"lessons": pa.table(columns, REQUESTS)})

    assert S == fetch_time(both, "lessons", WHOLE)[0]
    assert 2300 * 8 / 3 == pytest.approx(throughput(both, "lessons", WHOLE)[0])
    assert np.isnan(loss(both, "lessons", WHOLE)[0])
