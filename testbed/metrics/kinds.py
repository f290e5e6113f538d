"""What kept samples are: each table says its kind in its schema's metadata; of older results it is told by columns."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

METADATA = "testbed.kind"
"""The name in the schema's metadata; its value is a traffic's kind (``udp-echo``), ``links`` or ``schedule``."""

# Most particular first: a transfer has what a connection has, too.
_COLUMNS: Mapping[str, frozenset[str]] = {
    "sdk-upload": frozenset({"acknowledged_ns", "durable", "again"}),
    "http-put": frozenset({"acknowledged_ns", "durable"}),
    "dns-query": frozenset({"name", "rcode"}),
    "http-get": frozenset({"cache", "ttfb_ns"}),
    "tcp-transfer": frozenset({"session", "end", "direction", "event"}),
    "https-keepalive": frozenset({"session", "event", "latency_ns"}),
    "udp-call": frozenset({"direction", "seq", "delay_ns"}),
    "ipv6-source": frozenset({"address"}),
    "udp-echo": frozenset({"seq", "rtt_ns"}),
}


def said(kind: str) -> dict[str, str]:
    """Return the metadata of a schema whose samples are of a kind."""
    return {METADATA: kind}


def kind_of(table: pa.Table) -> str:
    """Return the kind of samples; ``""`` where neither the table nor its columns tell."""
    if kind := (table.schema.metadata or {}).get(METADATA.encode()):
        return str(kind.decode())
    names = set(table.column_names)
    return next((kind for kind, columns in _COLUMNS.items() if columns <= names), "")
