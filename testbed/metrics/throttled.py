"""What a storage account did to requests by its own limits: the tenant's, and nothing of the hub's."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from testbed.metrics.columns import integers

_COLUMN = "throttled"


def hindered(table: pa.Table) -> NDArray[np.bool_]:
    """Return which requests or uploads the account told to wait; of samples of older runs none."""
    if _COLUMN not in table.column_names:
        return np.zeros(len(table), np.bool_)
    return integers(table, _COLUMN, 0) > 0


def unhindered(table: pa.Table) -> pa.Table:
    """Return the requests that were not told to wait."""
    return table.filter(pa.array(~hindered(table)))


def count(tables: Iterable[pa.Table]) -> int:
    """Return how often clients were told to wait."""
    return sum(int(integers(table, _COLUMN, 0).sum()) for table in tables if _COLUMN in table.column_names)
