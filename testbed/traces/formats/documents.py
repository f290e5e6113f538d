"""JSON documents: read whole, and refused in the user's words when their shape is another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from testbed.errors import InputError, Place
from testbed.traces.formats import base


def json_of(path: Path, lines: slice = slice(None)) -> Any:
    """Return the JSON in a file, or in some of its lines. Raises InputError with the line."""
    all_lines = base.lines(path)
    first = lines.indices(len(all_lines))[0]
    try:
        return json.loads("\n".join(all_lines[lines]))
    except json.JSONDecodeError as error:
        place = Place(str(path), first + error.lineno)
        raise InputError(place, f"broken JSON: {error.msg}", "give the whole file") from None
    except RecursionError:
        raise InputError(str(path), "JSON nested too deep", "give the file as its tool wrote it") from None


@contextmanager
def shape(path: Path, noun: str, record: str = "") -> Iterator[None]:
    """Turn a missing or misshapen part of a document into an InputError that names it."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        where = f"{record}: " if record else ""
        raise InputError(
            str(path), f"{where}not {noun}: {what}", "give the file as its tool wrote it"
        ) from error
