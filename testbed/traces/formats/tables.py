"""Tables of text: columns by name, numbers with the line that broke them."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.traces.formats import base

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\Z")
_INTEGER = re.compile(r"[+-]?\d{1,19}\Z")


@dataclass(frozen=True)
class Table:
    """Rows of text by column; ``lines`` are their line numbers in the file."""

    path: Path
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]

    def column(self, name: str) -> Sequence[str]:
        """Return a column's text. Raises InputError where there is none."""
        if name not in self.columns:
            raise InputError(str(self.path), f"no column {name!r}", f"there are {', '.join(self.columns)}")
        return self.columns[name]

    @property
    def names(self) -> list[str]:
        return list(self.columns)

    def refuse(self, row: int, found: str, expected: str) -> InputError:
        """Return the error for one row."""
        return InputError(Place(str(self.path), self.lines[row]), found, expected)

    def integers(self, name: str) -> NDArray[np.int64]:
        """Return a column of whole numbers. Raises InputError with the line of what is none."""
        for row, text in enumerate(self.column(name)):
            if not _INTEGER.match(text) or abs(int(text)) >= 2**63:
                raise self.refuse(row, f"{name} is {text!r}", "write a whole number")
        return np.array([int(text) for text in self.columns[name]], np.int64)

    def scaled(self, name: str, scale: int, *, low: float = 0) -> NDArray[np.int64]:
        """Return a column of decimal numbers times ``scale``, exactly. Raises InputError below ``low``."""
        values = []
        for row, text in enumerate(self.column(name)):
            if not _NUMBER.match(text):
                raise self.refuse(row, f"{name} is {text!r}", "write a number")
            value = Decimal(text)
            if not low <= value or value * scale >= 2**63:
                raise self.refuse(
                    row, f"{name} is {text}", f"write a number from {low:g} that fits into 64 bits"
                )
            values.append(int((value * scale).to_integral_value()))
        return np.array(values, np.int64)

    def check_rtt(self, name: str, rtt_ns: NDArray[np.int64]) -> None:
        """Refuse RTTs that no path has. Raises InputError with the line."""
        for row in np.flatnonzero(rtt_ns > base.MAX_RTT_NS)[:1]:
            raise self.refuse(
                row, f"{name} is {self.columns[name][row]}", "a round trip takes less than 10 minutes"
            )


def read_csv(path: Path, names: Sequence[str] = ()) -> Table:
    """Read a CSV file with a header line, or with ``names`` for its columns. Raises InputError."""
    lines = base.lines(path)
    rows = [(n, row) for n, row in enumerate(csv.reader(lines), 1) if any(cell.strip() for cell in row)]
    if not names:
        names, rows = [cell.strip() for cell in rows[0][1]], rows[1:]
    if len(set(names)) != len(names):
        raise InputError(Place(str(path), 1), f"columns {', '.join(names)}", "name each column once")
    if not rows:
        raise InputError(str(path), "the table has no rows", "give the whole recording")
    for number, row in rows:
        if len(row) != len(names):
            raise InputError(Place(str(path), number), f"{len(row)} columns", f"the table has {len(names)}")
    cells = zip(*(row for _, row in rows), strict=True)
    columns = {name: [cell.strip() for cell in column] for name, column in zip(names, cells, strict=True)}
    return Table(path, columns, [number for number, _ in rows])
