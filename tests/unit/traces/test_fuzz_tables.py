"""Damaged copies of rates, tables, dishes' figures and lists: counted as an independent count does, or refused.

Each sample is written by the test, then lines are dropped, repeated, swapped, joined, cut, figures unsaid and the
text encoded anew. What is still read has as many readings, losses and as large a total as the damaged text
itself, counted here without the importers; all else is an input error that names the file. Nothing is silent.
"""

import gzip
import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import InputError
from testbed.model.trace import SeriesName
from testbed.traces import formats, lint, stats, store
from tests.unit.traces import samples

S = 10**9
START = 1_700_000_000
RATES = (SeriesName.UP_RATE, SeriesName.DOWN_RATE)
UNSAID = ("", "-1", "nan", "NaN", "null", "-nan", "0", "0.0", "1e9", "-", "99999999999999999999", "é")


@dataclass(frozen=True)
class Count:
    """How many readings there are, how many are lost, and the sum of the others' values."""

    readings: int
    lost: int
    total: float

    def agrees(self, other):
        return (self.readings, self.lost) == (other.readings, other.lost) and math.isclose(
            self.total, other.total, rel_tol=1e-6, abs_tol=1
        )


@dataclass(frozen=True)
class Kind:
    """A format: lines of a sample of so many readings, its independent count, and what the trace counts."""

    made: Callable[[int], list[str]]
    counted: Callable[[str], Count]
    found: Callable[[object], Count]
    name: str = "sample"


# --- what a trace counts


def of_series(*names):
    def count(trace):
        series = [trace.series[name] for name in names if name in trace.series]
        values = sum(int(s.value[~s.lost].sum()) for s in series)
        return Count(sum(map(len, series)), sum(int(s.lost.sum()) for s in series), values)

    return count


def round_trips(trace):
    """Count the RTT, or the context of several probes, in thousandths of a ms."""
    of = RTT(trace)
    lost = [series.lost for series in trace.context.values()]
    values = [series.value[~gone] for series, gone in zip(trace.context.values(), lost, strict=True)]
    return Count(
        of.readings + sum(map(len, lost)),
        of.lost + sum(int(gone.sum()) for gone in lost),
        of.total + 1000 * sum(int(value.sum()) for value in values),
    )


def mean_rate(trace):
    (series,) = trace.series.values()
    ends = [*series.t_ns[1:].tolist(), trace.duration_ns]
    rows = zip(series.value.tolist(), series.t_ns.tolist(), ends, strict=True)
    total = sum(value * (end - begin) for value, begin, end in rows) / trace.duration_ns
    return Count(0, 0, total)


# --- samples and their independent counts


def iperf_text(n):
    rows = [
        f"[  5]   {i}.00-{i + 1}.00   sec  12.5 MBytes   {100 + i} Mbits/sec                  "
        for i in range(n)
    ]
    head = samples.IPERF.split("\n")[:2] + ["[  5] local 192.0.2.2 port 4 connected to 192.0.2.1 port 5201"]
    total = f"[  5]   0.00-{n}.00   sec  75.0 MBytes   103 Mbits/sec                  receiver"
    return [
        *head,
        "[ ID] Interval           Transfer     Bitrate",
        *rows,
        "- - - - -",
        total,
        "",
        "iperf Done.",
    ]


