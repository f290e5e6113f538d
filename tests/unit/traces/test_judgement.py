"""A synthesis cannot be told from the recording that its profile was fitted on, by the bars of a fit."""

import dataclasses
import json

import numpy as np
import pytest

from testbed import cli
from testbed.errors import InputError
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
from testbed.traces import fit, judgement, store, synth
from testbed.traces.handover import handovers
from testbed.traces.likeness import likeness, step
from testbed.traces.round_trips import round_trips
from tests.unit.traces.recordings import recording

MS, S = 10**6, 10**9
RAW = "nuwins-maine/datasets/maine_starlink_trip/raw"
REAL = (
    "uvic-leonetem/latency/ping-example-isl.txt",
    "leocc/leoreplayer/replayer/example/Cubic/delay_example.txt",
    "fjordlink/starlink-terminal-grpc-dump/2025-03-20-starlink/2025-03-20-15-39-38-starlink.parquet.gzip",
    *(
        f"{RAW}/dish_history/20240527/{run}/dish_history.out"
        for run in ("111206328", "111834323", "112624035", "113232241", "113948151")
    ),
    f"{RAW}/dish_metrics/20240527/110426951/dish_status.out",
)


def made(t, rtt_ms, lost, events=(), **fields):
    """Return a recording of answers in their order."""
    rtt = (np.asarray(rtt_ms) * MS).astype(np.int64)
    rtt = np.maximum.accumulate(t + rtt) - t
    series = Series.of(t, rtt, np.where(lost, Loss.UNKNOWN, Loss.NONE))
    provenance = Provenance(Origin.MEASURED, "a test", **fields)
    return Trace("made", provenance, {SeriesName.RTT: series}, int(t[-1]) + 10 * MS, tuple(events))


