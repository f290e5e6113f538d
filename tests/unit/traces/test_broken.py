"""Every format against every kind of damage: refused with the place, or read with a note; never a traceback."""

from collections.abc import Mapping
from typing import NamedTuple

import pytest

from testbed.errors import InputError
from testbed.traces import formats, store
from tests.unit.traces import samples
from tests.unit.traces.samples import DISH_COLUMNS, FILES, MODEM_COLUMNS


class Change(NamedTuple):
    """One piece of a file and what stands there instead; the message that it must give."""

    old: str
    new: str
    message: str


def of_tables(columns, field, row, value, made):
    """Return a table's bytes with one cell changed."""
    changed = dict(columns)
    changed[field] = [value if n == row else cell for n, cell in enumerate(columns[field])]
    return made(changed)


BILLION: Mapping[str, Change] = {
    "iputils-ping": Change("time=45.5 ms", "time=1000000000 ms", ":5: time is 1000000000 ms; a round trip"),
    "prefixed-ping": Change("time=48.2 ms", "time=1000000000 ms", ":4: time is 1000000000 ms; a round trip"),
    "windows-ping": Change("time=42ms", "time=1000000000ms", ":5: time is 1000000000 ms; a round trip"),
    "fping": Change("42.5 ms", "1000000000 ms", ":3: time is 1000000000 ms; a round trip"),
    "owping": Change(f"{samples.owp(0.03)}", f"{samples.owp(1e9)}", ":1: a one-way delay of 1e+12 ms"),
    "probe-tsv": Change("\t46.5", "\t1000000000", ":3: the RTT is 1000000000 ms; a round trip"),
    "irtt": Change('"rtt": 45000000', '"rtt": 1000000000000000', "round trip 0: "),
    "irtt-lines": Change("rtt=45.3ms", "rtt=1000000000ms", "is no reply of irtt's"),
    "lens-csv": Change(",40.5,", ",1000000000,", ":2: rtt is 1000000000; a round trip"),
    "csv-100ms": Change(",20,", ",1000000000,", ":1: up_delay is 1000000000; a round trip"),
    "csv": Change(",20.5", ",1000000000", ":2: rtt_ms is 1000000000; a round trip"),
    "iperf3-json": Change("100000000.0", "1e18", "interval 0: 0 to 0.1 s at 1e+18 bit/s"),
    "iperf3-text": Change(" 100 Mbits", " 1000000000 Mbits", ":4: 1.000000 s at 1000000000 Mbit/s"),
    "nuttcp": Change("20.4737 Mbps", "1000000000 Mbps", ":4: 0.50 s at 1000000000 Mbit/s"),
    "gnettrack": Change(",40,", ",1000000000,", ":2: PINGAVG is 1000000000; a round trip"),
    "flent": Change('"val": 32.5', '"val": 1e9', "Ping (ms) ICMP, value 1: 1000000000.0 ms; a round trip"),
    "mahimahi": Change("9\n", "10000000000\n", ":5: '10000000000'; write the millisecond"),
    "leocc-delay": Change("11\n", "1000000000\n", ":2: '1000000000'; write a one-way delay"),
    "ns-delays": Change("24000000", "1000000000000000", ":2: '1000000000000000'; write a one-way delay"),
    "dish-history": Change("31", "1e9", "a latency is no number of ms up to 10 minutes"),
    "dish-status": Change(
        '"popPingLatencyMs":32.5', '"popPingLatencyMs":1e9', "a latency is no number of ms"
    ),
    "ripe-atlas": Change('"rtt": 40.5', '"rtt": 1000000000', "record 0: rtt 1e+09 ms; a round trip"),
}
"""10^9 where a measured value stands."""

NUMBERED: Mapping[str, Change] = {
    "probe-tsv": Change("\t5\t", "\t1000000000\t", ":6: "),
    "irtt": Change('"seqno": 5', '"seqno": 1000000000', ": "),
    "irtt-lines": Change("seq=5", "seq=1000000000", ":6: seq is 1000000000 after 4"),
    "iputils-ping": Change("icmp_seq=7", "icmp_seq=1000000000", ":7: "),
    "prefixed-ping": Change("icmp_seq=4", "icmp_seq=1000000000", ":5: "),
    "fping": Change("[5]", "[1000000000]", ":6: "),
}
"""A probe's number of 10^9 must not make a thousand million probes."""

