"""What a link plays follows the recording: delays, losses, rates, outages, on the run's clock."""

from dataclasses import replace

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.event import Event
from testbed.model.link import LinkState, QueueLimit
from testbed.model.trace import (
    EventKind,
    Framing,
    Layer,
    Loss,
    Origin,
    Provenance,
    Series,
    SeriesName,
    Trace,
    TraceEvent,
)
from testbed.model.uplink import FixedLink, Rates
from testbed.traces import store
from testbed.traces.compile import compile_link
from tests.unit.traces.recordings import recording

MS, S = 10**6, 10**9


def trace(rtt_ms, loss=None, cadence_ms=100, slot_ns=None, events=(), **rates):
    t = np.arange(len(rtt_ms)) * cadence_ms * MS
    series = {SeriesName.RTT: Series.of(t, np.array(rtt_ms) * MS, loss)}
    series |= {SeriesName(name): Series.of(*values) for name, values in rates.items()}
    provenance = Provenance(kind=Origin.SYNTHETIC, source="a test", slot_ns=slot_ns)
    return Trace("t", provenance, series, len(t) * cadence_ms * MS, events)


def delay_at(schedule, t_ns):
    if schedule.interpolate:
        return float(np.interp(t_ns, schedule.t_ns, schedule.delay_ns))
    return float(schedule.delay_ns[np.searchsorted(schedule.t_ns, t_ns, "right") - 1])


def value_at(schedule, column, t_ns):
    return getattr(schedule, column)[np.searchsorted(schedule.t_ns, t_ns, "right") - 1]


def test_coarse_samples_are_held_and_split_in_halves():
    """At 100 ms each way plays half of the RTT until the next sample."""
    up, down = compile_link(trace([20, 40]), duration_ns=200 * MS, seed=1)

    assert ([0, 100 * MS], [10 * MS, 20 * MS]) == (
        up.t_ns.tolist(),
        up.delay_ns.tolist(),
    )
    assert ([0, 120 * MS], [10 * MS, 20 * MS]) == (
        down.t_ns.tolist(),
        down.delay_ns.tolist(),
    )
    assert not up.interpolate


def test_fine_samples_are_interpolated():
    """At 10 ms the delay runs linearly from sample to sample."""
    up, _ = compile_link(trace([20, 40, 40], cadence_ms=10), duration_ns=30 * MS, seed=1)

    assert up.interpolate
    assert 15 * MS == delay_at(up, 5 * MS)


@pytest.mark.parametrize("cadence_ms", [10, 100])
def test_a_probe_meets_its_own_sample_in_both_directions(cadence_ms):
    """A probe sent at the time of a sample takes exactly that sample's RTT, also where it falls fast."""
    rtt = [150, 150, 160, *range(350, 150, -cadence_ms), *[150] * 60]
    source = trace(rtt, cadence_ms=cadence_ms)

    up, down = compile_link(source, duration_ns=source.duration_ns, seed=1)

    for sent, expected in zip(source.probes.t_ns[:-20], source.probes.value[:-20], strict=True):
        there = delay_at(up, sent)
        assert expected == there + delay_at(down, sent + there)


def test_isolated_losses_lose_one_way_and_long_runs_both():
    """Runs of one and two go to one direction each, whole; a run of three to both; the seed decides."""
    lost = np.zeros(400, np.uint8)
    singles, run = [20 * n for n in range(1, 18)], slice(380, 383)
    for at in singles:
        lost[at : at + 2] = Loss.UNKNOWN
    lost[run] = Loss.UNKNOWN
    source = trace([50] * 400, lost, cadence_ms=100)

    up, down = compile_link(source, duration_ns=source.duration_ns, seed=3)
    ups = [[value_at(up, "loss", (at + k) * 100 * MS) for k in (0, 1)] for at in singles]
    downs = [[value_at(down, "loss", (at + k) * 100 * MS + 25 * MS) for k in (0, 1)] for at in singles]

    assert all(u in ([0, 0], [1, 1]) and [1 - v for v in u] == d for u, d in zip(ups, downs, strict=True))
    assert {0, 1} == {u[0] for u in ups}
    assert [1, 1, 1] == [value_at(up, "loss", t * 100 * MS) for t in (380, 381, 382)]
    assert [1, 1, 1] == [value_at(down, "loss", t * 100 * MS + 25 * MS) for t in (380, 381, 382)]
    again, _ = compile_link(source, duration_ns=source.duration_ns, seed=3)
    other, _ = compile_link(source, duration_ns=source.duration_ns, seed=4)
    assert up.loss.tolist() == again.loss.tolist() != other.loss.tolist()


