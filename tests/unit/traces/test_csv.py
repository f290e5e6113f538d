"""Columns and lists of numbers, written here: their units, their losses, and the cells that are refused."""

import sqlite3

import pytest

from testbed.errors import InputError
from testbed.model.trace import Loss, SeriesName
from testbed.traces import store
from tests.unit.traces.samples import written


@pytest.mark.parametrize(
    ("text", "losses"),
    [
        ("10.5,100,20.25,25,5000\n12,110,21,26,5100\n", None),
        ("10.5,100,20.25,25,0.0,0.5,5000\n12,110,21,26,1.0,0.0,5100\n", ([0, 10**6], [500_000, 0])),
    ],
)
def test_csv_every_100_ms_has_rates_delays_and_losses_by_direction(text, losses, tmp_path):
    """Five or seven columns without a header; time 0 is second 0 of a minute, so that the slots are known."""
    trace = store.import_file(written(tmp_path, text))

    assert "csv-100ms 1" == trace.provenance.made_by
    assert [10_500_000, 12_000_000] == trace.series[SeriesName.UP_RATE].value.tolist()
    assert [100_000_000, 110_000_000] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert [20_250_000, 21_000_000] == trace.series[SeriesName.UP_DELAY].value.tolist()
    assert [25_000_000, 26_000_000] == trace.series[SeriesName.DOWN_DELAY].value.tolist()
    assert 7 * 10**9 == trace.provenance.slot_ns
    assert 200_000_000 == trace.duration_ns
    if losses:
        shares = [trace.series[name].value.tolist() for name in (SeriesName.UP_LOSS, SeriesName.DOWN_LOSS)]
        assert losses == tuple(shares)


def test_a_share_of_losses_above_one_is_refused(tmp_path):
    """The seventh column's place is the time's; a percentage is no share."""
    path = written(tmp_path, "10,100,20,25,0,0,0\n12,110,21,26,50,0,100\n")

    with pytest.raises(
        InputError, match=r"file\.txt:2: up_loss is 50; a share of losses lies between 0 and 1"
    ):
        store.import_file(path)


def test_the_emulator_s_combined_csv_has_losses_by_direction(tmp_path):
    """With a header and the wall clock: rates, delays and shares of losses of each direction."""
    names = "uplink_delay_ms,downlink_delay_ms,uplink_packet_loss,downlink_packet_loss,wall_time_ns"

    trace = store.import_file(written(tmp_path, f"{names}\n20.5,25,0.1,0,1700000000000000000\n"))

    assert {"up_delay", "down_delay", "up_loss", "down_loss"} == set(trace.series)
    assert [100_000] == trace.series[SeriesName.UP_LOSS].value.tolist()
    assert 1_700_000_000 * 10**9 == trace.provenance.start_ns


def test_plain_csv_takes_its_units_from_its_names(tmp_path):
    """Named columns with units; an empty cell is a lost probe; other columns are noted."""
    trace = store.import_file(written(tmp_path, "t_ms,rtt_ms,down_mbps,mood\n0,20.5,100,good\n10,,90,bad\n"))

    assert [20_500_000, 0] == trace.probes.value.tolist()
    assert [False, True] == trace.probes.lost.tolist()
    assert "columns not read: mood" in trace.provenance.notes
    assert trace.provenance.start_ns is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_ms,rtt_ms\n0,abc\n", ":2: rtt_ms is 'abc'; write a number"),
        ("t_ms,rtt_ms\n0,1\n10\n", ":3: 1 columns; the table has 2"),
        ("t_ms,rtt_ms\n0,1e9\n", ":2: rtt_ms is 1e9; a round trip takes less than 10 minutes"),
        ("t_ms,down_mbps\n0,-1\n", ":2: down_mbps is -1; write a number from 0 that fits into 64 bits"),
        ("t_ms,rtt_ms\n", ": the table has no rows; give the whole recording"),
        ("t_ms,loss_pct\n0,101\n", ":2: loss_pct is 101; write a share from 0 to 100"),
        ("t_ms,uplink_packet_loss\n0,2\n", ":2: uplink_packet_loss is 2; write a share from 0 to 1"),
    ],
)
def test_a_bad_cell_is_refused_with_its_line(text, message, tmp_path):
    """Each cell that cannot be read names its line and its text."""
    path = written(tmp_path, text)

    with pytest.raises(InputError) as error:
        store.import_file(path)

    assert f"{path}{message}" == str(error.value)


