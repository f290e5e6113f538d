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
        ("t_ms,down_mbps\n0,-1\n", ":2: down_mbps is '-1'; write a number"),
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