CLOCKS: Mapping[str, Change] = {
    "iputils-ping": Change("[1700000000.5", "[1300000000.5", ":5: the clock leaps back by"),
    "prefixed-ping": Change("[2023-11-14 17:13:24", "[2013-11-14 17:13:24", ":5: the clock leaps back by"),
    "fping": Change("[1700000000.50", "[1300000000.50", ":6: the clock leaps back by"),
    "owping": Change(f"5 {samples.owp(0.5)}", f"5 {samples.owp(-4e8)}", ":6: a one-way delay of 4e+11 ms"),
    "probe-tsv": Change("1700000000.60", "1300000000.60", ":5: the clock leaps back by"),
    "irtt": Change('"wall": 1700000000030000000', '"wall": 1300000000030000000', "the clock leaps back by"),
    "irtt-lines": Change("1700000000085000000", "1300000000085000000", "seq 4: the clock leaps back by"),
    "lens-csv": Change("1700000000010000000", "1300000000010000000", ":3: the clock leaps back by"),
    "csv-100ms": Change("26,100", "26,10000000", ":2: the clock leaps forward by"),
    "csv": Change("20,21", "3600000000,21", ":4: the clock leaps forward by"),
    "flent": Change('"t": 1700000000.8', '"t": 1300000000.8', "value 2: the clock leaps back by"),
    "gnettrack": Change("2019.11.28_07.00.03", "2009.11.28_07.00.03", ":5: the clock leaps back by"),
    "iperf3-json": Change('"start": 0.3,', '"start": 9.3,', "interval 3: 9.3 to 0.4 s"),
    "iperf3-text": Change("3.00-4.00", "0.00-1.00", ":7: interval 0-1 s follows 3 s"),
    "mahimahi": Change("5\n", "1\n5\n", ""),
    "dish-status": Change(
        "res: 2023-11-14T17:13:24", "res: 2013-11-14T17:13:24", ":5: the clock leaps back by"
    ),
    "ripe-atlas": Change('"timestamp": 1700001800', '"timestamp": 1300001800', "probe 1 pauses for"),
}
"""The time of a second clock amid those of the first."""

TIMELESS = {
    "windows-ping": "it prints no times",
    "nuttcp": "its intervals have lengths alone",
    "leocc-delay": "a line is 10 ms",
    "ns-delays": "a line is 10 ms",
    "dish-history": "a ring's entry is a second",
}
UNCUT = {
    "mahimahi": "a shorter list is a list",
    "leocc-delay": "a shorter list is a list",
    "ns-delays": "a shorter list is a list",
    "csv": "an empty cell is a lost probe",
    **dict.fromkeys(("iputils-ping", "windows-ping", "fping", "owping", "probe-tsv"), "as irtt-lines"),
    "irtt-lines": "written as it comes: the unfinished line is left out and noted",
    "dish-status": "written as it comes: the unfinished line is left out and noted",
}
"""What cannot be told from a good file, and why."""


