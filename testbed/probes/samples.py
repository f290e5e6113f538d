"""The samples that probes write: one Parquet file a probe, its columns and the name of its kind here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from testbed.metrics import kinds

HEARTBEAT = pa.schema(
    [
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("t_ns", pa.int64(), nullable=False),  # sent, since the run's start
        pa.field("rtt_ns", pa.int64()),  # null: no answer
        pa.field("lost", pa.string(), nullable=False),  # none | up | down | unknown direction
    ],
    kinds.said("udp-echo"),
)
NEW_FLOWS = HEARTBEAT.with_metadata(kinds.said("udp-flows"))
IPV6_SOURCE = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),  # asked, since the run's start
        pa.field("address", pa.string()),  # what would be sent from; null: nothing could be sent
    ],
    kinds.said("ipv6-source"),
)
REQUESTS = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),  # when it was to be sent, since the run's start
        pa.field("started_ns_late", pa.int64(), nullable=False),  # how much later it was sent
        pa.field("client", pa.string(), nullable=False),
        pa.field("object", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),  # bytes the object has
        pa.field("status", pa.int32()),  # null: no response
        pa.field("ttfb_ns", pa.int64()),  # from sending until status and headers are here
        pa.field("total_ns", pa.int64()),  # from sending until the last byte, or until it went wrong
        pa.field("bytes", pa.int64(), nullable=False),  # body bytes received
        pa.field("cache", pa.string()),  # the response's X-Cache-Status
        pa.field("error", pa.string()),  # null: the response came whole
        pa.field("sha256_ok", pa.bool_()),  # null: not 200, 206 or 304, or not whole
        pa.field("age_ns", pa.int64()),  # of the content, by the response's Age or Date; null: it has neither
        pa.field("first", pa.int64()),  # byte of the range that was asked for; null: the whole object
        pa.field("last", pa.int64()),
        pa.field("content_range", pa.string()),  # the response's Content-Range
        pa.field("conditional", pa.bool_(), nullable=False),  # it said which version the client has
        pa.field("version", pa.int32()),  # that the answer is of, from 0; -1: of none
        pa.field("fell_back", pa.bool_()),  # the cache did not answer, and the tenant was asked
        pa.field("throttled", pa.int32()),  # how often the account's own word was to wait; null: the tenant is none
    ],
    kinds.said("http-get"),
)
TRANSFER = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),
        pa.field("session", pa.int32(), nullable=False),  # number of the connection, from 0
        pa.field("end", pa.string(), nullable=False),  # client | tenant: who saw it
        pa.field("direction", pa.string(), nullable=False),  # up | down: where the data flows
        pa.field("event", pa.string(), nullable=False),  # connected | progress | unreachable | SESSION_ENDS
        pa.field("bytes", pa.int64(), nullable=False),  # of this session, arrived at the receiver so far
        pa.field("reason", pa.string()),
    ],
    kinds.said("tcp-transfer"),
)
KEEPALIVE = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),  # when the request was sent, or connecting began
        pa.field("session", pa.int32(), nullable=False),
        pa.field("event", pa.string(), nullable=False),  # answered | unreachable | SESSION_ENDS
        pa.field("connect_ns", pa.int64()),  # TCP and TLS handshakes; null: the connection was there
        pa.field("status", pa.int32()),
        pa.field("latency_ns", pa.int64()),  # from sending until the answer, or until it went wrong
        pa.field("bytes", pa.int64(), nullable=False),  # of the request, before TLS
        pa.field("reason", pa.string()),
    ],
    kinds.said("https-keepalive"),
)
QUIC = KEEPALIVE.with_metadata(kinds.said("quic"))
CALL = pa.schema(
    [
        pa.field("direction", pa.string(), nullable=False),  # up | down
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("t_ns", pa.int64(), nullable=False),  # sent
        pa.field("delay_ns", pa.int64()),  # one way, to the receiving kernel; null: lost
        pa.field("bytes", pa.int32(), nullable=False),  # of UDP's payload
    ],
    kinds.said("udp-call"),
)
UPLOADS = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),  # when it was to be sent
        pa.field("started_ns_late", pa.int64(), nullable=False),  # how much later its first attempt began
        pa.field("client", pa.string(), nullable=False),
        pa.field("object", pa.string(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("status", pa.int32()),  # of the last attempt; null: no response
        pa.field("acknowledged_ns", pa.int64()),  # from the first attempt until a 2xx; null: none came
        pa.field("error", pa.string()),  # of the last attempt that failed
        pa.field(
            "durable", pa.bool_()
        ),  # the tenant has these bytes; null: not acknowledged, or not read back
        pa.field("throttled", pa.int32()),  # how often the account's own word was to wait; null: the tenant is none
    ],
    kinds.said("http-put"),
)
SDK_UPLOADS = UPLOADS.append(
    # stored | refused | unknown: what became of other bytes under the same name; null: there were none
    pa.field("again", pa.string())
).with_metadata(kinds.said("sdk-upload"))
DEPARTURES = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),  # first packet; negative: while the lab came up
        pa.field("end_ns", pa.int64(), nullable=False),  # last packet
        pa.field("link", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),  # tcp | udp | icmp | ip NUMBER
        pa.field("source", pa.string(), nullable=False),
        pa.field("destination", pa.string(), nullable=False),
        pa.field("port", pa.int32(), nullable=False),  # the destination's; 0: the protocol has none
        pa.field("name", pa.string(), nullable=False),  # that TLS or DNS asks for; empty: none
        pa.field("content", pa.string(), nullable=False),  # tls | quic | dns | dhcp | clear | nothing | the protocol
        pa.field("packets", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ],
    kinds.said("departures"),
)
NAMES = pa.schema(
    [
        pa.field("t_ns", pa.int64(), nullable=False),  # when it was to be asked
        pa.field("started_ns_late", pa.int64(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("rcode", pa.int32()),  # of the answer (RFC 1035); null: none
        pa.field("latency_ns", pa.int64()),
        pa.field("right", pa.bool_()),  # no error, and the address that the name has; null: no answer
        pa.field("error", pa.string()),
    ],
    kinds.said("dns-query"),
)


def table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Return rows as a table with the schema's columns."""
    return pa.Table.from_pylist(list(rows), schema=schema)


def write(rows: Sequence[Mapping[str, object]], schema: pa.Schema, path: Path) -> Path:
    """Write rows with the schema's columns. The file appears whole or not at all."""
    partial = path.with_suffix(".part")
    pq.write_table(table(rows, schema), partial, compression="zstd")
    partial.replace(path)
    return path
