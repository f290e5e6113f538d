"""A recording replayed through the engine's physics and recorded again is the same recording."""

import dataclasses

import numpy as np
import pytest

from testbed.errors import HostError
from testbed.link.simulated import ACCEPTED, SimulatedLink
from testbed.model.link import Direction
from testbed.model.trace import Loss, Series, SeriesName
from testbed.traces import stats, store
from testbed.traces.agreement import agreement
from testbed.traces.compile import compile_link
from tests.unit.traces.recordings import recording

PROBE_BYTES = 98
NUWINS = "nuwins-maine/datasets/maine_starlink_trip/raw/starlink"


def replayed(trace, seed=1):
    """Probe a replay of the trace at the trace's own send times; return it with what the probes met."""
    pair = compile_link(trace, duration_ns=trace.duration_ns + 5 * 10**9, seed=seed, repeat=True)
    sent = trace.probes.t_ns
    try:
        up, down = SimulatedLink(pair.up, 1, Direction.UP), SimulatedLink(pair.down, 1, Direction.DOWN)
    except HostError as error:
        pytest.skip(str(error))
    up.start(0)
    down.start(0)
    there = up.send(sent, PROBE_BYTES)
    at_host = np.flatnonzero(there.fate == ACCEPTED)
    back = down.send(there.depart_ns, PROBE_BYTES)
    answered = at_host[back.fate == ACCEPTED]
    rtt, loss = np.zeros(len(sent), np.int64), np.full(len(sent), Loss.UNKNOWN)
    rtt[answered] = back.depart_ns - sent[answered]
    loss[answered] = Loss.NONE
    series = {**trace.series, SeriesName.RTT: Series.of(sent, rtt, loss)}
    return dataclasses.replace(trace, series=series)


@pytest.mark.parametrize(
    "name",
    [
        "uvic-leonetem/latency/ping-example-isl.txt",
        f"{NUWINS}/20240527/110431666/ping_110809464.out",
        f"{NUWINS}/20240528/111436693/ping_111740829.out",
    ],
)
def test_a_replayed_ping_is_the_recorded_ping(name):
    """Each RTT within 1 us, each loss where it was, the same runs and steps; but nothing overtakes."""
    original = store.read(recording(name))

    found = agreement(original, replayed(original))

    assert 0 == found.lost_one_only == found.loss_per_second == found.runs_apart
    assert np.count_nonzero(~original.probes.lost) == found.compared + found.overtaking
    assert found.overtaking <= 5
    assert found.rtt_error_max_ns <= 1000
    assert found.lost[0] == found.lost[1] == sum(length * n for length, (n, _) in found.runs.items())
    if found.handover is not None:
        for before, after in (found.handover.step_ns, found.handover.gap_ns, found.handover.gaps):
            assert before == after


@pytest.mark.parametrize("name", ["starlink-bent-pipe", "lte-suburban"])
def test_info_of_a_replayed_reference_trace_is_info_of_the_trace(name):
    """Nothing is smoothed, lost or added on the way through the engine, apart from the probe's own bits at the rate."""
    original = store.read(store.find(name))

    before, after = stats.info(original), stats.info(replayed(original))

    assert before.losses == after.losses
    for quantile, rtt_ns in before.rtt_ns.items():
        assert rtt_ns == pytest.approx(after.rtt_ns[quantile], abs=500_000)


def test_a_replayed_leocc_trace_has_its_delay_both_ways():
    """A one-way recording replayed gives the sum of both ways at each instant, within a sample's change."""
    delays = store.read(recording("leocc/leoreplayer/replayer/example/Cubic/delay_example.txt"))

    probed = replayed(delays).series[SeriesName.RTT]

    expected = 2 * delays.series[SeriesName.UP_DELAY].value
    assert not probed.lost.any()
    assert np.median(np.abs(probed.value - expected)) <= 1000