def test_starlink_grpc_tools_as_sqlite_and_csv_agree(tmp_path):
    """The same status rows give the same series from a database and from text."""
    rows = [(1_700_000_000, 30.5, 0.0, 1e6, 2e5), (1_700_000_001, None, 1.0, 0.0, 0.0)]
    names = "time, pop_ping_latency_ms, pop_ping_drop_rate, downlink_throughput_bps, uplink_throughput_bps"
    with sqlite3.connect(tmp_path / "dish.db") as connection:
        connection.execute(f"CREATE TABLE status ({names})")
        connection.executemany("INSERT INTO status VALUES (?, ?, ?, ?, ?)", rows)
    connection.close()
    cells = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    text = written(tmp_path, "\n".join([names.replace(" ", ""), *cells]), "dish.csv")

    traces = [store.import_file(tmp_path / "dish.db"), store.import_file(text)]

    assert ["grpc-tools-sqlite 1", "grpc-tools-csv 1"] == [trace.provenance.made_by for trace in traces]
    for trace in traces:
        assert [30_500_000, 0] == trace.probes.value.tolist()
        assert [False, True] == trace.probes.lost.tolist()
        assert [0, 10**6] == trace.series[SeriesName.LOSS].value.tolist()


def test_delays_in_ns_take_their_losses_from_the_file_beside(tmp_path):
    """A list of delays and a list of 0 and 1 become one direction."""
    written(tmp_path, "0\n1\n0\n", "up_loss.txt")

    trace = store.import_file(written(tmp_path, "25000000\n24000000\n26000000\n", "up_delay.txt"))

    delays = trace.series[SeriesName.UP_DELAY]
    assert [25_000_000, 0, 26_000_000] == delays.value.tolist()
    assert [Loss.NONE, Loss.UP, Loss.NONE] == delays.loss.tolist()


@pytest.mark.parametrize(
    ("text", "start", "value"),
    [
        ("t_s\trtt_ms\n0\t20.5\n0.01\t21\n", None, 20_500_000),
        ("t_s;rtt_ms\n0;20.5\n0.01;21\n", None, 20_500_000),
        ('"T_ms","RTT_ms"\n"0","20.5"\n"10","21"\n', None, 20_500_000),
        ("# by hand\n\nt_s,rtt_ms\n0,20.5\n0.01,21\n", None, 20_500_000),
        ("sep=;\nt_s;rtt_ms\n0;20.5\n0.01;21\n", None, 20_500_000),
        ("epoch_us,rtt_us\n1700000000000000,20500\n1700000000010000,21000\n", 1_700_000_000 * 10**9, 20_500_000),
        ("timestamp,rtt_ms\n1700000000.25,20.5\n1700000000.5,21\n", 1_700_000_000_250_000_000, 20_500_000),
        ("time,rtt_ms\n2023-11-14 22:13:20 UTC,20.5\n2023-11-14 22:13:21 UTC,21\n", 1_700_000_000 * 10**9, 20_500_000),
        ("time,rtt_ms\n2023-11-14T23:13:20.5+0100,20.5\n2023-11-14T23:13:21+01,21\n",
         1_700_000_000_500_000_000, 20_500_000),
        ("time,rtt_ms\n2023-11-14 22:13:20,20.5\n2023-11-14 22:13:21,21\n", None, 20_500_000),
    ],
)  # fmt: skip
def test_csv_is_read_as_its_header_says(text, start, value, tmp_path):
    """Tabs and semicolons separate too; epochs in every unit, and ISO 8601 with a zone, tell the start."""
    trace = store.import_file(written(tmp_path, text))

    assert "csv 1" == trace.provenance.made_by
    assert start == trace.provenance.start_ns
    assert value == trace.probes.value[0]
    assert (start is None) == ("times without a zone: the start is unknown" in trace.provenance.notes)


