"""A dish's figures in its own words and in others' tables: what is not there is never a value."""

import json
import sqlite3

import pytest

from testbed.errors import InputError
from testbed.model.trace import SeriesName
from testbed.traces import store
from tests.unit.traces.samples import DISH_COLUMNS, csv, written

START = 1_700_000_000
UNKNOWN = ["", "0.0", "0", "NaN", "null", "-1"]


def table(folder, columns, name="dish.csv"):
    path = folder / name
    path.write_bytes(csv(columns))
    return path


def columns(latency, drop, **more):
    rows = range(len(latency))
    return {
        "time": [START + n for n in rows],
        "pop_ping_latency_ms": latency,
        "pop_ping_drop_rate": drop,
    } | more


def status(n, **fields):
    at = f"2024-11-24T10:00:{n:02}+00:00"
    return f"req: {at} | res: {at} | data: {json.dumps({'dishGetStatus': fields})}\n"


def database(folder, **rows):
    """Write tables of (time, id, drop, latency) as dish_grpc_sqlite.py does."""
    path = folder / "dish.db"
    with sqlite3.connect(path) as connection:
        for name, found in rows.items():
            connection.execute(
                f"CREATE TABLE {name} (time INTEGER, id TEXT, pop_ping_drop_rate REAL, pop_ping_latency_ms REAL)"
            )
            connection.executemany(f"INSERT INTO {name} VALUES (?, ?, ?, ?)", found)
    connection.close()
    return path


@pytest.mark.parametrize("latency", UNKNOWN)
def test_firmware_that_leaves_the_latency_out_gives_no_rtt(latency, tmp_path):
    """The path carried every ping: neither a round trip of 0 s nor a total loss."""
    trace = store.import_file(table(tmp_path, columns([latency] * 4, [0.0] * 4)))

    assert SeriesName.RTT not in trace.series
    assert [0] * 4 == trace.series[SeriesName.LOSS].value.tolist()
    assert "no reading has a latency, as with firmware 2024.11: the RTT is unknown" in trace.provenance.notes


@pytest.mark.parametrize("fields", [{}, {"popPingLatencyMs": 0}])
def test_status_replies_without_a_latency_give_no_rtt(fields, tmp_path):
    """What is 0 is left out of JSON: the drop rate is 0, the latency is not known."""
    text = "".join(status(n, downlinkThroughputBps=5, **fields) for n in range(3))

    trace = store.import_file(written(tmp_path, text))

    assert [SeriesName.LOSS] == list(trace.series)
    assert [0, 0, 0] == trace.series[SeriesName.LOSS].value.tolist()


