"""One hash over what a run measured and judged: in virtual time, the same for the same scenario, seed and commit."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from testbed.result.record import Record


def evidence_sha256(folder: Path, record: Record) -> str:
    """Return the SHA-256 over the values of samples/*.parquet, by name and column, and of the verdicts."""
    digest = hashlib.sha256()
    for path in sorted((folder / "samples").glob("*.parquet")):
        digest.update(f"{path.stem}\n".encode())
        digest.update(table_bytes(pq.read_table(path)))
    digest.update(msgspec.json.encode([asdict(verdict) for verdict in record.verdicts], order="deterministic"))
    return digest.hexdigest()


def table_bytes(table: pa.Table) -> bytes:
    """Return the names, types and values of a table's columns as bytes, whatever file they came from."""
    heads = (f"{field.name} {field.type}\n".encode() for field in table.schema)
    return b"".join(head + _bytes(column) for head, column in zip(heads, table.columns, strict=True))


def _bytes(column: pa.ChunkedArray) -> bytes:
    values = column.combine_chunks()
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        numbers: bytes = values.fill_null(0).to_numpy(zero_copy_only=False).tobytes()
        return bytes(valid.tobytes()) + numbers
    return msgspec.json.encode(values.to_pylist())
