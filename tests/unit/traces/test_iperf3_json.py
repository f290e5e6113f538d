"""iperf3's JSON in all the shapes that its versions and options give it: which direction, and by which end."""

import json

import pytest

from testbed.errors import InputError
from testbed.model.trace import Framing, Layer, SeriesName, Trait
from testbed.traces import store
from tests.unit.traces.samples import written

UP, DOWN = SeriesName.UP_RATE, SeriesName.DOWN_RATE
MBPS = 10**6


def total(n, mbps, sender=None, **fields):
    """Return an interval's total from second n on."""
    said = {} if sender is None else {"sender": sender}
    counted = {"bytes": mbps * 125_000, "bits_per_second": mbps * 1e6}
    return {"start": n, "end": n + 1, "seconds": 1} | counted | said | fields


def result(intervals, start=(), test=(), **fields):
    """Return what iperf3 -J writes for these intervals."""
    test_start = {"protocol": "TCP", "reverse": 1, "blksize": 131072} | dict(test)
    begin = {"connected": [], "version": "iperf 3.12", "timestamp": {"timesecs": 1_700_000_000}}
    return {
        "start": begin | {"test_start": test_start} | dict(start),
        "intervals": intervals,
        "end": {},
    } | fields


def imported(folder, *documents):
    return store.import_file(
        written(folder, "\n".join(d if isinstance(d, str) else json.dumps(d) for d in documents))
    )


