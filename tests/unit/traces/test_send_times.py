"""A recording whose times are those of the answers is recognised, and corrected."""

import dataclasses

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import Loss, Origin, Provenance, Series, SeriesName, Trace, Trait
from testbed.traces.lint import lint
from testbed.traces.send_times import as_sent, steps

MS, S = 10**6, 10**9


def recording(received, jitter_ms=8.0, lost=()):
    """Return probes sent every 10 ms, at their send times or at those of the answers."""
    chance = np.random.default_rng(2)
    sent = np.arange(3000) * 10 * MS + chance.integers(0, MS, 3000)
    rtt = ((30 + chance.exponential(jitter_ms, 3000)) * MS).astype(np.int64)
    place = np.arange(3000)
    rtt = np.maximum.accumulate(sent + rtt - place) + place - sent  # no answer overtakes another
    loss = np.where(np.isin(np.arange(3000), lost), Loss.UNKNOWN, Loss.NONE)
    t = sent + rtt if received else sent
    order = np.argsort(t, kind="stable")
    series = Series.of(t[order] - t.min(), rtt[order], loss[order])
    provenance = Provenance(Origin.MEASURED, "a test", start_ns=1000 * S)
    return Trace("t", provenance, {SeriesName.RTT: series}, int(t.max() - t.min()) + 1)


def codes(trace):
    return {finding.code for finding in lint(trace)}


def test_receive_times_are_recognised_with_their_numbers():
    """The steps of t - RTT vary less than those of t, by the figures that lint gives."""
    found = steps(recording(True))

    assert found.received
    assert f"sd {found.less_rtt_ns / 1e6:.1f} ms against {found.recorded_ns / 1e6:.1f} ms" in next(
        finding.evidence for finding in lint(recording(True)) if finding.code == "receive-times"
    )


@pytest.mark.parametrize("jitter_ms", [0.0, 0.1, 8.0, 50.0])
def test_send_times_are_not_taken_for_receive_times(jitter_ms):
    """Whatever the jitter, a recording of send times is not faulted."""
    assert "receive-times" not in codes(recording(False, jitter_ms))


def test_lost_probes_and_placed_times_show_nothing():
    """Steps over a loss are twice as long whatever the times are, and times that were placed were not recorded."""
    t = np.arange(600) * S
    rtt = np.random.default_rng(1).normal(40, 8, 600) * MS
    loss = np.where(np.arange(600) % 40 == 7, Loss.UNKNOWN, Loss.NONE)
    even = Trace("t", Provenance(Origin.MEASURED, "a test"), {SeriesName.RTT: Series.of(t, rtt, loss)}, 600 * S)

    assert not steps(even).received
    placed = dataclasses.replace(even.provenance, traits=(Trait.NO_SEND_TIMES,))
    assert steps(dataclasses.replace(even, provenance=placed)) is None


def test_a_corrected_recording_has_its_probes_when_they_were_sent():
    """Each probe is its RTT earlier, in order, the clock's start too, and lint is content."""
    wrong, right = recording(True, lost=(5,)), recording(False, lost=(5,))

    corrected = as_sent(wrong)

    kept = ~corrected.probes.lost
    assert right.probes.value[~right.probes.lost].tolist() == corrected.probes.value[kept].tolist()
    assert (
        np.diff(right.probes.t_ns[~right.probes.lost]).tolist()
        == np.diff(corrected.probes.t_ns[kept]).tolist()
    )
    assert 1000 * S - wrong.probes.value[0] == corrected.provenance.start_ns
    assert 1 == corrected.probes.lost.sum()
    assert "receive-times" not in codes(corrected)


def test_nothing_can_be_corrected_without_rtts():
    """A trace of rates has no answers."""
    rates = {SeriesName.DOWN_RATE: Series.of([0], [1])}

    with pytest.raises(InputError, match="it has no RTTs to take from its times"):
        as_sent(Trace("rates", Provenance(Origin.MEASURED, "a test"), rates, 10))
