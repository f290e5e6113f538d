"""JSON documents: read whole, and refused in the user's words when their shape is another."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed.errors import InputError, Place
from testbed.traces.formats import base

_NAN = re.compile(r'"(?:[^"\\\n]|\\.)*"|[-+]?\b(?:nan|inf(?:inity)?)\b', re.IGNORECASE)
_MAY_BE_NAN = re.compile(r"[:,\[]\s*[-+]?(?:nan|inf)", re.IGNORECASE)
_DECODER = json.JSONDecoder(object_pairs_hook=lambda pairs: _numbered(pairs))


@dataclass(frozen=True)
class Document:
    """One JSON value of a file, and the line where it begins."""

    line: int
    value: Any


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


def only(path: Path, lines: Sequence[str], noun: str) -> Any:
    """Return the one JSON object in these lines. Raises InputError with the line of a second one, or of text."""
    found, around = documents(path, lines)
    if around:
        line, text = around[0]
        raise InputError(Place(str(path), line), f"{text[:60]!r} is no JSON", f"give the {noun} alone")
    if len(found) != 1:
        place = Place(str(path), found[1].line if found[1:] else 0)
        raise InputError(place, f"{len(found)} {noun}s in one file", f"split them: one {noun} a file")
    return found[0].value


def documents(path: Path, lines: Sequence[str]) -> tuple[list[Document], list[tuple[int, str]]]:
    """Return the JSON objects and arrays in these lines of a file, and the numbered lines of text around them.

    ``nan`` and ``inf``, as C prints them, are null; of a key's repetitions the second is ``key#2``, and
    so on. Raises InputError with the line of what is broken.
    """
    text = "\n".join(lines)
    if _MAY_BE_NAN.search(text):
        text = _NAN.sub(lambda found: found[0] if found[0][0] == '"' else "null", text)
    at, found, around = 0, list[Document](), list[tuple[int, str]]()
    while at < len(text):
        end = text.find("\n", at) % (len(text) + 1)
        line = text[at:end]
        start = at + len(line) - len(line.lstrip())
        if not line.strip():
            at = end + 1
        elif text[start] in "{[":
            value, at = _decoded(path, text, start)
            found.append(Document(text.count("\n", 0, start) + 1, value))
        else:
            around.append((text.count("\n", 0, start) + 1, line.strip()))
            at = end + 1
    return found, around


def _decoded(path: Path, text: str, start: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, start)
    except json.JSONDecodeError as error:
        found = f"broken JSON: {error.msg}"
        if not text[error.pos :].strip():
            found = f"the JSON that begins in line {text.count(chr(10), 0, start) + 1} has no end"
        raise InputError(Place(str(path), error.lineno), found, "give the whole file") from None
    except RecursionError:
        raise InputError(str(path), "JSON nested too deep", "give the file as its tool wrote it") from None


def _numbered(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        name, times = key, 1
        while name in found:
            times += 1
            name = f"{key}#{times}"
        found[name] = value
    return found


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
