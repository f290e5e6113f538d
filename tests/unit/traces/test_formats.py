"""Every importer on real recordings and on broken copies of them: no sample lost, none invented, no traceback."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from testbed.errors import InputError
from testbed.model.trace import EventKind, Framing, Layer, SeriesName
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


EMPTY = re.compile(r"no probes|no rows|write ISO 8601|of the flush, not of the row")
"""What is refused among the recordings: tests that never ran, the tables made from them, and times of a flush."""


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
        "huge": numbers.sub(b"1" + b"0" * 30, data),
        "cut": b"".join(lines[: len(lines) // 2])
        + lines[len(lines) // 2][: max(2, len(lines[len(lines) // 2]) // 2)],
    }


DAMAGES = ("empty", "blank", "binary", "huge", "cut")
UNTOLD = {  # damage that leaves a good file, or finds nothing to damage
    "cut": {"iputils-ping", "probe-tsv", "dish-status", "leocc-delay", "mahimahi", "csv"},
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
        store.import_file(path, "" if damage in ("empty", "blank") else name)

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


def test_iperf3_tells_the_size_of_its_segments():
    """The MSS that a real test met is the payload of its frames."""
    trace = store.import_file(recording(SAMPLES["iperf3-json"]))

    assert {SeriesName.DOWN_RATE: Framing(Layer.TCP, 1388)} == trace.framing
