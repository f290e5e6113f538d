"""Columns of kept samples as arrays."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def integers(table: pa.Table, name: str, missing: int = 0) -> NDArray[np.int64]:
    """Return a column as int64, with ``missing`` in place of nulls."""
    return np.asarray(pc.fill_null(table.column(name).cast(pa.int64()), missing).to_numpy(), np.int64)


def texts(table: pa.Table, name: str) -> NDArray[np.str_]:
    """Return a column as text, with ``""`` in place of nulls; dictionary-encoded columns too."""
    return np.asarray(pc.fill_null(table.column(name).cast(pa.string()), "").to_pylist(), np.str_)
