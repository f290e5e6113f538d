"""The 10 ms records of a run's links as tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from testbed.link.layout import BIN
from testbed.model.link import Direction

Records = np.ndarray[tuple[int], np.dtype[np.void]]


def read_bins(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """Return linkd's 10 ms records as a table; without `names`, those in the linkd.conf beside the file.

    Columns: t_ns (since the start), link, direction, then the counters of layout.BIN. A record that a
    kill cut short is left out.
    """
    if names is None:
        setup = (path.parent / "linkd.conf").read_text().splitlines()
        names = [line.split()[1] for line in setup if line.startswith("link ")]
    data = path.read_bytes()
    return bins_table(np.frombuffer(data[: len(data) // BIN.itemsize * BIN.itemsize], BIN), names)


def bins_table(bins: Records, names: Sequence[str]) -> pa.Table:
    """Return records of dtype layout.BIN as a table, in order of time, link and direction."""
    bins = bins[np.lexsort((bins["direction"], bins["link"], bins["t_ns"]))]
    columns: dict[str, pa.Array] = {"t_ns": pa.array(bins["t_ns"])}
    for column, words in (("link", list(names)), ("direction", [str(d) for d in Direction])):
        index = pa.array(bins[column].astype(np.int32))
        columns[column] = pa.DictionaryArray.from_arrays(index, pa.array(words, pa.string())).cast(
            pa.string()
        )
    for name in BIN.names or ():
        if name not in ("t_ns", "link", "direction", "unused", "unused2"):
            columns[name] = pa.array(bins[name])
    return pa.table(columns)