def levels(chance, t, spread_ms, phase_s=0.0):
    slot = ((t / S - phase_s) // 15).astype(int) + 1
    return np.exp(chance.normal(0, spread_ms / 40, slot.max() + 1))[slot] * 40


def runs(chance, count, often, longest):
    lost = np.zeros(count, bool)
    for begin in np.flatnonzero(chance.random(count) < often):
        lost[begin : begin + min(longest, chance.geometric(0.6))] = True
    return lost


def bent_pipe():
    """Steps of some ms each 15 s in exponential jitter, single losses and a few gaps at boundaries."""
    chance = np.random.default_rng(1)
    t = np.arange(30_000) * 10 * MS
    lost = runs(chance, len(t), 0.002, 8)
    for at in range(15, 300, 30):
        lost[at * 100 : at * 100 + chance.integers(4, 12)] = True
    return made(t, levels(chance, t, 8) + chance.exponential(5, len(t)), lost, start_ns=12 * S)


def small_steps():
    """Steps that only the clock's boundaries show."""
    chance = np.random.default_rng(2)
    t = np.arange(60_000) * 10 * MS
    wander = np.repeat(chance.normal(0, 1, 600), 100)
    return made(t, levels(chance, t, 3, 7) + wander + chance.exponential(8, len(t)), t < 0, start_ns=5 * S)


def drifting():
    """A path without slots: the level wanders, losses come in bursts."""
    chance = np.random.default_rng(3)
    t = np.arange(6000) * 50 * MS
    wander = np.interp(t, np.arange(61) * 5 * S, chance.normal(60, 6, 61))
    return made(t, wander + chance.gamma(2, 3, len(t)), runs(chance, len(t), 0.004, 30))


def stop_and_wait():
    """A prober that waits 5 s for each of its lost probes."""
    chance = np.random.default_rng(4)
    lost = runs(chance, 4000, 0.024, 1)
    rtt = chance.normal(45, 6, 4000).clip(30)
    ends = np.cumsum(np.where(lost, 5000, rtt) + 100) * MS
    t = np.concatenate(([0], ends[:-1])).astype(np.int64)
    return made(t, rtt, lost, traits=(Trait.STOP_AND_WAIT,))


def dish():
    """Averages of a second, with outages of which a probe at times sees nothing."""
    chance = np.random.default_rng(5)
    t = np.arange(900) * S
    spans = [(50, 700), (200, 12_000), (400, 3000), (600, 700), (800, 5000)]
    lost = np.zeros(900, bool)
    for at, ms in spans:
        lost[at : at + ms // 1000] = True
    events = [TraceEvent(at * S, EventKind.OUTAGE, ms * MS, "OBSTRUCTED") for at, ms in spans]
    return made(t, levels(chance, t, 12) + chance.normal(0, 2, 900), lost, events, start_ns=12 * S)


KINDS = (bent_pipe, small_steps, drifting, stop_and_wait, dish)


def within_the_bars(trace):
    """Assert that the syntheses of three seeds are as near as is asked, and nearer than the halves."""
    profile, found = judgement.fitted(trace)
    assert () == found.missed
    probes = round_trips(trace)
    phase = fit.boundary(trace, probes, handovers(trace)) or 0
    for seed in (2, 3, 4):
        again = synth.synthesise(profile, duration_ns=trace.duration_ns, seed=seed)
        seen = likeness(probes, round_trips(again), (phase, 0))
        assert seen.ks <= max(found.halves.ks, 0.02)
        assert seen.p95_ratio == pytest.approx(1, abs=0.1)
        assert seen.step_ratio == pytest.approx(1, abs=0.2)
        assert seen.loss_factor <= 1.3
        assert seen.runs_p is None or seen.runs_p >= 0.01
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_a_made_recording_is_fitted_within_the_bars(kind):
    """Distribution, upper tail, steps, losses and their runs; and the halves that were not seen are judged too."""
    assert 2 == len(within_the_bars(kind()).unseen)


@pytest.mark.parametrize("name", REAL)
def test_a_real_recording_is_fitted_within_the_bars(name):
    """The same of each recording at hand that has slots enough."""
    within_the_bars(store.read(recording(name)))


@pytest.mark.parametrize("kind", [bent_pipe, small_steps, dish])
def test_what_was_fitted_on_one_half_is_as_near_to_the_other_as_the_halves_are(kind):
    """A fit adds nothing to the distance of the halves but the grain of its quantiles."""
    found = judgement.judge(kind(), fit.fit(kind()))

    assert max(one.ks for one in found.unseen) <= found.halves.ks + 0.03


def test_a_synthesis_steps_at_its_boundaries_and_not_elsewhere():
    """Steps that only the clock showed stay steps."""
    trace = small_steps()

    probes = round_trips(synth.synthesise(fit.fit(trace), duration_ns=trace.duration_ns, seed=6))

    assert step(round_trips(trace), 7 * S) == pytest.approx(step(probes, 0), rel=0.2)
    assert step(probes, 0) > 1.5 * step(probes, 7 * S)


def test_spikes_at_boundaries_stay_there():
    """A queue at each boundary that loses nothing is made again: half of the highest RTTs are behind boundaries."""
    chance = np.random.default_rng(7)
    t = np.arange(20_000) * 10 * MS
    queue = 80 * np.exp(-(t % (15 * S)) / (60 * MS)) * (t >= 15 * S)
    trace = made(t, levels(chance, t, 8) + chance.exponential(4, len(t)) + queue, t < 0, start_ns=12 * S)

    profile = fit.fit(trace)
    again = synth.synthesise(profile, duration_ns=trace.duration_ns, seed=3).probes

    assert 0 == profile.handover.gaps[0].lasted
    for probes in (trace.probes, again):
        high = probes.t_ns[probes.value > np.percentile(probes.value, 99.8)]
        assert (high % (15 * S) < S).mean() > 0.5


def test_lost_probes_of_a_prober_that_waits_are_no_time_outs():
    """The synthesis loses as many of its probes as the recording, and none for seconds."""
    trace = stop_and_wait()

    probes = round_trips(synth.synthesise(fit.fit(trace), duration_ns=600 * S, seed=1))

    assert probes.lost.mean() == pytest.approx(trace.probes.lost.mean(), rel=0.15)


def test_what_is_mostly_lost_is_not_fitted():
    """The few answers of a recording that was away most of the time say nothing of a path."""
    trace = bent_pipe()
    loss = np.where(np.arange(30_000) < 20_000, Loss.UNKNOWN, trace.probes.loss)
    away = Series.of(trace.probes.t_ns, trace.probes.value, loss)

    with pytest.raises(InputError, match="of its probes are lost: what answered is not the path"):
        fit.fit(dataclasses.replace(trace, series={SeriesName.RTT: away}))


def test_a_path_that_changed_for_good_is_not_fitted():
    """Halves that do not overlap are two paths; one profile would go to and fro between them."""
    trace = bent_pipe()
    rtt = trace.probes.value + np.where(np.arange(30_000) < 15_000, 0, 200 * MS)
    series = Series.of(trace.probes.t_ns, rtt, trace.probes.loss)

    with pytest.raises(InputError, match="its halves are two paths"):
        judgement.fitted(dataclasses.replace(trace, series={SeriesName.RTT: series}))


@pytest.mark.parametrize("rtt_ms", [[30.0], [30.0, 31.0, 31.0]])
def test_a_path_that_hardly_moves_is_fitted(rtt_ms):
    """A constant, and two values of a rounding clock, come back as they are."""
    t = np.arange(20_000) * 10 * MS

    _, found = judgement.fitted(made(t, np.resize(rtt_ms, len(t)), t < 0))

    assert (1.0, 1.0) == (found.synthesis.p95_ratio, found.synthesis.step_ratio)


def test_a_fit_is_reported_as_text_and_as_json(tmp_path, monkeypatch, capsys):
    """The figures of the synthesis, of the halves, and of each half not seen."""
    monkeypatch.chdir(tmp_path)
    store.write(dish(), tmp_path / "dish.parquet")

    assert 0 == cli.main(["trace", "fit", "dish.parquet", "-o", "dish.yaml"])
    assert "second half, fit on other" in capsys.readouterr().out
    assert 0 == cli.main(["trace", "fit", "dish.parquet", "-o", "dish.yaml", "--json"])

    told = json.loads(capsys.readouterr().out)
    assert {"slots", "synthesis", "halves", "unseen", "why", "missed"} == told.keys()
    assert (59, 2, []) == (told["slots"], len(told["unseen"]), told["missed"])
    assert told["synthesis"]["step_ratio"] == pytest.approx(1, abs=0.2)


def test_a_short_recording_says_that_little_is_asked():
    """A half that is too little is not judged, and the reason is given."""
    trace = drifting()
    t = trace.probes.t_ns[:150]
    short = dataclasses.replace(
        trace, series={SeriesName.RTT: Series.of(t, trace.probes.value[:150])}, duration_ns=int(t[-1]) + 1
    )

    found = judgement.judge(short, fit.fit(short))

    assert ((), 0) == (found.missed, found.slots)
    assert "too few round-trip probes" in found.why
