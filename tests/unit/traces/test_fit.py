"""A profile fitted on a recording makes traces like it, also like the half that it has not seen."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import EventKind, Loss, Origin, Provenance, Series, SeriesName, Trace, TraceEvent
from testbed.traces import edit, fit, fit_yaml, profile, stats, store, synth
from testbed.traces.profile import Profile
from testbed.yaml import load
from tests.unit.traces.recordings import recording

S, MS = 10**9, 10**6
RAW = "nuwins-maine/datasets/maine_starlink_trip/raw"
ISL = "uvic-leonetem/latency/ping-example-isl.txt"


class Bounds(NamedTuple):
    """Relative errors that the synthesis may have: of the median and of p5 and p95, whole and by halves."""

    whole: float
    median_of_other_half: float | None = None
    tails_of_other_half: float | None = None


RECORDINGS: Mapping[str, Bounds] = {
    ISL: Bounds(0.12, 0.15, 0.4),  # ten slots: five levels a half
    "leocc/leoreplayer/replayer/example/Cubic/delay_example.txt": Bounds(0.08, 0.15, 0.2),
    "fjordlink/starlink-terminal-grpc-dump/2025-03-20-starlink/"
    "2025-03-20-15-39-38-starlink.parquet.gzip": Bounds(0.05, 0.07, 0.15),
    f"{RAW}/dish_history/20240527/112624035/dish_history.out": Bounds(0.05, 0.05, 0.1),
    f"{RAW}/verizon/20240527/143106371/ping_143540381.out": Bounds(0.05),  # 30 s: too short to halve
    f"{RAW}/starlink/20240527/110431666/ping_110809464.out": Bounds(0.05),
}


def quantiles(trace, names=("p5", "p50", "p95")):
    """Return RTT quantiles in ns; twice the one-way delay where there is no RTT."""
    ways = 1 if SeriesName.RTT in trace.series else 2
    found = stats.info(trace).rtt_ns
    return [found[name] * ways for name in names]


def resynthesised(trace):
    return synth.synthesise(fit.fit(trace), duration_ns=1200 * S, seed=5)


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_fit_on_a_real_recording_has_its_quantiles(name):
    """p5, p50 and p95 of the RTT of the synthesis are the recording's, within the bound."""
    original = store.read(recording(name))

    assert quantiles(original) == pytest.approx(
        quantiles(resynthesised(original)), rel=RECORDINGS[name].whole
    )


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", [name for name, bounds in RECORDINGS.items() if bounds.median_of_other_half])
def test_a_fit_on_one_half_predicts_the_other(name, swapped):
    """Fitted on the first half it has the second half's quantiles within the bounds, and the other way round."""
    original, bounds = store.read(recording(name)), RECORDINGS[name]
    half = original.duration_ns // 2
    halves = edit.cut(original, 0, half), edit.cut(original, half, original.duration_ns)
    seen, unseen = reversed(halves) if swapped else halves

    made = resynthesised(seen)

    assert quantiles(unseen, ["p50"]) == pytest.approx(
        quantiles(made, ["p50"]), rel=bounds.median_of_other_half
    )
    tails = ("p5", "p95")
    assert quantiles(unseen, tails) == pytest.approx(quantiles(made, tails), rel=bounds.tails_of_other_half)


def test_a_fit_keeps_losses_gaps_and_peaks_of_the_real_handovers():
    """Losses within a third, gaps and the first RTT behind them within 10 %, also of the half not seen."""
    original = store.read(recording(ISL))
    half = original.duration_ns // 2
    unseen = stats.info(edit.cut(original, half, original.duration_ns))

    made, predicted = (stats.info(resynthesised(seen)) for seen in (original, edit.cut(original, 0, half)))

    known = stats.info(original)
    assert known.losses.share == pytest.approx(made.losses.share, rel=0.33)
    assert known.handovers.gap_ns == pytest.approx(made.handovers.gap_ns, rel=0.1)
    assert known.handovers.peak_ns == pytest.approx(made.handovers.peak_ns, rel=0.1)
    assert unseen.losses.share == pytest.approx(predicted.losses.share, rel=0.33)
    assert unseen.handovers.gap_ns == pytest.approx(predicted.handovers.gap_ns, rel=0.1)
    assert made.handovers.clear


@pytest.mark.parametrize("name", profile.names())
def test_a_fit_finds_the_profile_that_made_the_trace(name):
    """Synthesis, fit and synthesis again keep RTT (p99: the highest of 80 levels), losses, rates and the cycle."""
    first = synth.synthesise(profile.read(name), duration_ns=1200 * S, seed=4)

    fitted = fit.fit(first)
    again = stats.info(synth.synthesise(fitted, duration_ns=1200 * S, seed=5))

    before = stats.info(first)
    for quantile, rel in (("p5", 0.08), ("p50", 0.08), ("p95", 0.08), ("p99", 0.2)):
        assert before.rtt_ns[quantile] == pytest.approx(again.rtt_ns[quantile], rel=rel), quantile
    if before.losses.share > 0.0001:  # of less, twenty minutes hold a handful
        assert before.losses.share == pytest.approx(again.losses.share, rel=0.6)
    for way in ("down_rate", "up_rate"):
        assert before.rates[way].bps["p50"] == pytest.approx(again.rates[way].bps["p50"], rel=0.25)
        assert before.rates[way].framing == again.rates[way].framing
    assert (profile.read(name).handover is None) == (fitted.handover is None)


