"""Tables of text: columns by name, numbers with the line that broke them.

Columns are separated by commas, tabs or semicolons, as the header says; decimals by points. What is written
where nothing is known (nothing, NaN, null, -) is never a number.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from testbed.errors import InputError, Place
from testbed.traces.formats import base

UNKNOWN = frozenset(("", "nan", "-nan", "null", "none", "na", "n/a", "-", "--", "inf", "-inf"))
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\Z")
_COMMENT = re.compile(r"\s*(#.*|sep=.)?\Z")
_COMMA = re.compile(r"[+-]?\d+,\d+\Z")


def is_number(text: str) -> bool:
    """Say whether a cell is a decimal number."""
    return bool(_NUMBER.match(text))


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

    def known(self, name: str) -> NDArray[np.bool_]:
        """Return which cells of a column say anything, shape (rows,)."""
        return np.array([cell.lower() not in UNKNOWN for cell in self.column(name)], np.bool_)

    def scaled(
        self, name: str, scale: int, *, low: float = 0, where: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """Return a column of decimal numbers times ``scale``, exactly; 0 in rows that are not ``where``.

        Raises InputError below ``low``.
        """
        values = []
        for row, text in enumerate(self.column(name)):
            if where is not None and not where[row]:
                values.append(0)
                continue
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


def separator(lines: Sequence[str]) -> str:
    """Return what stands between the columns of a table: a comma, a tab or a semicolon, as its first line says."""
    return max(",\t;", key=next((line for line in lines if line.strip()), "").count)


def without_comments(lines: Sequence[str]) -> list[str]:
    """Return a table's lines, of which those in front of the header are empty that say nothing of its rows.

    Comments (#), and Excel's `sep=`.
    """
    begin = next((n for n, line in enumerate(lines) if not _COMMENT.match(line)), len(lines))
    return [""] * begin + list(lines[begin:])


def header(head: base.Head) -> list[str]:
    """Return the names of the columns of a file's first line; one name where it is no table."""
    lines = [line for line in without_comments(head.lines) if line]
    return [name.strip() for name in next(csv.reader(lines[:1], delimiter=separator(lines)), [])]


def read_csv(path: Path, names: Sequence[str] = ()) -> Table:
    """Read a CSV file with a header line, or with ``names`` for its columns. Raises InputError."""
    rows = list(_rows(path, base.lines(path)))
    if not rows:
        raise InputError(str(path), "the table has no rows", "give the whole recording")
    if not names:
        names, rows = rows[0][1], rows[1:]
    if len(set(names)) != len(names):
        raise InputError(Place(str(path), 1), f"columns {', '.join(names)}", "name each column once")
    if not rows:
        raise InputError(str(path), "the table has no rows", "give the whole recording")
    for number, row in rows:
        if row == list(names):
            raise InputError(
                Place(str(path), number),
                "the header again: a second recording begins",
                "split the file there",
            )
        if len(row) != len(names):
            raise InputError(Place(str(path), number), f"{len(row)} columns", f"the table has {len(names)}")
    cells = zip(*(row for _, row in rows), strict=True)
    return Table(path, dict(zip(names, cells, strict=True)), [number for number, _ in rows])


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that hold anything, with their line numbers. Raises InputError with the line of a bad one."""
    lines = without_comments(lines)
    between = separator(lines)
    reader = csv.reader(lines, delimiter=between, strict=True)
    before = 0
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if reader.line_num != before + 1:
                place = Place(str(path), before + 1)
                raise InputError(place, "a quotation mark that does not end in its line", "end it there")
            before = reader.line_num
            if between != "," and (comma := next(filter(_COMMA.match, row), None)):
                found = f"{between!r} between the columns and a comma in the number {comma}"
                expected = "write ',' between the columns and a point in numbers"
                raise InputError(Place(str(path), before), found, expected)
            if any(row):
                yield before, row
    except csv.Error as error:
        raise InputError(Place(str(path), before + 1), f"no row of CSV ({error})", "write CSV") from None
