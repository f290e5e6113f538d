"""A lost probe of a stop-and-wait prober stands for one cadence, not for the prober's time-out."""

import dataclasses

import numpy as np
import pytest

from testbed.model.trace import Loss, Origin, Provenance, Series, SeriesName, Trace, Trait
from testbed.traces import mine, stats
from testbed.traces.compile import compile_link
from testbed.traces.lint import lint
from testbed.traces.waits import waits

MS, S = 10**6, 10**9
PAUSE, GIVES_UP = 100 * MS, 5 * S


def stop_and_wait(lost, count=200, traits=(Trait.STOP_AND_WAIT,), rtt_ms=45.0, pause=PAUSE):
    """Return the recording of a prober that sends a pause after the answer, or after giving up."""
    rtt = (np.random.default_rng(1).normal(rtt_ms, 5, count) * MS).astype(np.int64)
    loss = np.isin(np.arange(count), lost)
    ends = np.cumsum(np.where(loss, GIVES_UP, rtt) + pause)
    t = np.concatenate(([0], ends[:-1]))
    series = Series.of(t, rtt, np.where(loss, Loss.UNKNOWN, Loss.NONE))
    provenance = Provenance(Origin.MEASURED, "a test", traits=traits)
    return Trace("t", provenance, {SeriesName.RTT: series}, int(ends[-1]))


def lost_ns(schedule):
    """Return how long a schedule loses everything."""
    spans = np.diff(np.append(schedule.t_ns, schedule.end_ns))
    return int(spans[schedule.loss == 1].sum())


@pytest.mark.parametrize("traits", [(Trait.STOP_AND_WAIT,), ()])
@pytest.mark.parametrize("pause", [PAUSE, 2 * MS])
def test_a_lost_probe_is_played_for_one_cadence(traits, pause):
    """Three lost of 200 lose three times pause and RTT of the time, declared or seen; not fifteen seconds."""
    recording = stop_and_wait([31, 61, 95], traits=traits, pause=pause, rtt_ms=25)

    up, down = compile_link(recording, duration_ns=recording.duration_ns, seed=1)

    assert lost_ns(up) + lost_ns(down) == pytest.approx(3 * (25 * MS + pause), rel=0.1)


def test_the_sample_in_front_of_a_loss_holds_until_the_next_probe():
    """From one cadence behind the lost probe's time on, the delay is that of the last answer."""
    recording = stop_and_wait([31])
    before, lost_at = int(recording.probes.value[30]), int(recording.probes.t_ns[31])

    up, _ = compile_link(recording, duration_ns=recording.duration_ns, seed=1)

    at = np.searchsorted(up.t_ns, lost_at + 3 * S, "right") - 1
    assert (before // 2, 0) == (up.delay_ns[at], up.loss[at])


def test_its_numbers_hold_no_time_out():
    """The longest interruption is one cadence, in `info` as in the worst windows."""
    recording = stop_and_wait([31, 61, 95])

    windows = {w.metric: w for w in mine.worst(recording, length_ns=10 * S, count=1)}

    assert stats.info(recording).losses.longest_ns == pytest.approx(145 * MS, rel=0.05)
    assert windows["interruption"].value == pytest.approx(145 * MS, rel=0.05)
    assert 3 == stats.info(recording).losses.lost


@pytest.mark.parametrize("traits", [(Trait.STOP_AND_WAIT,), ()])
def test_lint_says_what_was_assumed_and_what_it_changes(traits):
    """Cadence, hole, and the share of the time that is lost with and without the assumption."""
    recording = stop_and_wait([31, 61, 95], traits=traits)
    with_it, without = (3 * 145 * MS / recording.duration_ns, 3 * 5.1 * S / recording.duration_ns)

    found = {finding.code: finding for finding in lint(recording)}["stop-and-wait"]

    assert "5.1 s after a loss, 3 lost" in found.evidence
    assert f"{with_it * 100:.2f}"[:3] in found.consequence
    assert f"it were {without * 100:.1f}"[:9] in found.consequence


def test_losses_in_a_row_may_be_one_outage():
    """Two time-outs one behind the other are played as two short losses, and lint says so."""
    recording = stop_and_wait([31, 61, 62, 63, 95])

    assert (
        "2 lost probes follow a lost one"
        in {f.code: f for f in lint(recording)}["stop-and-wait-outages"].evidence
    )


def test_the_pause_between_two_measurements_is_no_time_out():
    """Three pings each four minutes, of which the third is lost, are no prober that waits four minutes."""
    t = (np.arange(12) // 3 * 240 + np.arange(12) % 3) * S
    loss = np.where(np.arange(12) % 3 == 2, Loss.UNKNOWN, Loss.NONE)
    provenance = Provenance(Origin.MEASURED, "a test")
    sparse = Trace("t", provenance, {SeriesName.RTT: Series.of(t, np.full(12, 40 * MS), loss)}, 1000 * S)

    assert waits(sparse) is None


@pytest.mark.parametrize("lost", [[31], [31, 61, 95], [30, 31, 32, 33, 80]])
def test_a_prober_with_a_beat_does_not_wait(lost):
    """Probes that go on during a loss are no stop-and-wait, nor is one hole behind a loss among many losses."""
    recording = stop_and_wait([], traits=())
    t = np.arange(200) * 100 * MS
    loss = np.isin(np.arange(200), lost)
    rtt = Series.of(t, recording.probes.value, np.where(loss, Loss.UNKNOWN, Loss.NONE))
    steady = dataclasses.replace(recording, series={SeriesName.RTT: rtt})

    assert waits(steady) is None
