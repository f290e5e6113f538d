"""Why a file that no importer takes is none: what it looks like, and what would make it a recording."""

from __future__ import annotations

import re

from testbed.errors import InputError, Place
from testbed.traces.formats import base, clock, field_tables, list_kinds, named_csv, prefixed_ping, tables

_NAME = re.compile(r"[A-Za-z@][\w@.\[\]()/% -]{0,40}\Z")


def check_filled(head: base.Head) -> None:
    """Raise InputError for a file that is empty, or holds only when a recording began and ended."""
    lines = [line for line in head.lines if line.strip()]
    if not head.data.strip():
        raise InputError(str(head.path), "the file is empty", "give a recording")
    if lines and all(prefixed_ping.START.match(line) or prefixed_ping.END.match(line) for line in lines):
        found = "the file is empty but for the times of its start and end: nothing was recorded"
        raise InputError(str(head.path), found, "record again")


def refusal(head: base.Head, known: str) -> InputError:
    """Return the error for a file that none of the ``known`` formats takes, as near to the cause as can be told."""
    return (
        list_kinds.refusal(head)
        or _table(head)
        or InputError(str(head.path), "no known format of recording", f"known: {known}")
    )


def _table(head: base.Head) -> InputError | None:
    """Return what a table lacks: a header, or a column by one of the names that say what it holds."""
    line = next((line for line in head.lines if line.strip()), "")
    cells = tables.header(head)
    if len(cells) < 2:
        cells = line.split()
    if len(cells) < 2 and tables.is_number(line.strip()):
        found = f"one number a line, such as {line.strip()}, and no header"
        return InputError(
            Place(str(head.path), 1), found, "write CSV with a time: t_s,rtt_ms or t_s,down_mbps"
        )
    if len(cells) < 2:
        return None
    place = Place(str(head.path), 1)
    if all(map(tables.is_number, cells)):
        unit = clock.unit_of(cells[0])
        example = f"{f'epoch_{unit}' if unit else 't_s'},rtt_ms" + ",..." * (len(cells) > 2)
        found = f"{len(cells)} columns of numbers without a header"
        return InputError(place, found, f"add a first line that names them, such as {example}")
    if field_tables.is_row_without_header(cells):
        found = f"{len(cells)} columns without a header, the first of them times"
        expected = "add a first line that names them; starlink-grpc-tools' own is printed with -H"
        return InputError(place, found, expected)
    if line.count(",") + line.count(";") + line.count("\t") == 0 or not all(map(_NAME.match, cells)):
        return None
    return InputError(
        place, f"columns {', '.join(cells)}: {_missing(cells)}", "rename the columns (docs/formats.md)"
    )


def _missing(cells: list[str]) -> str:
    names = {cell.lower() for cell in cells}
    if not names & set(named_csv.TIMES):
        return f"none is known as a time ({', '.join(named_csv.TIMES)})"
    return f"none is known as a value ({', '.join(named_csv.VALUES)})"