def test_a_single_latency_that_is_missing_is_unknown_and_a_lost_second_is_lost(tmp_path):
    """Without a latency the drop rate decides: nothing lost and unknown, or lost."""
    trace = store.import_file(table(tmp_path, columns(["30", "", "", "31"], [0, 0, 0.5, 0])))

    assert [0, 2, 3] == (trace.probes.t_ns // 10**9).tolist()
    assert [False, True, False] == trace.probes.lost.tolist()
    assert [0, 0, 500_000, 0] == trace.series[SeriesName.LOSS].value.tolist()


def test_leoviz_has_no_drop_rate(tmp_path):
    """Its status CSV has RTT and usage; losses are unknown, and no latency is written as 0."""
    text = "timestamp,sinr,popPingLatencyMs,downlinkThroughputBps,uplinkThroughputBps\n"
    text += "".join(f"{START + n / 2},0,{latency},1000,100\n" for n, latency in enumerate((30.5, 0, 31)))

    trace = store.import_file(written(tmp_path, text))

    assert [SeriesName.RTT] == list(trace.series)
    assert [30_500_000, 31_000_000] == trace.probes.value.tolist()
    assert "no drop rate: losses are unknown" in trace.provenance.notes


def test_the_history_of_a_database_is_taken_before_its_status(tmp_path):
    """A row a second tells more than one a minute."""
    path = database(
        tmp_path,
        history=[(START + n, "ut0", 0.0, 30.0 + n) for n in range(120)],
        status=[(START + 60 * n, "ut0", 0.0, 99.0) for n in range(2)],
    )

    trace = store.import_file(path)

    assert 120 == len(trace.probes)
    assert "table history taken; table status with 2 rows left" in trace.provenance.notes


def test_an_empty_history_leaves_the_status(tmp_path):
    """dish_grpc_sqlite.py makes all its tables."""
    assert 2 == len(store.import_file(database(
        tmp_path, history=[], status=[(START + 60 * n, "ut0", 0.0, 99.0) for n in range(2)])).probes)  # fmt: skip


def test_dishes_are_not_mixed(tmp_path):
    """The one with the most rows is taken; the others are named."""
    rows = [(START + n, "ut1", 0.0, 30.0) for n in range(3)] + [(START, "ut0", 0.0, 90.0)]

    trace = store.import_file(database(tmp_path, status=rows))

    assert [30_000_000] * 3 == trace.probes.value.tolist()
    assert "dish ut1 taken; left: ut0 (1 rows)" in trace.provenance.notes


def test_a_dish_that_is_off_at_night_leaves_a_gap(tmp_path):
    """Nine hours without a row are no clock that was set."""
    found = columns(["30"] * 4, [0] * 4)
    found["time"][2:] = [START + 32_342, START + 32_343]

    trace = store.import_file(table(tmp_path, found))

    assert 4 == len(trace.probes)
    assert "no row for 8.984 h in front of line 4" in trace.provenance.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dishGetStatus": {"popPingLatencyMs": 30}}', "one reading is no recording; poll it, or use get_history"),
        (status(0, popPingLatencyMs=30), "one reading is no recording; poll it, or use get_history"),
        ('{"dishGetStatus": {}}\n{"dishGetStatus": {}}', "2 readings without their times"),
        ("".join(status(n, deviceInfo={"id": f"ut{n}"}) for n in range(2)), ":2: a second dish: ut0 and ut1"),
        ('{"dishGetHistory": {}}\n{"dishGetHistory": {}}', ":2: 2 answers in one file; split them"),
        ("timestamp,rtt,pop_ping_latency_ms\n1700000000,30,31\n",
         ":1: columns timestamp, rtt, pop_ping_latency_ms: round trips in rtt and in pop_ping_latency_ms, and no "
         "pop_ping_drop_rate; keep one of them"),
        ("2024-11-24T10:00:00,ut0,rev2,2024.11,CONNECTED,65470,,0.0,0.0,1.0,1.0,27.1\n",
         ":1: 12 columns without a header, the first of them times; add a first line that names them"),
        (csv(DISH_COLUMNS).decode() * 2, ":8: the header again: a second recording begins"),
    ],
)  # fmt: skip
def test_what_is_no_recording_of_one_dish_is_refused(text, message, tmp_path):
    """One reading, readings without times, several dishes, several answers, two RTTs, no header, two headers."""
    with pytest.raises(InputError) as error:
        store.import_file(written(tmp_path, text))

    assert message in str(error.value)


def test_a_reply_that_was_cut_short_is_left_out(tmp_path):
    """A recorder that was killed leaves half a line; a whole one without its end counts."""
    text = "".join(status(n, popPingLatencyMs=30) for n in range(3))

    cut, whole = (store.import_file(written(tmp_path, text[:-n])) for n in (20, 1))

    assert [2, 3] == [len(cut.probes), len(whole.probes)]
    assert any("line 3 is unfinished and left out" in note for note in cut.provenance.notes)


def test_a_history_without_a_zone_is_read_as_plain_csv_is(tmp_path):
    """The start is unknown; losses too, where no column tells them; fields are known by either spelling."""
    text = "timestamp,pop_ping_latency_ms,downlinkThroughputBps\n"
    text += "".join(f"2023-09-18 21:13:{25 + 10 * n}.295013,4{n}.5,1000\n" for n in range(3))

    trace = store.import_file(written(tmp_path, text))

    assert trace.provenance.start_ns is None
    assert [40_500_000, 41_500_000, 42_500_000] == trace.probes.value.tolist()
    assert {"times without a zone: the start is unknown", "no drop rate: losses are unknown"} == set(
        trace.provenance.notes
    )
    assert ["downlink usage bit/s"] == list(trace.context)
