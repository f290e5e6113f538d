"""A small file of each format, written as its tool writes it; every number in them is invented."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


def owp(seconds: float) -> int:
    """Return a time of OWAMP: seconds since 1900, times 2^32."""
    return int((1_700_000_000 + 2_208_988_800 + seconds) * 2**32)


PING = "\n".join(
    ["PING host (192.0.2.1) 56(84) bytes of data."]
    + [
        f"[{1_700_000_000 + n / 10:.6f}] 64 bytes from 192.0.2.1: icmp_seq={n} ttl=60 time={40 + n}.5 ms"
        for n in range(1, 9)
        if n != 4
    ]
    + ["", "--- host ping statistics ---", "8 packets transmitted, 7 received, 12.5% packet loss, time 700ms"]
)
PREFIXED = "\n".join(
    [
        "Start time: 1700000000100",
        "[2023-11-14 17:13:20.150000] PING 192.0.2.1 (192.0.2.1) 38(66) bytes of data.",
    ]
    + [
        f"[2023-11-14 17:13:2{n}.250000] 46 bytes from 192.0.2.1: icmp_seq={n} ttl=58 time=48.{n} ms"
        for n in (1, 2, 4, 5)
    ]
    + ["[2023-11-14 17:13:26.000000] ", "End time: 1700000006200"]
)
WINDOWS = "\r\n".join(
    ["", "Pinging 192.0.2.1 with 32 bytes of data:"]
    + [
        f"Reply from 192.0.2.1: bytes=32 time={40 + n}ms TTL=114" if n != 4 else "Request timed out."
        for n in range(8)
    ]
    + ["", "Ping statistics for 192.0.2.1:", "    Packets: Sent = 8, Received = 7, Lost = 1 (12% loss),"]
    + [
        "Approximate round trip times in milli-seconds:",
        "    Minimum = 40ms, Maximum = 47ms, Average = 43ms",
        "",
    ]
)
FPING = "\n".join(
    f"[{1_700_000_000 + n / 10:.5f}] 192.0.2.1 : [{n}], "
    + ("timed out (41.2 avg, 12% loss)" if n == 4 else f"64 bytes, 4{n}.5 ms (41.2 avg, 0% loss)")
    for n in range(8)
)
OWPING = "".join(
    f"{n} {owp(n / 10)} 1 2.33e-10 {0 if n == 4 else owp(n / 10 + 0.03)} 1 0.000127792 255\n"
    for n in range(8)
)
TSV = "\n".join(f"{1_700_000_000 + n * 0.15:.6f}\t{n}\t{-1 if n == 3 else 44.5 + n}" for n in range(8))
NUTTCP = "\n".join(
    ["nuttcp-r: v8.1.4: socket", "nuttcp-r: interval reporting every 0.50 seconds"]
    + [f"    {n}.1875 MB /   0.50 sec =   {n * 20}.4737 Mbps     0 retrans     13 KB-cwnd" for n in range(6)]
    + ["nuttcp-r: 30.0 MB in 3.00 real seconds = 10240.0 KB/sec = 83.8 Mbps"]
)
IPERF = "\n".join(
    ["Connecting to host 192.0.2.1, port 5201", "Reverse mode, remote host 192.0.2.1 is sending"]
    + ["[ ID] Interval           Transfer     Bitrate"]
    + [f"[  5]   {n}.00-{n + 1}.00   sec  12.5 MBytes   10{n} Mbits/sec" for n in range(6)]
    + ["iperf Done."]
)
HISTORY = json.dumps(
    {
        "dishGetHistory": {
            "current": "8",
            "popPingDropRate": [0, 0, 1, 0.5, 0, 0],
            "popPingLatencyMs": [30, 31, 0, 33, 34, 35],
            "downlinkThroughputBps": [1e6] * 6,
            "uplinkThroughputBps": [1e5] * 6,
            "outages": [
                {"cause": "OBSTRUCTED", "startTimestampNs": "1384035216000000000", "durationNs": "700000000"}
            ],
        }
    },
    indent=2,
)
STATUS = "\n".join(
    f"req: 2023-11-14T17:13:2{n}.000000-05:00 | res: 2023-11-14T17:13:2{n}.100000-05:00 | data: "
    f'{{"dishGetStatus":{{"popPingDropRate":0,"popPingLatencyMs":3{n}.5,"downlinkThroughputBps":5,"uplinkThroughputBps":6}}}}'
    for n in range(6)
)
ATLAS = json.dumps(
    [
        {"prb_id": 1, "msm_id": 2, "type": "ping", "timestamp": 1_700_000_000 + 900 * n, "result": result}
        for n, result in enumerate([[{"rtt": 40.5}], [{"x": "*"}], [{"rtt": 41.5}]])
    ]
)
IPERF_JSON = json.dumps(
    {
        "start": {
            "connected": [],
            "timestamp": {"timesecs": 1_700_000_000},
            "test_start": {"protocol": "TCP", "reverse": 1},
        },
        "intervals": [
            {"sum": {"start": n / 10, "end": (n + 1) / 10, "bits_per_second": 1e8, "omitted": False}}
            for n in range(6)
        ],
    }
)
IRTT = json.dumps(
    {
        "version": {"irtt": "0.9.1"},
        "round_trips": [
            {
                "seqno": n,
                "lost": "true_up" if n == 2 else "false",
                "timestamps": {"client": {"send": {"wall": 1_700_000_000_000_000_000 + n * 10_000_000}}},
                "delay": {} if n == 2 else {"receive": 20_000_000, "rtt": 45_000_000, "send": 25_000_000},
            }
            for n in range(6)
        ],
    },
    indent=4,
)
IRTT_LINES = "1700000000000000000 [198.51.100.1:2112] [Connected] connection established\n" + "".join(
    f"{1_700_000_000_045_000_000 + n * 10_000_000} seq={n} rtt=45.{n}ms rd=20ms sd=25ms ipdv=1µs\n"
    for n in (0, 1, 3, 4, 5)
)

GNETTRACK = "\n".join(
    ["Timestamp,Longitude,Latitude,RSRP,SNR,DL_bitrate,UL_bitrate,State,PINGAVG,PINGLOSS"]
    + [
        f"2019.11.28_07.00.0{n},-8,51,-10{n},{n},{1000 * n},50,D,{'-' if n == 2 else 40 + n},{100 if n == 2 else 0}"
        for n in range(6)
    ]
)
FLENT = json.dumps(
    {
        "metadata": {"FLENT_VERSION": "2.1.1", "NAME": "rrul", "T0": "2023-11-14T22:13:20.000000Z"},
        "raw_values": {
            "Ping (ms) ICMP": [{"seq": n, "t": 1_700_000_000 + n / 5, "val": 30.5 + n} for n in (1, 2, 4, 5)],
            "Ping (ms) UDP BE": [{"t": 1_700_000_000 + n / 5, "val": 30.5 + n} for n in range(5)],
        },
        "results": {
            "TCP download sum": [20.5, None, 22.5],
            "TCP download avg": [5, 5, 5],
            "TCP upload BE": [1, 2, 3],
        },
        "version": 3,
        "x_values": [0, 0.2, 0.4],
    },
    indent=2,
)

SAMPLES: Mapping[str, tuple[str, int, int]] = {
    "iputils-ping": (PING, 8, 1),
    "prefixed-ping": (PREFIXED, 5, 1),
    "windows-ping": (WINDOWS, 8, 1),
    "fping": (FPING, 8, 1),
    "owping": (OWPING, 8, 1),
    "probe-tsv": (TSV, 8, 1),
    "nuttcp": (NUTTCP, 6, 0),
    "iperf3-text": (IPERF, 6, 0),
    "iperf3-json": (IPERF_JSON, 6, 0),
    "irtt": (IRTT, 6, 1),
    "irtt-lines": (IRTT_LINES, 6, 1),
    "dish-history": (HISTORY, 6, 1),
    "dish-status": (STATUS, 6, 0),
    "ripe-atlas": (ATLAS, 3, 1),
    "gnettrack": (GNETTRACK, 6, 1),
    "flent": (FLENT, 5, 1),
    "lens-csv": (
        "timestamp,rtt,uplink,downlink\n1700000000000000000,40.5,25.5,15\n1700000000010000000,0,0,-1\n",
        2,
        1,
    ),
    "csv-100ms": ("10,100,20,25,0\n12,110,21,26,100\n", 2, 0),
    "csv": ("t_ms,rtt_ms\n0,20.5\n10,\n20,21\n", 3, 1),
    "mahimahi": ("1\n1\n2\n5\n9\n", 6, 0),  # steps of the rate
    "leocc-delay": ("12\n11\n16\n14\n", 4, 0),
    "ns-delays": ("25000000\n24000000\n26000000\n", 3, 0),
}
"""Format -> its text, and how many readings and losses are in it."""


# --- tables: columns of starlink-grpc-tools and of RouterOS

DISH_COLUMNS: Mapping[str, Sequence[Any]] = {
    "time": [1_700_000_000 + n for n in range(6)],
    "pop_ping_latency_ms": [30.5, 31.0, None, 33.5, 34.0, 35.0],
    "pop_ping_drop_rate": [0.0, 0.0, 1.0, 0.25, 0.0, 0.0],
    "downlink_throughput_bps": [1e6] * 6,
    "uplink_throughput_bps": [2e5] * 6,
}
MODEM_COLUMNS: Mapping[str, Sequence[Any]] = {
    "identity": ["a", "b"] * 3,
    "@timestamp": [f"2025-03-27T11:50:0{n}.500000+01:00" for n in range(6)],
    **{
        f"lte.l{name}": ["-87", "-83", "", "-85", "-84", "-82"]
        for name in ("Rssi", "Rsrp", "Rsrq", "NrRsrp", "NrRsrq")
    },
    **{f"lte.l{name}": ["10", "17", "11", "16", "", "15"] for name in ("Sinr", "Cqi", "NrSinr")},
}


def parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a table as Parquet."""
    file = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), file)
    return file.getvalue()


