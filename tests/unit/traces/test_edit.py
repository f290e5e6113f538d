"""Cut, spliced, scaled, repeated and joined traces keep their samples and their ancestry."""

import dataclasses

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import (
    EventKind,
    Framing,
    Layer,
    Loss,
    Origin,
    Parent,
    Provenance,
    Series,
    SeriesName,
    Trace,
    TraceEvent,
)
from testbed.traces import edit, slots

S = 10**9
PARENT = Parent("a.parquet", "00ff")
TCP = Framing(Layer.TCP, 1448)


def trace(name="t", seconds=60, start_ns=None, **series):
    t = np.arange(seconds) * S
    found = {SeriesName(key): value for key, value in series.items()} or {
        SeriesName.RTT: Series.of(t, t // 1000)
    }
    outage = TraceEvent(20 * S, EventKind.OUTAGE, 10 * S, "OBSTRUCTED")
    return Trace(
        name, Provenance(Origin.MEASURED, name, start_ns=start_ns, slot_ns=5 * S), found, seconds * S, (outage,)
    )


def test_a_part_keeps_its_samples_and_moves_its_clock():
    """Samples inside, outages cut to the part, start and slots moved with it, the parent named."""
    part = edit.cut(trace(start_ns=100 * S), 25 * S, 40 * S, [PARENT])

    assert list(range(15)) == (part.probes.t_ns // S).tolist()
    assert 25 * S // 1000 == part.probes.value[0]
    assert (TraceEvent(0, EventKind.OUTAGE, 5 * S, "OBSTRUCTED"),) == part.events
    assert 125 * S == part.provenance.start_ns
    assert (PARENT,) == part.provenance.parents
    assert "cut from 25000000000 to 40000000000 ns" == part.provenance.notes[-1]


def test_slots_of_a_part_stay_where_they_were():
    """A boundary at 5 s of the whole lies at 10 s of a part from 10 s on."""
    part = edit.cut(trace(), 10 * S, 40 * S)

    assert 10 * S == slots.first_boundary(part.provenance)


def test_a_rate_in_force_goes_along_with_a_part():
    """A rate that began before the part holds at its start; a lost probe before it does not."""
    whole = trace(
        rtt=Series.of([0, 9 * S, 30 * S], [1, 0, 3], [0, Loss.UNKNOWN, 0]),
        up_rate=Series.of([0, 20 * S], [7, 9]),
    )

    part = edit.cut(whole, 10 * S, 40 * S)

    assert ([0, 10 * S], [7, 9]) == (
        part.series[SeriesName.UP_RATE].t_ns.tolist(),
        part.series[SeriesName.UP_RATE].value.tolist(),
    )
    assert [20 * S] == part.probes.t_ns.tolist()


def test_parts_spliced_again_are_the_whole():
    """Cut in two and spliced, the samples are those of the trace."""
    whole = trace()

    again = edit.splice([edit.cut(whole, 0, 25 * S), edit.cut(whole, 25 * S, 60 * S)])

    assert whole.probes.t_ns.tolist() == again.probes.t_ns.tolist()
    assert whole.probes.value.tolist() == again.probes.value.tolist()
    assert whole.duration_ns == again.duration_ns


def test_rates_of_two_layers_are_not_spliced():
    """One factor holds for a whole series; joined and chosen series keep what was counted of them."""
    rate = dataclasses.replace(trace(up_rate=Series.of([0], [5])), framing={SeriesName.UP_RATE: TCP})

    with pytest.raises(InputError, match="its rates count frames, those of t tcp at 1448 bytes"):
        edit.splice([rate, trace(up_rate=Series.of([0], [5]))])
    assert {SeriesName.UP_RATE: TCP} == edit.join([trace(), rate]).framing
    assert {} == edit.only(rate, [SeriesName.RTT]).framing


def test_a_repeated_trace_is_as_long_as_its_repetitions():
    """Three times over: three times the samples, events and duration."""
    made = edit.repeat(trace(), 3)

    assert (180, 3, 180 * S) == (len(made.probes), len(made.events), made.duration_ns)


def test_a_scaled_trace_is_synthetic_and_keeps_its_losses():
    """Delays and rates are multiplied, losses stay, and it is no measurement any more."""
    whole = trace(rtt=Series.of([0, S], [100, 0], [0, Loss.DOWN]), down_rate=Series.of([0], [1000]))

    made = edit.scale(whole, delay=2, rate=0.5)

    assert ([200, 0], [0, Loss.DOWN]) == (made.probes.value.tolist(), made.probes.loss.tolist())
    assert [500] == made.series[SeriesName.DOWN_RATE].value.tolist()
    assert Origin.SYNTHETIC is made.provenance.kind


def test_recordings_join_on_their_clocks():
    """RTT from one and rate from another, 10 s later: the common time, both series, both sources."""
    rate = Series.of([0, 30 * S], [5, 6])
    joined = edit.join([trace("a", start_ns=100 * S), trace("b", start_ns=110 * S, down_rate=rate)])

    assert 50 * S == joined.duration_ns
    assert 110 * S == joined.provenance.start_ns
    assert 10 * S // 1000 == joined.probes.value[0]
    assert [0, 30 * S] == joined.series[SeriesName.DOWN_RATE].t_ns.tolist()
    assert "a; b" == joined.provenance.source


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: edit.cut(trace(), 0, 61 * S), "t: from 0 s to 61 s; the trace goes from 0 to 60 s"),
        (lambda: edit.scale(trace(), delay=0), "t: scaled by 0 and 1; scale by more than 0, up to 1000"),
        (lambda: edit.repeat(trace(), 0), "t: repeated 0 times; repeat at least once"),
        (lambda: edit.join([trace("a"), trace("b")]), "b: rtt is in a and in b; take each series from one"),
        (
            lambda: edit.join(
                [trace("a", start_ns=0), trace("b", start_ns=90 * S, up_rate=Series.of([0], [1]))]
            ),
            "a: no common time: a from 0 s, b from 90 s; join recordings taken at the same time",
        ),
        (
            lambda: edit.join([trace("a", start_ns=0), trace("b", up_rate=Series.of([0], [1]))]),
            "b: has no clock, others have; say where it begins: --offset NAME=5s",
        ),
        (
            lambda: edit.splice([trace("a"), trace("b", up_rate=Series.of([0], [1]))]),
            "b: has up_rate, a has rtt; splice traces of the same series",
        ),
    ],
)
def test_what_cannot_be_done_is_refused(action, message):
    """Each refusal names the trace, what was found and what would be right."""
    with pytest.raises(InputError) as error:
        action()

    assert str(error.value).startswith(message)
