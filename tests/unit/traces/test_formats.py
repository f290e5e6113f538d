"""Every importer on real recordings and on broken copies of them: no sample lost, none invented, no traceback."""

import itertools
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from testbed.errors import InputError
from testbed.model.trace import EventKind, Framing, Layer, Loss, SeriesName, Trait
from testbed.traces import formats, store
from tests.unit.traces.recordings import recording

RAW = "nuwins-maine/datasets/maine_starlink_trip/raw"
RUN = f"{RAW}/starlink/20240527/110431666"
SAMPLES: Mapping[str, str] = {
    "iputils-ping": "uvic-leonetem/latency/ping-example-isl.txt",
    "prefixed-ping": f"{RUN}/ping_110809464.out",
    "probe-tsv": "uvic-mmsys24/src/latency-excerpt/first-300-lines.txt",
    "irtt": "uvic-lens/irtt_sample_from_README.json",
    "lens-csv": "uvic-lens/irtt_csv_sample_from_README.csv",
    "iperf3-json": "uvic-mmsys24/src/throughput/downlink/isl-iperf3-0.1s-2m-2023-09-21-06-10-00.json",
    "nuttcp": f"{RUN}/tcp_downlink_110434704.out",
    "mahimahi": "mahimahi/traces/Verizon-LTE-short.up",
    "leocc-delay": "leocc/leoreplayer/replayer/example/Cubic/delay_example.txt",
    "dish-history": f"{RAW}/dish_history/20240527/112624035/dish_history.out",
    "dish-status": f"{RAW}/dish_metrics/20240527/110426951/dish_status.out",
    "grpc-tools-parquet": "fjordlink/starlink-terminal-grpc-dump/2025-03-20-starlink/"
    "2025-03-20-15-39-38-starlink.parquet.gzip",
    "routeros-lte": "fjordlink/5G-router-dump/2025-03-27-wan/2025-03-27-12-05-09-wan.parquet.gzip",
    "ripe-atlas": "ripe-atlas-starlink/output.json",
    "csv": f"{RUN}/ping_110809464.csv",
}
BINARY = {"grpc-tools-parquet", "routeros-lte"}


def count(pattern: str, path: Path) -> int:
    return len(re.findall(pattern, path.read_text(), re.MULTILINE))


def readings(path: Path) -> tuple[int, int]:
    """Return how many readings the importer found, and how many of them were lost; of context, all series."""
    trace = store.import_file(path)
    found = [trace.probes or next(iter(trace.series.values()))] if trace.series else trace.context.values()
    return sum(map(len, found)), sum(int(series.lost.sum()) for series in found)


def by_json(path: Path, skip: int = 0) -> object:
    lines = path.read_text().splitlines()
    return json.loads("\n".join(lines[skip : len(lines) - skip]))


def of_ping(path: Path) -> tuple[int, int]:
    text = path.read_text()
    answered = {int(n) for n in re.findall(r"bytes from .*icmp_seq=(\d+)", text)}
    told = re.search(r"(\d+) packets transmitted", text)
    sent = int(told[1]) if told else max(answered) - min(answered) + 1
    return sent, sent - len(answered)


def of_history(path: Path) -> tuple[int, int]:
    history = by_json(path, 1)["dishGetHistory"]
    filled = min(int(history["current"]), len(history["popPingDropRate"]))
    silent = zip(history["popPingDropRate"], history["popPingLatencyMs"], strict=True)
    return filled, sum(drop == 1 or (drop > 0 and latency in (0, None, "NaN")) for drop, latency in silent)


def of_deliveries(path: Path) -> tuple[int, int]:
    """Count the changes of the number of deliveries a millisecond."""
    at = Counter(int(line) for line in path.read_text().split())
    period = max(at)
    at[0] += at.pop(period)
    counts = [at.get(ms, 0) for ms in range(period)]
    return 1 + sum(one != other for one, other in itertools.pairwise(counts)), 0


def of_modems(path: Path) -> tuple[int, int]:
    columns = [
        name
        for name in pq.read_schema(path).names
        if re.fullmatch(r"lte\.l(Nr)?(Rssi|Rsrp|Rsrq|Sinr|Cqi)", name)
    ]
    cells = (cell for column in pq.read_table(path, columns=columns).columns for cell in column.to_pylist())
    return sum(cell != "" for cell in cells), 0


def of_atlas(path: Path) -> tuple[int, int]:
    packets = [packet for result in by_json(path) for packet in result["result"]]
    return len(packets), sum("rtt" not in packet for packet in packets)