def test_a_zone_by_name_is_not_read(tmp_path):
    """CEST does not say which hour is meant when clocks go back."""
    text = "time,rtt_ms\n2025-07-24 19:15:00 CEST,20.5\n2025-07-24 19:15:01 CEST,21\n"

    notes = store.import_file(written(tmp_path, text)).provenance.notes

    assert "the zone CEST is a name, no offset: not read" in notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_s;rtt_ms\n0;30,1\n", ":2: ';' between the columns and a comma in the number 30,1; write ',' between"),
        ("t_s\trtt_ms\n0,01\t30\n", ":2: '\\t' between the columns and a comma in the number 0,01; write ','"),
        ("24.5\n25.5\n", ":1: one number a line, such as 24.5, and no header; write CSV with a time"),
        ("timestamp,rtt_ms\n1753380000123,30\n", ":2: timestamp is 1753380000123; timestamp is in s; call it epoch_ms"),
        ("epoch_ns,rtt_ms\n1753380000,30\n", ":2: epoch_ns is 1753380000; epoch_ns is in ns; call it epoch_s"),
        ("timestamp,rtt\n1753380000123,30\n", ":2: timestamp is 1753380000123; timestamp is in s; call it epoch_ms"),
        ("timestamp,rtt,uplink,downlink\n1753380000123,30,20,10\n", "timestamp is in ns; call it epoch_ms"),
        ("timestamp,rtt\n1753380000,0.0305\n", "rtt is 0.0305 at the median: no ms of a radio link; name its unit"),
        ("1753380000,1,2,3,5\n1753380001,1,2,3,5\n", ":1: 5 columns of numbers without a header; add a first line"),
        ("time,rtt_ms\n2025-07-24 07:15:00 PM,1\n", "time is '2025-07-24 07:15:00 PM'; write hours from 0 to 23"),
        ("2025-07-24T19:15:00,20,\n", ":1: 3 columns without a header, the first of them times"),
        ("epoch_ns,rtt_ms\n1.73455E+18,30\n", "epoch_ns is 1.73455E+18: its last digits are lost; write it"),
        ("t_s,rtt_ms\n" + "".join(f"{n // 10},30\n" for n in range(40)),
         "36 of 40 rows have the very time of the row in front; write times finer"),
        ("time,rtt_ms\n0.5,30\n", ":2: time is 0.5: no epoch; call a time since the start t_s or t_ms"),
        ("t_s,rtt_ms\n0,30\n1,31\nt_s,rtt_ms\n0,30\n", ":4: the header again: a second recording begins"),
        ("t_ms,rtt_ms\n0,30\n10,31\n0,30\n", ":4: the clock leaps back by 10 ms: its times begin again"),
        ("time,rtt_ms\n2025-10-26 02:00:00,1\n2025-10-26 02:59:59,1\n2025-10-26 02:00:00,1\n",
         ":4: the clock leaps back by 59.98 min, as at the end of summer time; write the times as UTC"),
        ("t_s,rtt_ms\n0,30\n1,\"31\n2,32\n", ":3: no row of CSV"),
        ("time,rtt_ms\n2025-02-30 02:00:00,1\n", ":2: time is '2025-02-30 02:00:00'; write a date that there was"),
        ("time,rtt_ms\n9999-02-03 02:00:00,1\n", ":2: time is '9999-02-03 02:00:00'; write a date that there was"),
        ("t_s,rtt_ms,rtt_us\n0,30,1\n", "rtt_ms and rtt_us are the same (rtt); keep one of them"),
        ("t_s,t_ms,rtt_ms\n0,0,30\n", ":1: columns t_s, t_ms, rtt_ms: t_s and t_ms are times; keep one of them"),
        ("t_s,rtt_ms\n0,0\n", "column rtt_ms has no value; take it out"),
        ("1734547219312044032,29.5\n1734547219332015872,29.5\n",
         ":1: 2 columns of numbers without a header; add a first line that names them, such as epoch_ns,rtt_ms"),
        ("0.01 29.5\n0.02 29.5\n", ":1: 2 columns of numbers without a header; add a first line that names them, "
                                   "such as t_s,rtt_ms"),
        ("when,rtt_ms\n0,1\n", ":1: columns when, rtt_ms: none is known as a time (t_s, t_ms"),
        ("t_s,ping\n0,1\n", ":1: columns t_s, ping: none is known as a value (rtt_ms, rtt_us"),
        ("timestamp_start,download,upload\n2024-01-01T00:00:00Z,250,20\n",
         "download is 250 at the most: no bit/s; call the columns down_mbps and up_mbps"),
    ],
)  # fmt: skip
def test_a_table_that_leaves_a_doubt_is_refused(text, message, tmp_path):
    """With the place, the columns that were found, and what would be right."""
    with pytest.raises(InputError) as error:
        store.import_file(written(tmp_path, text))

    assert message in str(error.value)


