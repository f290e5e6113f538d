"""irtt's round trips are scanned as JSON has them: the same numbers, or refused."""

import gzip
import json

import numpy as np
import pytest

from testbed.errors import InputError
from testbed.model.trace import Loss, SeriesName, Trait
from testbed.traces import store
from tests.unit.traces.samples import written

START = 1_700_000_000_000_000_000
LOSSES = {7: "true", 8: "true_up", 9: "true_down"}


def trip(number, offset=0):
    sent, rtt = START + number * 20_000_000, 30_000_000 + 1000 * number
    lost = LOSSES.get(number, "false")
    answered = {"receive": {"wall": sent + rtt, "monotonic": 5}} if lost == "false" else {"receive": {}}
    delays = (
        {"receive": rtt // 3 - offset, "rtt": rtt, "send": rtt - rtt // 3 + offset} if lost == "false" else {}
    )
    return {
        "seqno": number,
        "lost": lost,
        "timestamps": {"client": answered | {"send": {"wall": sent, "monotonic": number}}, "server": {}},
        "delay": delays,
        "ipdv": {},
    }


def document(trips):
    return {"version": {"irtt": "0.9.1", "json_format": 1}, "stats": {}, "round_trips": trips}


@pytest.mark.parametrize("indent", [None, 1, 4, "\t"])
@pytest.mark.parametrize("count", [1, 2, 40])
def test_every_layout_gives_the_same_numbers(tmp_path, indent, count):
    """Pretty as irtt writes it, or on one line: numbers, losses and their directions are those of the JSON."""
    trips = [trip(n) for n in range(count)]

    trace = store.read(written(tmp_path, json.dumps(document(trips), indent=indent)))

    rtt = trace.probes
    lost = [LOSSES.get(n, "false") for n in range(count)]
    kinds = {"false": Loss.NONE, "true": Loss.UNKNOWN, "true_up": Loss.UP, "true_down": Loss.DOWN}
    assert [kinds[text] for text in lost] == rtt.loss.tolist()
    assert [t["delay"].get("rtt", 0) for t in trips] == rtt.value.tolist()
    assert [t["delay"].get("send", 0) for t in trips] == trace.series[SeriesName.UP_DELAY].value.tolist()
    assert [n * 20_000_000 for n in range(count)] == rtt.t_ns.tolist()
    assert trace.provenance.start_ns == START


def test_a_long_recording_is_read_in_blocks_without_a_seam(tmp_path, monkeypatch):
    """Round trips cut anywhere by the block's size are neither lost nor doubled; gzip reads alike."""
    monkeypatch.setattr("testbed.traces.formats.irtt._BLOCK", 5000)
    text = json.dumps(document([trip(n) for n in range(500)]), indent=4)
    packed = tmp_path / "irtt.json.gz"
    packed.write_bytes(gzip.compress(text.encode()))

    for path in (written(tmp_path, text), packed):
        probes = store.read(path).probes
        assert 500 == len(probes)
        assert np.all(np.diff(probes.t_ns) == 20_000_000)
        assert 3 == probes.lost.sum()


def test_clocks_that_differ_leave_one_way_delays_out(tmp_path):
    """Delays below zero tell that the clocks differ; the note says by how much."""
    trips = [trip(n, offset=10_000_000_000) for n in range(20)]

    trace = store.read(written(tmp_path, json.dumps(document(trips), indent=4)))

    assert [SeriesName.RTT] == list(trace.series)
    assert (Trait.OFFSET_CLOCKS,) == trace.provenance.traits
    assert "clocks differ by about 10.0" in trace.provenance.notes[0]


@pytest.mark.parametrize("keep", [0.02, 0.4, 0.9, 0.995])
def test_a_truncated_recording_is_refused(tmp_path, keep):
    """Cut in the header, in a round trip or behind the list: an input error that names the file."""
    text = json.dumps(document([trip(n) for n in range(50)]), indent=4)
    path = written(tmp_path, text[: int(len(text) * keep)])

    with pytest.raises(InputError) as error:
        store.import_file(path, "irtt")

    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seqno": 7}, "round trip 5 has number 7 after 4; give the whole recording"),
        (
            {"lost": "maybe"},
            "file.txt:125: round trip 5: not irtt round trips: lost is 'maybe'; give the file as its tool wrote it",
        ),
        ({"delay": {"rtt": 10**30}}, "irtt round trips: "),
        (
            {"delay": {"rtt": 10**12}},
            "round trip 5: rtt 1000000000000 ns; a round trip takes 0 to 10 minutes",
        ),
        (
            {"delay": {}},
            "file.txt:123: round trip 5: not irtt round trips: no 'rtt'; give the file as its tool wrote it",
        ),
        ({"timestamps": {"client": {"send": {"wall": 5}}}}, "round trip 5: the clock leaps back by"),
    ],
)
def test_a_round_trip_that_irtt_would_not_write_is_refused(tmp_path, change, message):
    """A hole in the numbers, an unknown kind of loss, a huge RTT, another clock: each named by its round trip."""
    trips = [trip(n) for n in range(7)]
    trips[5] |= change

    with pytest.raises(InputError) as error:
        store.read(written(tmp_path, json.dumps(document(trips), indent=4)))

    assert message in str(error.value)