def dish_parquet(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return the dish's table as FjordLink's Parquet has it: prefixed names, ISO times."""
    stamps = [f"2025-03-20T14:39:{second % 60:02}+01:00" for second in columns["time"]]
    fields = {f"dish_status.{name}": values for name, values in columns.items() if name != "time"}
    return parquet({"@timestamp": stamps, **fields})


def sqlite(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a table `status` as an SQLite file."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE status ({', '.join(columns)})")
    rows = zip(*columns.values(), strict=True)
    connection.executemany(f"INSERT INTO status VALUES ({', '.join('?' * len(columns))})", rows)
    connection.commit()
    return connection.serialize()


def csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Return a table as CSV with a header; None is an empty cell."""
    rows = [
        ",".join("" if cell is None else str(cell) for cell in row)
        for row in zip(*columns.values(), strict=True)
    ]
    return "\n".join([",".join(columns), *rows, ""]).encode()


TABLES: Mapping[str, tuple[bytes, int, int]] = {
    "grpc-tools-parquet": (dish_parquet(DISH_COLUMNS), 6, 1),
    "grpc-tools-sqlite": (sqlite(DISH_COLUMNS), 6, 1),
    "grpc-tools-csv": (csv(DISH_COLUMNS), 6, 1),
    "routeros-lte": (parquet(MODEM_COLUMNS), 2, 0),
}
"""Format -> its bytes, and how many readings and losses are in it."""

FILES: Mapping[str, tuple[bytes, int, int]] = {
    name: (text.encode(), readings, lost) for name, (text, readings, lost) in SAMPLES.items()
} | dict(TABLES)
"""Every format there is."""


def written(folder: Path, text: str, name: str = "file.txt") -> Path:
    """Write a text as a file; return its path."""
    path = folder / name
    path.write_text(text)
    return path
