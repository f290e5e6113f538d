"""The 10 ms records of a run's links as tables."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from testbed.link.layout import BIN
from testbed.model.link import Direction

Records = np.ndarray[tuple[int], np.dtype[np.void]]
SETTLED_NS = 10**9
"""Records older than the newest by this are followed by none of their time: a direction's last one is closed at once
with all others', or with the next packet."""


def read_bins(path: Path, names: Sequence[str] | None = None) -> pa.Table:
    """Return linkd's 10 ms records as a table; without `names`, those in the linkd.conf beside the file.

    Columns: t_ns (since the start), link, direction, then the counters of layout.BIN. A record that a
    kill cut short is left out.
    """
    return bins_table(_read(path, 0), _names(path) if names is None else names)


def of_links(bins: pa.Table, names: Sequence[str]) -> pa.Table:
    """Return the records of these links."""
    return bins.filter(pc.is_in(bins.column("link"), pa.array(names, pa.string())))


class BinsFollower:
    """Reads linkd's records again and again while they grow: each byte of the file once, whoever asks.

    Those that nobody asks for any more are forgotten.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # two may ask a standing lab at once
        self._read = 0  # records
        self._settled: list[tuple[int, pa.Table]] = []  # until when, ns since the start
        self._settled_ns = self._forgotten_ns = -1
        self._rest = np.zeros(0, BIN)

    def table(self, since_ns: int = 0) -> pa.Table:
        """Return what `read_bins` would, but for what may be left out of before ``since_ns``."""
        with self._lock:
            if since_ns <= self._forgotten_ns:
                self._read, self._settled, self._rest = 0, [], np.zeros(0, BIN)
                self._settled_ns = self._forgotten_ns = -1
            new, names = _read(self._path, self._read), _names(self._path)
            self._read += len(new)
            if len(new) and new["t_ns"].min() <= self._settled_ns:  # after all: begin anew
                self._settled, self._settled_ns, self._forgotten_ns = [], -1, -1
                self._rest = _read(self._path, 0)[: self._read]
            else:
                self._rest = np.concatenate([self._rest, new])
            if len(self._rest):
                until_ns = int(self._rest["t_ns"].max()) - SETTLED_NS
                old = self._rest["t_ns"] <= until_ns
                if old.any():
                    self._settled.append((until_ns, bins_table(self._rest[old], names)))
                    self._rest, self._settled_ns = self._rest[~old], until_ns
            while self._settled and self._settled[0][0] < since_ns:
                self._forgotten_ns = self._settled.pop(0)[0]
            return pa.concat_tables([*(table for _, table in self._settled), bins_table(self._rest, names)])


def _names(path: Path) -> list[str]:
    setup = (path.parent / "linkd.conf").read_text().splitlines()
    return [line.split()[1] for line in setup if line.startswith("link ")]


def _read(path: Path, first: int) -> Records:
    """Return the whole records of a file from this one on."""
    with path.open("rb") as file:
        file.seek(first * BIN.itemsize)
        data = file.read()
    return np.frombuffer(data[: len(data) // BIN.itemsize * BIN.itemsize], BIN)


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
