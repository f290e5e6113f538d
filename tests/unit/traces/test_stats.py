"""Numbers of a trace, its 15 s cycle, and what it cannot tell."""

import dataclasses

import numpy as np
import pytest

from testbed.model.trace import (
    EventKind,
    Loss,
    Origin,
    Provenance,
    Series,
    SeriesName,
    Trace,
    TraceEvent,
    Trait,
)
from testbed.traces import profile, render, stats, store, synth
from testbed.traces.handover import handovers
from testbed.traces.lint import lint
from testbed.traces.mine import worst
from tests.unit.traces.recordings import recording

MS, S = 10**6, 10**9
ISL = "uvic-leonetem/latency/ping-example-isl.txt"


def trace(rtt_ms, loss=None, cadence_ms=10, **fields):
    t = np.arange(len(rtt_ms)) * cadence_ms * MS
    rtt = Series.of(t, (np.asarray(rtt_ms) * MS).astype(np.int64), loss)
    provenance = Provenance(kind=Origin.MEASURED, source="a test", **fields)
    return Trace("t", provenance, {SeriesName.RTT: rtt}, len(t) * cadence_ms * MS)


def slots(step_ms, seconds=150, phase_s=4.0, seed=1):
    """Return RTTs with steps each 15 s and 1 ms of noise."""
    chance = np.random.default_rng(seed)
    t = np.arange(seconds * 100) / 100
    slot = ((t - phase_s) // 15).astype(int) + 1
    return 50 + step_ms * (slot % 2) + chance.normal(0, 1, len(t))


def test_losses_are_counted_by_runs():
    """Runs by length, their share, and the longest time without an answer."""
    loss = np.zeros(100, np.uint8)
    loss[[5, 20, 21, 22]] = Loss.UNKNOWN

    found = stats.info(trace([50.0] * 100, loss)).losses

    assert ({1: 1, 3: 1}, 4, 0.04, 30 * MS) == (found.runs, found.lost, found.share, found.longest_ns)


def test_a_rate_is_judged_by_the_second():
    """A delivery trace of one packet each 120 ms is 0.1 Mbit/s, not mostly zero."""
    t = np.arange(0, 10 * S, 60 * MS)
    rate = Series.of(t, np.where(np.arange(len(t)) % 2, 0, 200_000))

    found = stats.rate_of(rate, 10 * S)

    assert 0 == found.zero_share
    assert found.bps["p50"] == pytest.approx(100_000, rel=0.05)


@pytest.mark.parametrize("phase_s", [1.0, 4.0, 13.5])
def test_the_cycle_is_found_where_the_steps_are(phase_s):
    """Steps of 8 ms each 15 s show their phase and size; elsewhere the median hardly moves."""
    found = handovers(trace(slots(8, phase_s=phase_s)))

    assert found.clear
    assert found.phase_ns == pytest.approx(phase_s * S, abs=300 * MS)
    assert found.step_ns == pytest.approx(8 * MS, rel=0.1)
    assert found.step_elsewhere_ns < MS


@pytest.mark.parametrize("seed", range(10))
def test_no_cycle_is_found_in_noise(seed):
    """A path without steps has no cycle, whatever the noise."""
    drift = np.cumsum(np.random.default_rng(seed).normal(0, 0.1, 15000))

    assert not handovers(trace(80 + drift + slots(0, seed=seed))).clear


def test_a_constant_trace_has_no_cycle():
    """Where nothing moves no phase is singled out, and lint says that the data do not show one."""
    constant = trace([30.0] * 12_000)

    assert not handovers(constant).clear
    assert ["no UTC start, and the data do not show the cycle"] == [
        finding.evidence for finding in lint(constant)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_the_clock_tells_the_boundaries_where_the_data_alone_do_not(seed):
    """Steps of 3 ms in noise as large single no cycle out; at the clock's boundaries they stand out."""
    chance = np.random.default_rng(seed)
    noise = np.repeat(chance.normal(0, 1.2, 300), 100)  # of a second each: other cycles peak too
    levels = chance.normal(0, 3, 40)[((np.arange(30_000) / 100 - 7) // 15).astype(int)]
    start_ns = 5 * S  # t = 7 s is 12 s into the UTC cycle
    path = trace(60 + noise + levels, start_ns=start_ns)

    found = handovers(path)

    assert found.clear
    assert found.phase_ns == 7 * S


@pytest.mark.parametrize("seed", range(10))
def test_a_clock_alone_makes_no_cycle(seed):
    """A path without steps has none at the clock's boundaries either."""
    noise = np.repeat(np.random.default_rng(seed).normal(0, 1, 600), 100)

    assert not handovers(trace(60 + noise, start_ns=0)).clear


def test_the_real_recording_shows_its_handovers():
    """Gaps of 0.5 s that begin 11.8 s into the UTC cycle, and a first RTT of 312 to 388 ms behind them."""
    found = handovers(store.read(recording(ISL)))

    assert found.clear
    assert 11.80 * S <= found.phase_utc_ns <= 11.85 * S
    assert 497 * MS <= found.gap_ns <= 544 * MS
    assert 312 * MS <= found.peak_ns <= 388 * MS
    assert found.gaps == found.boundaries == 10
    assert found.near_share > 0.9


def codes(trace):
    return {finding.code for finding in lint(trace)}


def test_lint_names_what_real_recordings_cannot_tell():
    """The known limits of each kind of recording are found."""
    raw = "nuwins-maine/datasets/maine_starlink_trip/raw"
    expected = {
        ISL: {"icmp-only", "loss-direction", "rounded"},
        "uvic-mmsys24/src/latency-excerpt/first-300-lines.txt": {"stop-and-wait", "aliases-handovers"},
        "uvic-lens/irtt_sample_from_README.json": {"clock-offset", "aliases-handovers"},
        f"{raw}/dish_history/20240527/112624035/dish_history.out": {
            "dish-smoothed",
            "usage",
            "censored-outage",
        },
        f"{raw}/starlink/20240527/110431666/ping_110809464.csv": {"loss-omitted", "aliases-handovers"},
        "leocc/leoreplayer/replayer/example/Cubic/delay_example.txt": {"whole-ms", "no-clock"},
        "leocc/leoreplayer/replayer/example/Cubic/bw_example.txt": {"no-delay", "no-clock", "above-frames"},
    }

    for name, limits in expected.items():
        assert limits <= codes(store.read(recording(name))), name


def test_lint_shows_evidence_and_consequence():
    """Each finding says what shows it and what follows."""
    loss = np.zeros(100, np.uint8)
    loss[-4:] = Loss.UNKNOWN

    findings = {finding.code: finding for finding in lint(trace([50.0] * 100, loss, start_ns=0))}

    assert "the recording's end lies in a run of 4 losses" == findings["censored-loss"].evidence
    assert all(finding.evidence and finding.consequence for finding in findings.values())


def test_a_good_recording_has_nothing_to_find():
    """irtt at 10 ms with a clock and without loss is not faulted."""
    assert () == lint(trace(slots(8), start_ns=0))


def test_holes_between_probes_are_found():
    """A prober that paused left a hole, which is not a loss."""
    whole = trace([50.0] * 1000, start_ns=0)
    kept = np.ones(1000, bool)
    kept[500:600] = False
    rtt = whole.probes
    series = {SeriesName.RTT: Series.of(rtt.t_ns[kept], rtt.value[kept])}

    assert "holes" in codes(dataclasses.replace(whole, series=series))


def test_the_worst_windows_do_not_overlap():
    """The longest interruption comes first, and the next one lies elsewhere."""
    loss = np.zeros(30_000, np.uint8)
    loss[1000:1100], loss[20_000:20_400] = Loss.UNKNOWN, Loss.UNKNOWN

    windows = [
        w
        for w in worst(trace([50.0] * 30_000, loss), length_ns=20 * S, count=2)
        if w.metric == "interruption"
    ]

    assert [4 * S, S] == [window.value for window in windows]
    assert windows[0].from_ns <= 200 * S <= windows[0].to_ns
    assert windows[1].to_ns <= windows[0].from_ns


def test_info_is_printed_with_units_and_as_json():
    """The words hold the numbers; JSON has no infinities."""
    outage = TraceEvent(S, EventKind.OUTAGE, S, "OBSTRUCTED")
    source = dataclasses.replace(trace(slots(8), start_ns=0, traits=(Trait.ICMP,)), events=(outage,))

    text = "\n".join(render.info_lines(source, stats.info(source)))

    assert "OBSTRUCTED 1" in text
    assert "p50" in text
    assert "15 s cycle" in text
    assert 8 * MS == pytest.approx(render.plain(stats.info(source))["handovers"]["step_ns"], rel=0.1)


@pytest.mark.parametrize("name", profile.names())
def test_every_profile_is_synthesised_as_it_says(name):
    """Quantiles of RTT and rate, losses and the cycle of ten minutes agree with the profile's figures."""
    made_from = profile.read(name)

    numbers = stats.info(synth.synthesise(made_from, duration_ns=1800 * S, seed=5))

    level, jitter = made_from.level.rtt, made_from.jitter.added
    assert numbers.rtt_ns["p50"] == pytest.approx(level.p50 + jitter.p50, rel=0.2)
    assert level.p5 <= numbers.rtt_ns["p5"] <= level.p50 + jitter.p50
    assert level.p50 < numbers.rtt_ns["p95"] <= 1.1 * (level.p95 + jitter.p95)
    assert numbers.rates["down_rate"].bps["p50"] == pytest.approx(made_from.rate.down.p50, rel=0.25)
    assert (made_from.handover is not None) == (numbers.handovers is not None and numbers.handovers.clear)


def test_the_same_seed_gives_the_same_trace_and_another_seed_another():
    """A synthetic trace is a function of profile, duration and seed."""
    made_from = profile.read("starlink-mobile")
    one, again, other = (synth.synthesise(made_from, duration_ns=60 * S, seed=s) for s in (1, 1, 2))

    assert one.probes.value.tolist() == again.probes.value.tolist() != other.probes.value.tolist()
    assert one.provenance == again.provenance


def test_a_synthetic_trace_names_the_source_of_every_parameter():
    """Every number of a profile stands in the provenance with its source."""
    made = synth.synthesise(profile.read("starlink-mobile"), duration_ns=60 * S, seed=1)
    parameters = {parameter.name: parameter for parameter in made.provenance.parameters}

    assert Origin.SYNTHETIC is made.provenance.kind
    assert "36 ms" == parameters["level.rtt.p50"].value
    assert "87 times" in parameters["outage NO_PINGS.median"].source
    assert all(parameter.source for parameter in parameters.values())


def test_no_synthetic_probe_overtakes_another():
    """Answers come back in the order of their probes, as on a path that keeps order."""
    made = synth.synthesise(profile.read("starlink-isl"), duration_ns=120 * S, seed=2).probes

    assert np.all(np.diff((made.t_ns + made.value)[~made.lost]) >= 0)


def test_peaks_alone_show_the_cycle():
    """LeoCC's recording has no losses and hardly a step, but a peak at each handover."""
    found = handovers(store.read(recording("leocc/leoreplayer/replayer/example/Cubic/delay_example.txt")))

    assert found.clear
    assert found.phase_ns == pytest.approx(8.77 * S, abs=0.1 * S)


def test_rates_are_means_of_a_second_and_say_so():
    """Half a second at 0 is no second at 0; what comes before the first reading counts for nothing."""
    series = Series.of([10**9, 15 * 10**8], [0, 10_000_000])

    rate = stats.rate_of(series, 2 * 10**9)

    assert (5_000_000, 0.0, 10**9) == (rate.mean_bps, rate.zero_share, rate.window_ns)