def test_outages_are_fitted_by_their_causes():
    """Three hours on the road: each cause is found, about as often and as long as the profile says."""
    made_from = profile.read("starlink-mobile")

    fitted = fit.fit(synth.synthesise(made_from, duration_ns=3 * 3600 * S, seed=2))

    found = {outage.cause: outage for outage in fitted.outages}
    assert {outage.cause for outage in made_from.outages} >= found.keys() >= {"NO_DOWNLINK", "NO_PINGS"}
    for outage in made_from.outages[:2]:
        assert outage.every == pytest.approx(found[outage.cause].every, rel=0.5)
        assert outage.median == pytest.approx(found[outage.cause].median, rel=0.5)
        assert found[outage.cause].longest <= outage.longest
    assert fitted.bursts.longest < 1.1 * S


def test_the_real_dish_s_outages_are_fitted_by_their_causes():
    """As many of each cause as the dish lists, with their median and longest."""
    original = store.read(recording(f"{RAW}/dish_history/20240527/112624035/dish_history.out"))
    marked = [event for event in original.events if event.kind is EventKind.OUTAGE]

    fitted = {outage.cause: outage for outage in fit.fit(original).outages}

    assert {event.cause for event in marked} == fitted.keys()
    for cause, outage in fitted.items():
        lasted = [event.duration_ns for event in marked if event.cause == cause]
        assert (original.duration_ns // len(lasted), max(lasted)) == (outage.every, outage.longest)
        assert int(np.median(lasted)) == outage.median


def test_long_silence_without_a_mark_is_an_outage_of_its_own():
    """Runs of a second and more are no bursts; a mark names the cause of the run that it explains."""
    t = np.arange(12_000) * 10 * MS
    loss = np.zeros(len(t), np.uint8)
    for begin, length in ((1000, 300), (4000, 200), (6000, 1), (7000, 1), (8000, 2)):
        loss[begin : begin + length] = Loss.UNKNOWN
    rtt = 50 * MS + np.random.default_rng(1).exponential(3 * MS, len(t)).astype(np.int64)
    silent = Trace(
        "t", Provenance(Origin.MEASURED, "a test"), {SeriesName.RTT: Series.of(t, rtt, loss)}, 120 * S
    )
    marked = dataclasses.replace(silent, events=(TraceEvent(10 * S, EventKind.OUTAGE, 3 * S, "OBSTRUCTED"),))

    unnamed, named = fit.fit(silent), fit.fit(marked)

    assert [("UNANSWERED", 60 * S, 2500 * MS, 3 * S)] == [
        (o.cause, o.every, o.median, o.longest) for o in unnamed.outages
    ]
    assert [("OBSTRUCTED", 120 * S, 3 * S), ("UNANSWERED", 120 * S, 2 * S)] == [
        (o.cause, o.every, o.longest) for o in named.outages
    ]
    assert (40 * S, 2 / 3, 20 * MS) == (unnamed.bursts.every, unnamed.bursts.single, unnamed.bursts.longest)


def test_a_fitted_profile_is_yaml_that_synth_reads():
    """What fit writes is read back with the same numbers, outages included."""
    fitted = fit.fit(synth.synthesise(profile.read("starlink-mobile"), duration_ns=600 * S, seed=1))

    back = load.parse(fit_yaml.to_yaml(fitted, "a test"), Profile, "fit.yaml")

    assert (fitted.spread.rtt, fitted.spread.tail) == (back.spread.rtt, back.spread.tail)
    assert fitted.bursts.runs == back.bursts.runs
    assert fitted.handover.gaps == back.handover.gaps
    assert fitted.handover.gap == back.handover.gap
    assert fitted.rate.down.p50 == pytest.approx(back.rate.down.p50, rel=1e-3)
    assert fitted.rate.down.layer is back.rate.down.layer
    assert len(fitted.outages) == len(back.outages) > 0
    for written, read in zip(fitted.outages, back.outages, strict=True):
        assert (written.cause, written.source) == (read.cause, read.source)
        assert written.longest == pytest.approx(read.longest, rel=1e-5)


def test_too_little_to_fit_is_refused():
    """A recording of a few probes makes no profile."""
    rtt = {SeriesName.RTT: Series.of([0, 1], [5, 5])}

    with pytest.raises(
        InputError, match="short: too few round-trip probes; fit on a recording with 100 or more"
    ):
        fit.fit(Trace("short", Provenance(Origin.MEASURED, "a test"), rtt, 2))