@pytest.mark.parametrize(
    "name",
    [
        f"{NUWINS}/20240527/110431666/tcp_downlink_110434704.out",
        "leocc/leoreplayer/replayer/example/Cubic/bw_example.txt",
        "mahimahi/traces/Verizon-LTE-short.down",
    ],
)
def test_a_saturated_replay_has_the_recorded_rate(name):
    """Each second lets as much payload pass as was recorded, to a packet; nothing passes in a stall."""
    original = store.read(recording(name))
    recorded = original.series[SeriesName.DOWN_RATE]
    try:
        schedule = compile_link(original, duration_ns=original.duration_ns, seed=1).down
        link = SimulatedLink(schedule, 1, Direction.DOWN)
    except HostError as error:
        pytest.skip(str(error))
    framing = original.framing[SeriesName.DOWN_RATE]
    size = framing.payload_bytes
    spans = np.diff(np.append(recorded.t_ns, original.duration_ns)) / 1e9
    packets = int((recorded.value * spans).sum() / 8 / size)
    link.start(0)

    left = link.send(np.zeros(packets, np.int64), framing.frame_bytes).depart_ns

    begins = np.arange(0, original.duration_ns, 10**9)
    bits = np.concatenate(([0], np.cumsum(recorded.value * spans)))
    times = np.append(recorded.t_ns, original.duration_ns)
    expected = np.diff(np.interp(np.append(begins, original.duration_ns), times, bits)) / 8 / size
    passed = np.bincount(np.minimum(left // 10**9, len(begins) - 1), minlength=len(begins))
    assert packets == len(left)
    assert np.abs(passed - expected).max() <= 1.5


@pytest.mark.parametrize(
    "name", ["uvic-leonetem/latency/ping-example-isl.txt", f"{NUWINS}/20240527/110431666/ping_110809464.out"]
)
def test_info_of_a_replayed_ping_is_info_of_the_recording(name):
    """Losses, runs and the cycle are the same; quantiles too, but for answers that overtook others."""
    original = store.read(recording(name))

    before, after = stats.info(original), stats.info(replayed(original))

    assert before.losses == after.losses
    assert (before.probes, before.cadence_ns) == (after.probes, after.cadence_ns)
    for quantile, rtt_ns in before.rtt_ns.items():
        assert rtt_ns == pytest.approx(after.rtt_ns[quantile], abs=1_000_000), quantile
    if before.handovers:
        assert before.handovers.clear
        assert before.handovers.phase_ns == pytest.approx(after.handovers.phase_ns, abs=1000)
        assert before.handovers.gap_ns == after.handovers.gap_ns


def test_info_of_a_replayed_leocc_trace_is_twice_its_one_way_delay():
    """The same delay both ways: each quantile of the RTT is two of the recording's, within a sample's millisecond."""
    original = store.read(recording("leocc/leoreplayer/replayer/example/Cubic/delay_example.txt"))

    after = stats.info(replayed(original)).rtt_ns

    for quantile in ("min", "p5", "p50", "p95", "p99"):
        assert 2 * stats.info(original).rtt_ns[quantile] == pytest.approx(after[quantile], abs=1_000_000)


@pytest.mark.parametrize(
    "name",
    [
        f"{NUWINS}/20240527/110431666/tcp_downlink_110434704.out",
        "leocc/leoreplayer/replayer/example/Cubic/bw_example.txt",
    ],
)
def test_info_of_a_saturated_replay_is_info_of_the_recorded_rate(name):
    """A receiver that counts payload every 0.5 s records the rate again: quantiles within half a percent."""
    original = store.read(recording(name))
    framing = original.framing[SeriesName.DOWN_RATE]
    before = stats.info(original).rates["down_rate"]
    try:
        link = SimulatedLink(
            compile_link(original, duration_ns=original.duration_ns, seed=1).down, 1, Direction.DOWN
        )
    except HostError as error:
        pytest.skip(str(error))
    packets = round(before.mean_bps * original.duration_ns / 1e9 / 8 / framing.payload_bytes)
    link.start(0)

    left = link.send(np.zeros(packets, np.int64), framing.frame_bytes).depart_ns

    interval = 500_000_000
    begins = np.arange(0, original.duration_ns, interval)
    passed = np.bincount(np.minimum(left // interval, len(begins) - 1), minlength=len(begins))
    bits = (passed * framing.payload_bytes * 8 / (interval / 1e9)).astype(np.int64)
    after = stats.rate_of(Series.of(begins, bits), original.duration_ns)
    for quantile in ("p5", "p50", "p95"):
        assert before.bps[quantile] == pytest.approx(after.bps[quantile], rel=0.005), quantile
    assert before.mean_bps == pytest.approx(after.mean_bps, rel=0.001)
    assert before.zero_share == pytest.approx(after.zero_share, abs=0.02)