def rates(trace):
    return {name: (series.value // MBPS).tolist() for name, series in trace.series.items()}


DOWNLOAD = result([{"sum": total(n, rate, False)} for n, rate in enumerate((181, 0, 95))])
BOTH = [{"sum": total(n, 21 + n, True), "sum_bidir_reverse": total(n, 181 + n, False)} for n in range(3)]


def test_bidir_gives_both_directions(tmp_path):
    """What this end sent is up, what it received is down; the sender's side is marked."""
    trace = imported(tmp_path, result(BOTH, test={"reverse": 0, "bidir": 1}))

    assert {UP: [21, 22, 23], DOWN: [181, 182, 183]} == rates(trace)
    assert (Trait.SENDER_SIDE,) == trace.provenance.traits


@pytest.mark.parametrize("said", [(True, False), (None, None)])
def test_bidir_of_old_versions_writes_its_key_twice(said, tmp_path):
    """From 3.7 to 3.10 both totals are called `sum`; where no flag tells them apart the first is what was sent."""
    items = [
        f'{{"sum": {json.dumps(total(n, 21 + n, said[0]))}, "sum": {json.dumps(total(n, 181 + n, said[1]))}}}'
        for n in range(3)
    ]
    text = json.dumps(result([], test={"reverse": 0})).replace(
        '"intervals": []', f'"intervals": [{",".join(items)}]'
    )

    assert {UP: [21, 22, 23], DOWN: [181, 182, 183]} == rates(imported(tmp_path, text))


def test_a_stream_of_events_is_a_result(tmp_path):
    """--json-stream is read as -J is; without its end it says so."""
    events = [{"event": "start", "data": DOWNLOAD["start"]}]
    events += [{"event": "interval", "data": item} for item in DOWNLOAD["intervals"]]

    trace = imported(tmp_path, *events, '{"event": "interval", "da')

    assert {DOWN: [181, 0, 95]} == rates(trace)
    assert any("no 'end' event" in note for note in trace.provenance.notes)
    assert any("unfinished" in note for note in trace.provenance.notes)


def test_the_intervals_before_an_error_are_kept(tmp_path):
    """Ctrl-C and a lost connection end a test; what was counted counts."""
    trace = imported(tmp_path, DOWNLOAD | {"error": "error - interrupt - the client has terminated"})

    assert {DOWN: [181, 0, 95]} == rates(trace)
    assert ("iperf3 ended with: interrupt - the client has terminated",) == trace.provenance.notes


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([result([], error="error - unable to connect to server: No route to host")],
         "iperf3 failed: unable to connect to server: No route to host"),
        ([DOWNLOAD, DOWNLOAD], "file.txt:2: 2 results in one file; split them: one result a file"),
        ([[DOWNLOAD, DOWNLOAD]], "file.txt:1: 2 results in one file; split them: one result a file"),
        (["hello", DOWNLOAD], "file.txt:1: 'hello' is no JSON; give iperf3's JSON alone"),
        ([result([{"sum": total(n, 1)} for n in (0, 2)])], "interval 1: begins at 2 s, the one before ends at 1 s"),
        ([result([{"sum": total(0, 1, bits_per_second=None, bytes=None)}])], "interval 0: no rate"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_refused(documents, message, tmp_path):
    """A failed test, several results, text of others, a hole, an interval without a rate."""
    with pytest.raises(InputError) as error:
        imported(tmp_path, *documents)

    assert message in str(error.value)


def test_what_iperf3_says_around_its_json_is_no_content(tmp_path):
    """A warning in front and an error behind are iperf3's own; the error is kept as a note."""
    trace = imported(
        tmp_path, "warning: Verbose output (-v) may interfere", DOWNLOAD, "iperf3: error - Broken pipe"
    )

    assert {DOWN: [181, 0, 95]} == rates(trace)
    assert ("iperf3: error - Broken pipe",) == trace.provenance.notes


@pytest.mark.parametrize(
    ("reverse", "sender", "name", "traits"),
    [
        (0, False, UP, ()),
        (1, True, DOWN, (Trait.SENDER_SIDE,)),
        (0, None, UP, ()),
        (1, None, DOWN, (Trait.SENDER_SIDE,)),
    ],
)
def test_the_server_of_an_upload_received_it(reverse, sender, name, traits, tmp_path):
    """In a server's file the direction is still the client's, and the side is the server's."""
    start = {"accepted_connection": {"host": "192.0.2.1"}}

    trace = imported(tmp_path, result([{"sum": total(0, 21, sender)}], start, {"reverse": reverse}))

    assert {name: [21]} == rates(trace)
    assert traits == trace.provenance.traits


@pytest.mark.parametrize(
    ("start", "payload"), [({"tcp_mss": 536}, 524), ({"tcp_mss_default": 1200}, 1200), ({}, 1448)]
)
def test_an_mss_that_was_ordered_has_time_stamps_in_it(start, payload, tmp_path):
    """-M 536 leaves 524 bytes of payload in a frame of 590; an MSS that was met is payload."""
    trace = imported(tmp_path, result([{"sum": total(0, 21)}], start))

    assert {DOWN: Framing(Layer.TCP, payload)} == trace.framing


def test_nan_stands_where_nothing_was_counted(tmp_path):
    """C's -nan is no JSON; a rate that is nan is the interval's bytes over its time."""
    text = json.dumps(result([{"sum": total(0, 8, bits_per_second=None, lost_percent=None)}]))

    assert {DOWN: [8]} == rates(imported(tmp_path, text.replace("null", "-nan")))


def test_a_last_interval_of_no_length_is_left_out(tmp_path):
    """What came in no time has no rate."""
    last = {"sum": total(1, 0, end=1.0003, bits_per_second=9.2e9)}

    trace = imported(tmp_path, result([{"sum": total(0, 21)}, last]))

    assert {DOWN: [21]} == rates(trace)
    assert 10**9 == trace.duration_ns


def test_omitted_intervals_put_the_start_off(tmp_path):
    """-O counts from 0 again: the first interval that counts began later than the test."""
    items = [{"sum": total(n, 99, omitted=True)} for n in range(2)] + [
        {"sum": total(n, 21)} for n in range(2)
    ]

    trace = imported(tmp_path, result(items))

    assert {DOWN: [21, 21]} == rates(trace)
    assert 1_700_000_002 * 10**9 == trace.provenance.start_ns


def test_the_last_event_needs_no_end_of_line(tmp_path):
    """It is whole where it is JSON."""
    events = [{"event": "start", "data": DOWNLOAD["start"]}]
    events += [{"event": "interval", "data": item} for item in DOWNLOAD["intervals"]]

    assert {DOWN: [181, 0, 95]} == rates(imported(tmp_path, *events))