def damaged(data):
    """Return broken copies of a file."""
    middle, line = len(data) // 2, data.rfind(b"\n", 0, len(data) // 2) + 1
    end = data.find(b"\n", line) if b"\n" in data[line:] else len(data)
    return {
        "empty": b"",
        "blank": b" \n\n",
        "binary": data[:middle] + b"\0\xff\xfe\x80" + data[middle:],
        "latin-1": data[:line] + b"\xe9" + data[line:],
        "cut": data[: line + max(1, (end - line) // 2)],
    }


def imported(folder, data, name=""):
    path = folder / "broken"
    path.write_bytes(data)
    return store.import_file(path, name)


def refusal(folder, name, change):
    """Return the words with which a format's file is refused that has the change."""
    text = FILES[name][0].decode()
    assert change.old in text
    with pytest.raises(InputError) as error:
        imported(folder, text.replace(change.old, change.new, 1).encode(), name)
    return str(error.value)


def test_every_format_stands_in_each_table():
    """A new importer is tried with values, clocks and cuts, or says why not."""
    tables = set(samples.TABLES)

    assert formats.FORMATS.keys() == BILLION.keys() | tables
    assert formats.FORMATS.keys() == CLOCKS.keys() | TIMELESS.keys() | tables


@pytest.mark.parametrize("damage", ["empty", "blank", "binary", "latin-1", "cut"])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused_with_its_name(name, damage, tmp_path):
    """Also where the format is given: one line that names the file, and the line where it has lines."""
    data = damaged(FILES[name][0])[damage]
    if damage == "cut" and name in UNCUT:
        notes = imported(tmp_path, data, name).provenance.notes
        assert any("cut short" in note for note in notes)
        return

    for given in ("", name):
        try:
            trace = imported(tmp_path, data, given)
        except InputError as error:
            assert str(error).startswith(str(tmp_path / "broken"))
            assert "\n" not in str(error)
        else:
            pytest.fail(f"read as {trace.provenance.made_by}")


@pytest.mark.parametrize("name", BILLION)
def test_a_value_of_ten_to_the_ninth_is_refused(name, tmp_path):
    """No path takes eleven days, no link has a petabit: the value is named."""
    message = refusal(tmp_path, name, BILLION[name])

    assert BILLION[name].message in message


@pytest.mark.parametrize("name", NUMBERED)
def test_a_number_of_ten_to_the_ninth_is_refused(name, tmp_path):
    """It is refused at once, before memory for all the probes between is asked for."""
    message = refusal(tmp_path, name, NUMBERED[name])

    assert f"broken{NUMBERED[name].message}" in message


def test_a_silence_of_days_takes_no_memory(tmp_path):
    """Two deliveries, twelve days apart, of which the last is one at 0 of the next round: two steps of the rate."""
    trace = imported(tmp_path, b"1\n1000000000\n", "mahimahi")

    rate = next(iter(trace.series.values()))
    assert [0, 2 * 10**6] == rate.t_ns.tolist()
    assert [12_000_000, 0] == rate.value.tolist()


@pytest.mark.parametrize("name", CLOCKS)
def test_two_clocks_are_refused(name, tmp_path):
    """A time from elsewhere amid the others names its line or record."""
    message = refusal(tmp_path, name, CLOCKS[name])

    assert CLOCKS[name].message in message


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("grpc-tools-parquet", samples.dish_parquet),
        ("grpc-tools-sqlite", samples.sqlite),
        ("grpc-tools-csv", samples.csv),
    ],
)
def test_a_dish_s_table_is_held_to_its_fields(name, made, tmp_path):
    """Latencies, shares and throughputs that no dish has."""
    for field, value, message in (
        ("pop_ping_latency_ms", 1e9, "a latency is no number of ms up to 10 minutes"),
        ("pop_ping_drop_rate", 1e9, "a drop rate lies outside 0 to 1"),
        ("downlink_throughput_bps", -1e9, "a throughput is no number of bit/s"),
    ):
        with pytest.raises(InputError, match=message):
            imported(tmp_path, of_tables(DISH_COLUMNS, field, 3, value, made), name)


@pytest.mark.parametrize(
    ("name", "made"), [("grpc-tools-sqlite", samples.sqlite), ("grpc-tools-csv", samples.csv)]
)
def test_a_dish_s_table_of_two_clocks_is_refused(name, made, tmp_path):
    """A row from another year names its row; a database is read by time, so that it leaps at its start."""
    with pytest.raises(InputError, match="the clock leaps"):
        imported(tmp_path, of_tables(DISH_COLUMNS, "time", 3, 1_300_000_000, made), name)


def test_a_modem_s_table_is_held_to_its_fields(tmp_path):
    """Two clocks of one modem, a field strength that no modem has, a time without zone."""
    for field, value, message in (
        ("@timestamp", "2015-03-27T11:50:03.500000+01:00", ":4: the clock leaps back by"),
        ("@timestamp", "2025-03-27T11:50:03.500000", ":4: @timestamp is .*; write ISO 8601, with a zone"),
        ("lte.lRsrp", "1000000000", "lte.lRsrp: not a RouterOS LTE recording: a value of 1e.09"),
    ):
        with pytest.raises(InputError, match=message):
            imported(tmp_path, of_tables(MODEM_COLUMNS, field, 3, value, samples.parquet), "routeros-lte")


@pytest.mark.parametrize("name", ["iperf3-text", "nuttcp", "iputils-ping"])
def test_a_recording_cut_between_two_lines_says_so(name, tmp_path):
    """What is there is read; that the end is missing is noted."""
    lines = FILES[name][0].decode().split("\n")

    trace = imported(tmp_path, "\n".join(lines[:6]).encode() + b"\n", name)

    assert any("cut short" in note or "no summary" in note for note in trace.provenance.notes)