def test_what_says_nothing_is_no_value(tmp_path):
    """An RTT of 0, a rate that is NaN: nothing is known at that time; empty and -1 are lost probes."""
    text = "t_ms,rtt_ms,down_mbps\n0,20,100\n10,0,NaN\n20,,90\n30,-1,null\n40,NaN,80\n"

    trace = store.import_file(written(tmp_path, text))

    assert [0, 20, 30, 40] == (trace.probes.t_ns // 10**6).tolist()
    assert [False, True, True, True] == trace.probes.lost.tolist()
    assert [100_000_000, 90_000_000, 80_000_000] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert {"1 rows say nothing of rtt_ms: left out", "2 rows say nothing of down_mbps: left out"} <= set(
        trace.provenance.notes
    )


def test_rows_of_two_recordings_joined_lose_no_probes(tmp_path):
    """Where rates have rows of their own, no probe was sent in them."""
    trace = store.import_file(written(tmp_path, "t_ms,rtt_ms,down_mbps\n0,20,\n5,,100\n10,21,\n15,,90\n"))

    assert [20_000_000, 21_000_000] == trace.probes.value.tolist()
    assert not trace.probes.lost.any()


def test_a_pause_of_hours_is_a_gap(tmp_path):
    """Of epochs a pause is one; nothing is known there, and nothing was lost."""
    text = "timestamp,rtt\n1700000000,20\n1700000001,21\n1700004201,22\n"

    trace = store.import_file(written(tmp_path, text))

    assert 3 == len(trace.probes)
    assert "no row for 70 min in front of line 4" in trace.provenance.notes


def test_rates_with_the_times_of_a_flush_are_refused(tmp_path):
    """25 rows of half a second each, written at once: 120 s would be read as 97."""
    rows = [f"{12.5 * (n // 25) + 0.0001 * (n % 25):.4f},100" for n in range(240)]

    with pytest.raises(InputError, match="of 240 rows have the time of the row in front: of the flush"):
        store.import_file(written(tmp_path, "\n".join(["t_s,down_mbps", *rows])))


def test_wetlinks_rates_are_bit_s(tmp_path):
    """Tests of some seconds with pauses between them, down and up in rows of their own."""
    rows = [f"2024-01-01T00:{3 * n // 5:02}:{n % 5:02}Z,{2e8 + n},nan" for n in range(10)]
    text = "\n".join(["timestamp_start,download,upload", *rows, "2024-01-01T00:30:00Z,nan,15000000"])

    trace = store.import_file(written(tmp_path, text))

    assert [round(2e8 + n) for n in range(10)] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert [15_000_000] == trace.series[SeriesName.UP_RATE].value.tolist()
    assert any("pauses between rates" in note for note in trace.provenance.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("t_s,mood\n0,1\n", ":1: columns t_s, mood: none is known as a value; name one rtt_ms or"),
        ("when,rtt_ms\n0,1\n", ":1: columns when, rtt_ms: none are times; name one t_s or"),
    ],
)
def test_a_table_that_is_said_to_be_csv_needs_a_time_and_a_value(text, message, tmp_path):
    """What --format says cannot make up for a column."""
    with pytest.raises(InputError) as error:
        store.import_file(written(tmp_path, text), "csv")

    assert message in str(error.value)


def test_rows_that_are_missing_every_100_ms_are_noted(tmp_path):
    """The row in front is held there."""
    notes = store.import_file(
        written(tmp_path, "1,2,3,4,0\n1,2,3,4,100\n1,2,3,4,500\n1,2,3,4,600\n")
    ).provenance.notes

    assert "1 times rows are missing, for 400 ms at the longest" in notes