def test_a_loss_whose_direction_is_known_keeps_it():
    """irtt tells where a probe was lost; no draw then."""
    up, down = compile_link(trace([50, 50, 50], [0, Loss.DOWN, 0]), duration_ns=300 * MS, seed=1)

    assert [0] == up.loss.tolist()
    assert 1 == value_at(down, "loss", 125 * MS)


def test_slots_of_the_trace_fall_on_the_run_s_grid():
    """With align: slot the first boundary is the run's start, and every repetition keeps the grid."""
    source = trace(list(range(100, 500)), slot_ns=3 * S)  # 40 s: boundaries at 3, 18, 33 s

    up, _ = compile_link(source, duration_ns=70 * S, seed=1, align="slot", repeat=True)

    assert (100 + 30) * MS / 2 == delay_at(up, 0)
    assert (100 + 180) * MS / 2 == delay_at(up, 15 * S)
    assert (100 + 30) * MS / 2 == delay_at(up, 30 * S)  # two whole slots fit, then again
    assert (100 + 30) * MS / 2 == delay_at(up, 60 * S)


def test_a_repeated_trace_starts_again_at_its_end():
    """Without slots, repeat wraps at the trace's own duration."""
    up, _ = compile_link(trace([20, 40]), duration_ns=500 * MS, seed=1, repeat=True)

    assert [10 * MS, 20 * MS, 10 * MS, 20 * MS, 10 * MS] == [delay_at(up, n * 100 * MS) for n in range(5)]
    assert 500 * MS == up.end_ns


def test_a_rate_of_zero_holds_and_an_outage_cuts():
    """Nothing leaves while the rate is 0; a trace's outage and a scenario's cut drop both ways."""
    outage = TraceEvent(100 * MS, EventKind.OUTAGE, 50 * MS, "OBSTRUCTED")
    source = trace([20] * 5, events=(outage,), up_rate=([0, 200 * MS, 300 * MS], [8000, 0, 9000]))
    fault = Event(at=400 * MS, uplink="starlink", outage=50 * MS)

    up, down = compile_link(source, duration_ns=500 * MS, seed=1, events=[fault])

    times = [50 * MS, 120 * MS, 250 * MS, 350 * MS, 420 * MS, 460 * MS]
    expected = [LinkState.PASS, LinkState.CUT, LinkState.HOLD, LinkState.PASS, LinkState.CUT, LinkState.PASS]
    assert expected == [value_at(up, "state", t) for t in times]
    assert 9000 == value_at(up, "rate_bps", 350 * MS)
    assert [LinkState.CUT, LinkState.PASS] == [value_at(down, "state", t) for t in (120 * MS, 250 * MS)]


def test_fixed_values_events_rates_and_queues():
    """Fixed values hold; a hold event keeps packets waiting; rates stand in where a trace has none."""
    hold = Event(at=100 * MS, uplink="lte", hold=100 * MS)
    up, _ = compile_link(FixedLink(25 * MS, 10**8, 0.5), duration_ns=S, seed=1, events=[hold])
    _, down = compile_link(
        trace([20] * 9),
        duration_ns=S // 2,
        seed=1,
        rate=Rates(1000, 2000),
        queue=QueueLimit(packets=7),
    )

    assert [0, 100 * MS, 200 * MS] == up.t_ns.tolist()
    assert ([25 * MS] * 3, [0.5] * 3, [10**8] * 3) == (
        up.delay_ns.tolist(),
        up.loss.tolist(),
        up.rate_bps.tolist(),
    )
    assert [LinkState.PASS, LinkState.HOLD, LinkState.PASS] == up.state.tolist()
    assert (2000, 7) == (value_at(down, "rate_bps", 0), down.queue.packets)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"duration_ns": 90 * S},
            (
                "scenarios/x.yaml:4: trace 't' lasts 40 s; the scenario lasts 90 s; "
                "add 'repeat: true', shorten the scenario or take a longer trace"
            ),
        ),
        (
            {"duration_ns": 9 * S, "align": "slot"},
            ("scenarios/x.yaml:4: trace 't' does not tell where its 15 s slots begin; write 'align: start'"),
        ),
    ],
)
def test_a_trace_that_cannot_be_played_is_refused_at_the_scenario_s_line(arguments, message):
    """Too short without repeat, or nothing to align: refused with both durations, before anything starts."""
    with pytest.raises(InputError) as error:
        compile_link(trace([20] * 400), seed=1, place="scenarios/x.yaml:4", **arguments)

    assert message == str(error.value)


