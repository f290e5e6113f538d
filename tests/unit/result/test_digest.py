"""The hash over a run's evidence: the same for the same values, another for any other."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from testbed.result.digest import table_bytes

TABLE = pa.table({"t_ns": [1, 2, None], "rtt_ns": [0.5, None, 2.0], "word": ["a", None, "c"]})


def test_the_same_values_give_the_same_bytes_however_they_are_stored(tmp_path: Path) -> None:
    """Compression, metadata and chunks are no values."""
    stored = tmp_path / "stored.parquet"
    pq.write_table(TABLE.replace_schema_metadata({"written": "later"}), stored, compression="zstd")
    chunks = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])

    assert table_bytes(TABLE) == table_bytes(pq.read_table(stored)) == table_bytes(chunks)


@pytest.mark.parametrize(
    ("column", "values"),
    [("t_ns", [1, 2, 0]), ("t_ns", [1, 3, None]), ("rtt_ns", [0.5, 0.0, 2.0]), ("word", ["a", "", "c"])],
)
def test_another_value_gives_other_bytes(column: str, values: list[object]) -> None:
    """Null is not 0, in a number or a text."""
    at = TABLE.column_names.index(column)
    other = TABLE.set_column(at, column, pa.array(values, TABLE.schema.field(column).type))

    assert table_bytes(TABLE) != table_bytes(other)
