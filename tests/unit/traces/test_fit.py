"""A profile fitted on a recording makes traces like it, also like the half that it has not seen."""

import pytest

from testbed import load
from testbed.errors import InputError
from testbed.model.trace import Kind, Provenance, Series, SeriesName, Trace
from testbed.traces import edit, fit, profile, stats, store, synth
from testbed.traces.profile import Profile
from tests.unit.traces.recordings import recording

S = 10**9
ISL = "uvic-leonetem/latency/ping-example-isl.txt"


def test_a_fit_on_the_real_recording_has_its_statistics():
    """RTT quantiles within 10 %, losses within a third, gaps within 10 %, the same cycle."""
    original = store.read(recording(ISL))

    made = synth.synthesise(fit.fit(original), duration_ns=600 * S, seed=1)

    old, new = stats.info(original), stats.info(made)
    for quantile in ("p5", "p50", "p95"):
        assert old.rtt_ns[quantile] == pytest.approx(new.rtt_ns[quantile], rel=0.1)
    assert old.losses.share == pytest.approx(new.losses.share, rel=0.33)
    assert old.handovers.gap_ns == pytest.approx(new.handovers.gap_ns, rel=0.1)
    assert old.handovers.peak_ns == pytest.approx(new.handovers.peak_ns, rel=0.1)
    assert new.handovers.clear


def test_a_fit_on_one_half_predicts_the_other():
    """Median RTT within 15 %, losses within half, gap length within 10 % of the half not seen."""
    original = store.read(recording(ISL))
    half = original.duration_ns // 2
    seen, unseen = edit.cut(original, 0, half), stats.info(edit.cut(original, half, original.duration_ns))

    predicted = stats.info(synth.synthesise(fit.fit(seen), duration_ns=600 * S, seed=1))

    assert unseen.rtt_ns["p50"] == pytest.approx(predicted.rtt_ns["p50"], rel=0.15)
    assert unseen.losses.share == pytest.approx(predicted.losses.share, rel=0.5)
    assert unseen.handovers.gap_ns == pytest.approx(predicted.handovers.gap_ns, rel=0.1)


@pytest.mark.parametrize("name", ["starlink-bent-pipe", "starlink-isl", "lte", "starlink-kenya-2025"])
def test_a_fit_finds_the_profile_that_made_the_trace(name):
    """Synthesis, fit and synthesis again keep the quantiles of the RTT and the losses."""
    first = synth.synthesise(profile.read(name), duration_ns=1200 * S, seed=4)

    fitted = fit.fit(first)
    again = stats.info(synth.synthesise(fitted, duration_ns=1200 * S, seed=5))

    before = stats.info(first)
    for quantile in ("p5", "p50", "p95"):
        assert before.rtt_ns[quantile] == pytest.approx(again.rtt_ns[quantile], rel=0.12)
    assert before.losses.share == pytest.approx(again.losses.share, rel=0.6)
    assert (profile.read(name).handover is None) == (fitted.handover is None)


def test_a_fitted_profile_is_yaml_that_synth_reads():
    """What fit writes is read back with the same numbers."""
    fitted = fit.fit(synth.synthesise(profile.read("starlink-isl"), duration_ns=300 * S, seed=1))

    back = load.parse(fit.to_yaml(fitted, "a test"), Profile, "fit.yaml")

    assert fitted.level.rtt == back.level.rtt
    assert fitted.jitter.added == back.jitter.added
    assert fitted.handover.gap == back.handover.gap
    assert fitted.rate.down.p50 == pytest.approx(back.rate.down.p50, rel=1e-3)


def test_too_little_to_fit_is_refused():
    """A recording of a few probes makes no profile."""
    rtt = {SeriesName.RTT: Series.of([0, 1], [5, 5])}

    with pytest.raises(
        InputError, match="short: too few round-trip probes; fit on a recording with 100 or more"
    ):
        fit.fit(Trace("short", Provenance(Kind.MEASURED, "a test"), rtt, 2))