def test_the_real_handover_gaps_lie_at_the_run_s_slots():
    """The 0.5 s gaps of the ISL recording surround each multiple of 15 s of an aligned run."""
    source = store.read(recording("uvic-leonetem/latency/ping-example-isl.txt"))

    up, _ = compile_link(source, duration_ns=140 * S, seed=1, align="slot")

    for boundary in range(15, 136, 15):
        assert 1 == value_at(up, "loss", boundary * S)
        assert 0 == value_at(up, "loss", boundary * S - S)
        assert 0 == value_at(up, "loss", boundary * S + S)


def one_way(name, values_ms, loss=None):
    t = np.arange(len(values_ms)) * 100 * MS
    return {SeriesName(name): Series.of(t, np.array(values_ms) * MS, loss)}


def test_one_way_delays_are_played_as_they_are():
    """Measured ways are not halved: up and down each play their own, and their own losses."""
    series = one_way("up_delay", [30, 30, 30], [0, Loss.UP, 0]) | one_way(
        "down_delay", [10, 10, 10], [0, 0, Loss.DOWN]
    )
    source = Trace("t", Provenance(Origin.MEASURED, "a test"), series, 300 * MS)

    up, down = compile_link(source, duration_ns=300 * MS, seed=1)

    assert (30 * MS, 10 * MS) == (delay_at(up, 0), delay_at(down, 50 * MS))
    assert [0, 1, 0] == [value_at(up, "loss", t * MS) for t in (50, 150, 250)]
    assert [0, 0, 1] == [value_at(down, "loss", t * MS) for t in (50, 150, 250)]


def test_a_recording_of_one_way_stands_for_both():
    """Where only one direction was measured the other plays the same delay."""
    source = Trace("t", Provenance(Origin.MEASURED, "a test"), one_way("down_delay", [12, 12]), 200 * MS)

    up, down = compile_link(source, duration_ns=200 * MS, seed=1)

    assert (12 * MS, 12 * MS) == (delay_at(up, 0), delay_at(down, 50 * MS))


def test_a_share_of_losses_is_lost_half_each_way():
    """A dish's drop rate of 36 % is 20 % up and 20 % down: both together lose 36 %."""
    t = np.array([0], np.int64)
    series = {SeriesName.RTT: Series.of(t, [20 * MS]), SeriesName.LOSS: Series.of(t, [360_000])}
    source = Trace("t", Provenance(Origin.MEASURED, "a test"), series, 300 * MS)

    up, down = compile_link(source, duration_ns=300 * MS, seed=1)

    assert 0.36 == pytest.approx(1 - (1 - up.loss[0]) * (1 - down.loss[0]))


@pytest.mark.parametrize(
    ("framing", "frame_bps"),
    [
        (Framing(Layer.TCP, 1448), 100 * 1514 / 1448),
        (Framing(Layer.TCP, 1388), 100 * 1454 / 1388),
        (Framing(Layer.UDP, 1472), 100 * 1514 / 1472),
        (Framing(Layer.IP, 1500), 100 * 1514 / 1500),
        (Framing(Layer.FRAME, 1514), 100),
    ],
)
def test_a_rate_above_the_frames_becomes_one_of_frames(framing, frame_bps):
    """The link serves frames: what was counted is multiplied by frame over payload."""
    counted = replace(
        trace([20] * 10, down_rate=([0], [100 * 10**6])), framing={SeriesName.DOWN_RATE: framing}
    )

    up, down = compile_link(counted, duration_ns=S, seed=1, rate=None)

    assert round(frame_bps * 10**6) == down.rate_bps[0]
    assert 0 == up.rate_bps[0]


def test_shares_of_losses_by_direction_are_played_in_theirs():
    """What is known of one direction is not halved, and does not touch the other."""
    shares = {"up_loss": ([0, 500 * MS], [250_000, 0]), "down_loss": ([0], [10_000])}

    up, down = compile_link(trace([20] * 10, **shares), duration_ns=S, seed=1)

    assert [0.25, 0] == [value_at(up, "loss", t) for t in (0, 600 * MS)]
    assert [0.01, 0.01] == [value_at(down, "loss", t) for t in (0, 600 * MS)]