COUNTS: Mapping[str, Callable[[Path], tuple[int, int]]] = {
    "iputils-ping": of_ping,
    "prefixed-ping": of_ping,
    "probe-tsv": lambda p: (count(r"^\d", p), count(r"\t-1$", p)),
    "irtt": lambda p: (count(r'"seqno"', p), count(r'"lost": "true', p)),
    "lens-csv": lambda p: (count(r"^\d", p), count(r",-1", p)),
    "iperf3-json": lambda p: (len(by_json(p)["intervals"]), 0),
    "nuttcp": lambda p: (count(r" [KMG]?B / .*sec = .*bps +\d+ retrans", p), 0),
    "mahimahi": of_deliveries,
    "leocc-delay": lambda p: (count(r"^\d", p), 0),
    "dish-history": of_history,
    "dish-status": lambda p: (count(r"^req: ", p), count(r'"popPingDropRate":1,', p)),
    "grpc-tools-parquet": lambda p: (pq.read_metadata(p).num_rows, 0),
    "routeros-lte": of_modems,
    "ripe-atlas": of_atlas,
    "csv": lambda p: (count(r"^20", p), 0),
}
"""How many readings and losses a file has, counted without the importers."""


@pytest.mark.parametrize("name", SAMPLES)
def test_a_format_is_recognised_by_content(name, tmp_path):
    """A recording is recognised under any name."""
    path = tmp_path / "nameless"
    path.write_bytes(recording(SAMPLES[name]).read_bytes())

    assert name == formats.recognise(path).name


def of_format(name: str) -> list[Path]:
    """Return every file at hand that an importer takes for its own."""
    folder = recording(SAMPLES["iputils-ping"]).parents[2]
    files = (path for path in sorted(folder.rglob("*.*")) if path.is_file() and path.suffix != ".md")
    return [path for path in files if recognised(path) == name]


@cache
def recognised(path: Path) -> str:
    try:
        return formats.recognise(path).name
    except InputError:
        return ""


EMPTY = re.compile(r"no probes|no rows|write ISO 8601")
"""What is refused among the recordings: tests that never ran, and the tables made from them."""


@pytest.mark.parametrize("name", COUNTS)
def test_no_reading_is_lost_or_invented(name):
    """Of every file of a format readings and losses are as many as an independent count of it finds."""
    compared = 0
    for path in of_format(name):
        try:
            found = readings(path)
        except InputError as error:
            assert EMPTY.search(str(error)), str(error)
            continue
        assert COUNTS[name](path) == found, path
        compared += 1

    assert compared > 0


def test_deliveries_keep_their_bits():
    """A mahimahi trace lets as many bits pass as it has lines of 1,500 bytes."""
    path = recording(SAMPLES["mahimahi"])

    trace = store.import_file(path)

    rate = trace.series[SeriesName.UP_RATE]
    spans = np.diff(np.append(rate.t_ns, trace.duration_ns))
    assert count(r"^\d", path) * 12_000 == round(float((rate.value * spans).sum() / 1e9))


def test_every_modem_of_a_router_keeps_its_readings():
    """The signal strengths of four modems become context, negative as they are."""
    path = recording(SAMPLES["routeros-lte"])
    column = pq.read_table(path)["lte.lRsrp"].to_pylist()

    context = store.import_file(path).context
    rsrp = [series for name, series in context.items() if name.endswith("RSRP dBm") and " NR " not in name]

    assert 4 == len(rsrp)
    assert sum(value != "" for value in column) == sum(map(len, rsrp))
    assert all(series.value.max() < 0 for series in rsrp)


def test_dish_outages_are_placed_by_gps_time():
    """The outages of a history lie where its drop rate says so, not 18 s or decades away."""
    trace = store.import_file(recording(SAMPLES["dish-history"]))

    drops = trace.series[SeriesName.LOSS]
    outages = [
        event for event in trace.events if event.kind is EventKind.OUTAGE and event.duration_ns > 10**9
    ]
    hits = [
        drops.value[max(0, int(event.t_ns / 1e9) - 2) : int((event.t_ns + event.duration_ns) / 1e9) + 4].max()
        > 100_000
        for event in outages
    ]

    assert len(outages) >= 3
    assert np.mean(hits) > 0.6