def count_iperf(text):
    text = re.split(r"^- -.*\n(?:.*\n)*?\[ ID\] Interval", text, maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\[ *\d+\].*sec .*Bytes +([\d.]+) Mbits/sec *$", text, re.MULTILINE)
    return Count(len(rows), 0, sum(float(row) * 1e6 for row in rows))


def iperf_roles(n):
    rows = [f"[  {s}][{role}]   {i}.00-{i + 1}.00   sec  2.5 MBytes   {f * (20 + i)} Mbits/sec  "
            for i in range(n) for s, role, f in ((5, "TX-C", 1), (7, "RX-C", 5))]  # fmt: skip
    head = [samples.IPERF.split("\n")[0], "[  5] local 192.0.2.2 port 4 connected to 192.0.2.1 port 5201"]
    return [*head, "[ ID][Role] Interval           Transfer     Bitrate", *rows, "iperf Done."]


def count_roles(text):
    rows = re.findall(r"^\[ *\d+\]\[.*sec .*Bytes +([\d.]+) Mbits/sec *$", text, re.MULTILINE)
    return Count(len(rows), 0, sum(float(row) * 1e6 for row in rows))


def nuttcp(n):
    rows = [
        f"    {i}.1875 MB /   0.50 sec =   {i * 20}.4737 Mbps     0 retrans     13 KB-cwnd" for i in range(n)
    ]
    total = f"nuttcp-r: 30.0 MB in {n / 2:.2f} real seconds = 10240.0 KB/sec = 83.8 Mbps"
    return ["nuttcp-r: v8.1.4: socket", "nuttcp-r: interval reporting every 0.50 seconds", *rows, total]


def nuttcp_terse(n):
    return [
        *nuttcp(n)[2:-1],
        f"   9.5 MB /  {n / 2:.2f} sec =   94.7000 Mbps 1 %TX 3 %RX 0 retrans 25.11 msRTT",
    ]


def count_nuttcp(text):
    rows = re.findall(r" MB / .*sec = +([\d.]+) Mbps(?!.*%TX)", text)
    return Count(len(rows), 0, sum(float(row) * 1e6 for row in rows))


def iperf_json(n, *, stream=False, both=False):
    test = {"protocol": "TCP", "reverse": 0 if both else 1}
    start = {"connected": [], "timestamp": {"timesecs": START}, "test_start": test}
    items = [
        {"sum": {"start": i, "end": i + 1, "bits_per_second": 1e6 * (50 + i), "sender": both}}
        for i in range(n)
    ]
    for item in items if both else ():
        item["sum_bidir_reverse"] = item["sum"] | {"sender": False, "bits_per_second": 9e7}
    if stream:
        events = [("start", start), *(("interval", item) for item in items), ("end", {})]
        return [json.dumps({"event": kind, "data": data}) for kind, data in events]
    return json.dumps({"start": start, "intervals": items, "end": {}}, indent=1).split("\n")


def count_iperf_json(text):
    """Count by the text alone: JSON may have been joined, cut or doubled."""
    found = re.findall(r'"bits_per_second": *([\d.eE+]+)', text)
    return Count(len(found), 0, sum(map(float, found)))


def loaded(text):
    """Return JSON in which C wrote nan."""
    return json.loads(re.sub(r"-?\bnan\b", "null", text, flags=re.IGNORECASE))


def ripe(n):
    packets = [[{"rtt": 40.5 + i}, {"x": "*"}] if i % 3 else [{"rtt": 30.5}] for i in range(n)]
    rows = [{"prb_id": 1, "msm_id": 2, "type": "ping", "timestamp": START + 900 * i, "sent": len(p), "result": p}
            for i, p in enumerate(packets)]  # fmt: skip
    return json.dumps(rows, indent=1).split("\n")


def count_ripe(text):
    rtts = [packet.get("rtt") for result in loaded(text) for packet in result["result"]]
    lost = [rtt is None or rtt == -1 for rtt in rtts]
    return Count(
        len(rtts), sum(lost), sum(rtt * 1e6 for rtt, gone in zip(rtts, lost, strict=True) if not gone)
    )


def history(n):
    ring = {
        "current": str(n + 2),
        "popPingDropRate": [1 if i % 4 == 3 else 0 for i in range(n)],
        "popPingLatencyMs": [0 if i % 4 == 3 else 30 + i for i in range(n)],
        "downlinkThroughputBps": [1e6] * n,
        "uplinkThroughputBps": [1e5] * n,
    }
    return json.dumps({"dishGetHistory": ring}, indent=1).split("\n")


def count_dish(pairs):
    """Count (latency in ms, drop rate) of a dish, where None and 0 ms and -1 say nothing."""
    pairs = [(None if latency in (0, -1) or latency != latency else latency, drop) for latency, drop in pairs]
    lost = sum(drop is not None and (drop >= 1 or (latency is None and drop > 0)) for latency, drop in pairs)
    answered = [latency for latency, drop in pairs if latency is not None and (drop is None or drop < 1)]
    if (
        not answered
        and any(latency is None and drop != 1 for latency, drop in pairs)
        and not any(latency is not None for latency, _ in pairs)
    ):
        return Count(0, 0, 0)
    return Count(len(answered) + lost, lost, sum(answered) * 1e6)


def number(text):
    return None if text.strip().lower() in ("", "nan", "-nan", "null", "-", "none") else float(text)


def count_history(text):
    ring = loaded(text)["dishGetHistory"]
    size = len(ring["popPingLatencyMs"])
    filled = range(max(0, int(ring["current"]) - size), int(ring["current"]))
    order = [i % size for i in filled]
    return count_dish([tuple(ring[key][i] for key in ("popPingLatencyMs", "popPingDropRate")) for i in order])


def status(n):
    at = [f"2023-11-14T17:13:{i % 60:02}.100000-05:00" for i in range(n)]
    return [
        f'req: {t} | res: {t} | data: {{"dishGetStatus":{{"popPingDropRate":{int(i % 4 == 3)},'
        f'"popPingLatencyMs":{30 + i}.5}}}}'
        for i, t in enumerate(at)
    ]


def count_status(text):
    rows = [json.loads(row)["dishGetStatus"] for row in re.findall(r"data: (\{.*\})", text)]
    return count_dish([(row.get("popPingLatencyMs", 0), row.get("popPingDropRate", 0)) for row in rows])


def csv_rtt(n):
    return ["t_ms,rtt_ms,mood", *(f"{10 * i},{'' if i % 4 == 3 else 20 + i},good" for i in range(n))]


def cells(text, *names):
    """Return the cells of some columns of a table, row by row, by the header that it has."""
    lines = [line for line in text.replace("\r", "\n").split("\n") if line.strip(", \t")]
    at = [lines[0].split(",").index(name) for name in names]
    return [[line.split(",")[i].strip() for i in at] for line in lines[1:]]


def count_csv(text):
    rtts = [rtt for (rtt,) in cells(text, "rtt_ms")]
    lost = [number(rtt) in (None, -1) for rtt in rtts]
    known = [float(rtt) for rtt, gone in zip(rtts, lost, strict=True) if not gone and float(rtt) != 0]
    return Count(len(known) + sum(lost), sum(lost), sum(known) * 1e6)


def csv_rate(n):
    return ["epoch_s,down_mbps", *(f"{START + i},{90 + i}" for i in range(n))]


def count_rate(text):
    known = [number(rate) for (rate,) in cells(text, "down_mbps")]
    kept = [rate for rate in known if rate is not None]
    return Count(len(kept), 0, sum(kept) * 1e6)


def lens(n):
    rows = [f"{START * S + 10**7 * i},{40 + i},{25 if i % 4 else -1},15" for i in range(n)]
    return ["timestamp,rtt,uplink,downlink", *rows]


def count_lens(text):
    rows = [[float(cell) for cell in row] for row in cells(text, "rtt", "uplink", "downlink")]
    lost = [up == -1 or down == -1 for _, up, down in rows]
    known = [rtt for (rtt, _, _), gone in zip(rows, lost, strict=True) if not gone and rtt not in (0, -1)]
    return Count(len(known) + sum(lost), sum(lost), sum(known) * 1e6)


def emulator(n):
    return [f"{10 + i},{100 + i},{20 + i},25,{100 * i}" for i in range(n)]


def count_emulator(text):
    rows = [line.split(",") for line in text.split("\n") if line.strip(", \t\r")]
    return Count(len(rows), 0, sum(float(row[1]) for row in rows) * 1e6)


def phone(n):
    rows = [
        f"2017.11.22_10.07.{i % 60:02},A,-119,{5000 + i},{'-' if i % 4 == 3 else 194},D" for i in range(n)
    ]
    return ["Timestamp,Operatorname,RSRP,DL_bitrate,UL_bitrate,State", *rows]


def count_phone(text):
    rates = [number(cell) for row in cells(text, "DL_bitrate", "UL_bitrate") for cell in row]
    kept = [rate for rate in rates if rate is not None]
    return Count(len(kept), 0, sum(kept) * 1000)


def flent(n):
    raw = [{"seq": i, "t": START + i / 10, "val": 30.5 + i} for i in range(1, n + 1) if i % 4 != 3]
    results = {"TCP download sum": [None if i % 4 == 3 else 20.5 + i for i in range(n)]}
    metadata = {"FLENT_VERSION": "2.1.1", "T0": "2023-11-14T22:13:20.000000Z"}
    grid = {"results": results, "version": 3, "x_values": [i / 5 for i in range(n)]}
    data = {"metadata": metadata, "raw_values": {"Ping (ms) ICMP": raw}} | grid
    return json.dumps(data, indent=1).split("\n")


def count_flent(text):
    raw = loaded(text)["raw_values"]["Ping (ms) ICMP"]
    numbers = [row["seq"] for row in raw]
    sent = int(max(numbers)) - int(min(numbers)) + 1
    answered = [row["val"] for row in raw if row.get("val") is not None and row["val"] != -1e-6]
    return Count(sent, sent - len(answered), sum(answered) * 1e6)


def grpc(n):
    rows = [
        f"2024-11-24T10:00:{i % 60:02},ut0,{int(i % 4 == 3)},{'' if i % 4 == 3 else 30 + i}" for i in range(n)
    ]
    return ["datetimestamp_utc,id,pop_ping_drop_rate,pop_ping_latency_ms", *rows]


def count_grpc(text):
    rows = cells(text, "pop_ping_latency_ms", "pop_ping_drop_rate", "id")
    dishes = [dish for _, _, dish in rows]
    taken = max(sorted(set(dishes)), key=dishes.count)
    return count_dish([(number(latency), number(drop)) for latency, drop, dish in rows if dish == taken])


def deliveries(n):
    return [str(i // 2 + i) for i in range(n)]


def count_deliveries(text):
    at_ms = [int(line) for line in text.split()]
    return Count(0, 0, len(at_ms) * 12_000 / max(at_ms) * 1000)


def delays(n):
    return [str(20 + (i * 7) % 11) for i in range(n)]


def count_delays(text):
    known = [int(line) for line in text.split() if int(line)]
    return Count(len(known), 0, sum(known) * 1e6)


def ns_delays(n):
    return [str(20_000_000 + (i * 7) % 11) for i in range(n)]


def count_ns(text):
    known = [int(line) for line in text.split() if int(line)]
    return Count(len(known), 0, sum(known))


RTT = of_series(SeriesName.RTT)
RATE = of_series(*RATES)
KINDS: Mapping[str, Kind] = {
    "iperf3-text": Kind(iperf_text, count_iperf, RATE),
    "iperf3-text/roles": Kind(iperf_roles, count_roles, RATE),
    "nuttcp": Kind(nuttcp, count_nuttcp, RATE),
    "nuttcp/terse": Kind(nuttcp_terse, count_nuttcp, RATE),
    "iperf3-json": Kind(iperf_json, count_iperf_json, RATE),
    "iperf3-json/bidir": Kind(lambda n: iperf_json(n, both=True), count_iperf_json, RATE),
    "iperf3-json/stream": Kind(lambda n: iperf_json(n, stream=True), count_iperf_json, RATE),
    "ripe-atlas": Kind(ripe, count_ripe, round_trips),
    "dish-history": Kind(history, count_history, RTT),
    "dish-status": Kind(status, count_status, RTT),
    "csv": Kind(csv_rtt, count_csv, RTT),
    "csv/rate": Kind(csv_rate, count_rate, RATE),
    "lens-csv": Kind(lens, count_lens, RTT),
    "gnettrack": Kind(phone, count_phone, RATE),
    "flent": Kind(flent, count_flent, RTT),
    "csv-100ms": Kind(emulator, count_emulator, of_series(SeriesName.DOWN_RATE)),
    "grpc-tools-csv": Kind(grpc, count_grpc, RTT),
    "mahimahi": Kind(deliveries, count_deliveries, mean_rate, "a.down"),
    "leocc-delay": Kind(delays, count_delays, of_series(SeriesName.UP_DELAY)),
    "ns-delays": Kind(ns_delays, count_ns, of_series(SeriesName.DOWN_DELAY)),
}
TABLES = {"grpc-tools-sqlite", "grpc-tools-parquet", "routeros-lte"}
OTHERS = {
    *("irtt", "irtt-lines", "probe-tsv"),
    *("prefixed-ping", "iputils-ping", "windows-ping", "fping", "owping"),
}
"""Formats of probes, which have a fuzz of their own."""

ENCODINGS: Mapping[str, Callable[[str], bytes]] = {
    "utf-8": lambda text: text.encode(),
    "mark": lambda text: text.encode("utf-8-sig"),
    "utf-16": lambda text: text.encode("utf-16"),
    "windows": lambda text: text.replace("\n", "\r\n").encode(),
    "macintosh": lambda text: text.replace("\n", "\r").encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "latin-1": lambda text: text.encode("latin-1", "replace"),
}


@st.composite
def damaged(draw, kind):
    """Return the lines of a sample, damaged up to three times, and as what it is encoded."""
    lines = kind.made(draw(st.integers(2, 9)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(lines) - 1)) if lines else 0
        match draw(st.sampled_from(("drop", "repeat", "swap", "join", "cut", "unsay"))):
            case "drop":
                lines = lines[:at] + lines[at + 1 :]
            case "repeat":
                lines = lines[: at + 1] + lines[at:]
            case "swap" if lines:
                other = draw(st.integers(0, len(lines) - 1))
                lines[at], lines[other] = lines[other], lines[at]
            case "join":
                lines = lines + kind.made(draw(st.integers(2, 5)))
            case "cut":
                lines = lines[:at]
            case "unsay" if lines:
                figures = list(re.finditer(r"(?<![\w.])-?\d+(\.\d+)?(?![\w.])", lines[at]))
                if figures:
                    figure = draw(st.sampled_from(figures))
                    said = draw(st.sampled_from(UNSAID))
                    lines = [*lines]
                    lines[at] = lines[at][: figure.start()] + said + lines[at][figure.end() :]
    text = "\n".join(lines) + draw(st.sampled_from(("", "\n")))
    text = text[: len(text) - draw(st.sampled_from((0, 0, 0, 1, 2, 5, 9, 20)))]
    return text, draw(st.sampled_from(sorted(ENCODINGS)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(st.data())
def test_what_is_read_is_what_an_independent_count_finds(folder, data):
    """Readings, losses and total, whatever was dropped, repeated, swapped, joined, cut, unsaid or encoded anew."""
    name = data.draw(st.sampled_from(sorted(KINDS)))
    kind = KINDS[name]
    text, encoding = data.draw(damaged(kind))
    path = folder / kind.name
    path.write_bytes(ENCODINGS[encoding](text))
    given_name = data.draw(st.sampled_from((name.split("/")[0], "")))

    check(path, name, given_name, text)


def check(path, name, given_name, text):
    """Compare what is read of a file with its count, where it is not refused."""
    kind = KINDS[name]
    try:
        trace = store.import_file(path, given_name)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert len(str(error)) > len(str(path)) + 10
        return
    if trace.provenance.made_by != f"{name.split('/')[0]} {formats.FORMATS[name.split('/')[0]].version}":
        return  # so damaged that it looks like another kind, which says so
    if any("left out: the recording was cut short" in note for note in trace.provenance.notes):
        text = text[: text.rfind("\n") + 1]
    if "a last interval of 0 s left out" in trace.provenance.notes:
        return
    counted, found = kind.counted(text), kind.found(trace)
    assert counted.agrees(found), (counted, found)
    stats.info(trace)
    lint.lint(trace)


@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from(("a", "b")),
                          st.sampled_from((None, 0.0, 1.0, 0.5)), st.sampled_from((None, 0.0, -1.0, 30.0, 41.5))),
                max_size=9))  # fmt: skip
def test_rows_of_a_database_are_counted_by_dish(folder, rows):
    """Of any rows the ones of the dish with the most are read, or the database is refused."""
    path = folder / "dish.db"
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE history (time, id, pop_ping_drop_rate, pop_ping_latency_ms)")
    connection.executemany("INSERT INTO history VALUES (?, ?, ?, ?)", [(START + t, *row) for t, *row in rows])
    connection.commit()
    path.write_bytes(connection.serialize())
    connection.close()
    dishes = [dish for _, dish, _, _ in rows]
    taken = max(sorted(set(dishes)), key=dishes.count, default="")

    try:
        trace = store.import_file(Path(path))
    except InputError as error:
        assert str(error).startswith(str(path))
        return
    assert count_dish([(latency, drop) for _, dish, drop, latency in rows if dish == taken]).agrees(
        RTT(trace)
    )


def test_every_format_of_this_kind_is_damaged():
    """A new importer is tried here, or in the fuzz of the probes."""
    assert formats.FORMATS.keys() == {name.split("/")[0] for name in KINDS} | TABLES | OTHERS
