"""Reading the HTTP client's output back."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from testbed.probes import samples
from testbed.probes.script import read
from testbed.probes.workload import in_order

LINES = """\
{"ready": true}
{"t_ns": 20, "started_ns_late": 1, "object": "b", "size": 9, "bytes": 9, "status": 200, "error": null, \
"ttfb_ns": 3, "total_ns": 4, "cache": "HIT", "sha256_ok": true, "conditional": false, "fell_back": false}
{"t_ns": 10, "started_ns_late": 2, "object": "a", "size": 9, "bytes": 0, "status": null, "error": "refused", \
"conditional": false, "fell_back": false}
{"t_ns": 30, "started_ns_late": 1, "obj"""


def test_samples_stand_in_the_order_of_their_schedule() -> None:
    """Answers come in any order; the samples do not. A line that a kill cut short is left out."""
    assert [("a", 10), ("b", 20)] == [
        (r["object"], r["t_ns"]) for r in in_order(read(iter(LINES.splitlines())), "client")
    ]


def test_what_is_not_known_is_null(tmp_path: Path) -> None:
    """A refused request has no status, times, cache or hash in its Parquet sample."""
    path = samples.write(
        in_order(read(iter(LINES.splitlines())), "client"), samples.REQUESTS, tmp_path / "s.parquet"
    )
    refused = pq.read_table(path).to_pylist()[0]

    expected = {"status", "ttfb_ns", "total_ns", "cache", "sha256_ok", "age_ns"}
    expected |= {"first", "last", "content_range", "version", "throttled"}
    assert expected == {column for column, value in refused.items() if value is None}
    assert samples.REQUESTS == pq.read_schema(path)