def test_the_outages_of_status_replies_are_as_many_as_were_told():
    """Each start that the replies name is one outage, as long as the last of them says."""
    path = recording(SAMPLES["dish-status"])
    told = re.findall(
        r'"outage":{"cause":"(\w+)","startTimestampNs":"(\d+)","durationNs":"(\d+)"', path.read_text()
    )
    longest = {begin: max(int(d) for _, b, d in told if b == begin) for _, begin, _ in told}

    events = store.import_file(path).events

    assert sorted(longest.values()) == sorted(event.duration_ns for event in events)
    assert {cause for cause, _, _ in told} == {event.cause for event in events}


def damaged(data: bytes) -> dict[str, bytes]:
    """Return broken copies of a file."""
    middle = len(data) // 2
    lines = data.splitlines(keepends=True)
    numbers = re.compile(
        rb"(?<=time=)[\d.]+|(?<=\t)[\d.]+$|(?<=,)[\d.]+(?=,|$)|(?<=\"rtt\": )\d+|^\d+$", re.MULTILINE
    )
    return {
        "empty": b"",
        "blank": b" \n\n",
        "binary": data[:middle] + b"\0\xff\xfe\x80" + data[middle:],
        "utf-16": data.decode("latin-1").encode("utf-16"),
        "huge": numbers.sub(b"1" + b"0" * 30, data),
        "cut": b"".join(lines[: len(lines) // 2])
        + lines[len(lines) // 2][: max(2, len(lines[len(lines) // 2]) // 2)],
    }


DAMAGES = ("empty", "blank", "binary", "utf-16", "huge", "cut")
UNTOLD = {  # damage that leaves a good file, or finds nothing to damage
    "cut": {"leocc-delay", "mahimahi", "csv"},
    "huge": {"nuttcp", "dish-status", "dish-history", "iperf3-json", "ripe-atlas", *BINARY},
}


@pytest.mark.parametrize(
    ("name", "damage"), [(n, d) for n in SAMPLES for d in DAMAGES if n not in UNTOLD.get(d, set())]
)
def test_a_broken_copy_is_refused_with_its_place(name, damage, tmp_path):
    """A damaged recording is an InputError that names the file, whatever the damage."""
    data = recording(SAMPLES[name]).read_bytes()
    path = tmp_path / "broken"
    path.write_bytes(damaged(data)[damage])

    with pytest.raises(InputError) as error:
        store.import_file(path, "" if damage in ("empty", "blank", "utf-16") else name)

    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("name", "stamp", "other"),
    [
        ("iputils-ping", rb"^\[17234892", b"[13234892"),
        ("probe-tsv", rb"^169447", b"129447"),
        ("lens-csv", rb"^1705", b"1305"),
        ("prefixed-ping", rb"^\[2024-", b"[2014-"),
        ("dish-status", rb"res: 2024", b"res: 2014"),
        ("csv", rb"^2024", b"2014"),
    ],
)
def test_two_clocks_in_one_file_are_refused(name, stamp, other, tmp_path):
    """Where the clock leaps by years the line is named."""
    data = recording(SAMPLES[name]).read_bytes()
    middle = data.index(b"\n", len(data) // 3) + 1
    path = tmp_path / "mixed"
    path.write_bytes(data[:middle] + re.sub(stamp, other, data[middle:], flags=re.MULTILINE))

    with pytest.raises(InputError, match=rf"mixed:{data.count(10, 0, middle) + 1}: the clock leaps back"):
        store.import_file(path, name)


def test_the_whole_folder_is_read_or_refused():
    """Of all files below the trace folders each is imported or refused: nothing else is raised."""
    folder = recording(SAMPLES["iputils-ping"]).parents[2]
    imported = 0
    for path in sorted(folder.rglob("*.*")):
        if path.is_file() and path.suffix != ".md":
            try:
                imported += len(store.import_file(path).series) >= 0
            except InputError as error:
                assert str(error).startswith(str(path))

    assert imported > 50


# --- formats of which no real sample is at hand: written here as their tools write them


IPERF_TEXT = """Connecting to host 192.0.2.1, port 5201
Reverse mode, remote host 192.0.2.1 is sending
[  5] local 192.0.2.2 port 41002 connected to 192.0.2.1 port 5201
[ ID] Interval           Transfer     Bitrate
[  5]   0.00-1.00   sec  12.5 MBytes   105 Mbits/sec
[  5]   1.00-2.00   sec  0.00 Bytes  0.00 bits/sec
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Retr
[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec    0             sender
[  5]   0.00-2.00   sec  12.5 MBytes  52.4 Mbits/sec                  receiver

iperf Done.
"""


def written(folder: Path, text: str, name: str = "file.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_iperf3_text_gives_intervals_and_no_totals(tmp_path):
    """A reverse test is the rate down; its totals are not intervals."""
    trace = store.import_file(written(tmp_path, IPERF_TEXT))

    assert "iperf3-text 1" == trace.provenance.made_by
    assert [105_000_000, 0] == trace.series[SeriesName.DOWN_RATE].value.tolist()
    assert 2 * 10**9 == trace.duration_ns


def test_a_missing_iperf3_interval_is_refused(tmp_path):
    """A hole between intervals names the line behind it."""
    text = IPERF_TEXT.replace("1.00-2.00", "1.50-2.00")

    with pytest.raises(InputError, match=r"file\.txt:6: interval 1\.5-2 s follows 1 s"):
        store.import_file(written(tmp_path, text))


def test_an_upload_by_its_sender_is_marked(tmp_path):
    """Zero intervals of a sender are write batches, and lint must know."""
    text = IPERF_TEXT.replace("Reverse mode, remote host 192.0.2.1 is sending\n", "")

    trace = store.import_file(written(tmp_path, text))

    assert (Trait.SENDER_SIDE,) == trace.provenance.traits
    assert SeriesName.UP_RATE in trace.series


def test_delays_in_ns_take_their_losses_from_the_file_beside(tmp_path):
    """A list of delays and a list of 0 and 1 become one direction."""
    written(tmp_path, "0\n1\n0\n", "up_loss.txt")

    trace = store.import_file(written(tmp_path, "25000000\n24000000\n26000000\n", "up_delay.txt"))

    delays = trace.series[SeriesName.UP_DELAY]
    assert [25_000_000, 0, 26_000_000] == delays.value.tolist()
    assert [Loss.NONE, Loss.UP, Loss.NONE] == delays.loss.tolist()


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


IPERF_UDP = """Connecting to host 192.0.2.1, port 5201
[ ID] Interval           Transfer     Bitrate         Total Datagrams
[  5]   0.00-1.00   sec  1.25 MBytes  10.5 Mbits/sec  906
[  5]   1.00-2.00   sec  1.25 MBytes  10.5 Mbits/sec  906
- - - - - - - - - - - - - - - - - - - - - - - - -
[ ID] Interval           Transfer     Bitrate         Jitter    Lost/Total Datagrams
[  5]   0.00-2.00   sec  2.50 MBytes  10.5 Mbits/sec  0.000 ms  0/1812 (0%)  sender

iperf Done.
"""
NUTTCP_UP = """nuttcp-t: v8.1.4: socket
nuttcp-t: buflen=65536, nstream=1, port=5003 tcp -> 192.0.2.1
nuttcp-t: connect to 192.0.2.1 with mss=1408, RTT=44.571 ms af=inet
    0.1875 MB /   0.50 sec =    3.1457 Mbps     0 retrans     13 KB-cwnd
"""


@pytest.mark.parametrize(
    ("text", "name", "framing"),
    [
        (IPERF_TEXT, SeriesName.DOWN_RATE, Framing(Layer.TCP, 1448)),
        (IPERF_UDP, SeriesName.UP_RATE, Framing(Layer.UDP, 1472)),
        (NUTTCP_UP, SeriesName.UP_RATE, Framing(Layer.TCP, 1408)),
        (NUTTCP_UP.replace("5003 tcp", "5003 udp").replace("65536", "1300").replace("mss=1408, ", ""),
         SeriesName.UP_RATE, Framing(Layer.UDP, 1300)),
        ("1\n1\n2\n5\n9\n", SeriesName.DOWN_RATE, Framing(Layer.IP, 1500)),
        ("10,100,20,25,0\n12,110,21,26,100\n", SeriesName.DOWN_RATE, Framing(Layer.TCP, 1448)),
        ("uplink_throughput_Mbps,wall_time_ns\n10,0\n", SeriesName.UP_RATE, Framing(Layer.TCP, 1448)),
    ],
)  # fmt: skip
def test_a_rate_says_what_was_counted(text, name, framing, tmp_path):
    """Payload of TCP or UDP, or IP packets, and how large they were where the text tells."""
    trace = store.import_file(written(tmp_path, text))

    assert framing == trace.framing[name]


def test_iperf3_tells_the_size_of_its_segments():
    """The MSS that a real test met is the payload of its frames."""
    trace = store.import_file(recording(SAMPLES["iperf3-json"]))

    assert {SeriesName.DOWN_RATE: Framing(Layer.TCP, 1388)} == trace.framing


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
