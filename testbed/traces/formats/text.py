"""What programs and shells do to text before it is a recording: byte order marks, UTF-16, the line of nohup."""

from __future__ import annotations

import codecs
import re

_UTF16 = (
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_MARK = (
    (re.compile(rb"[\t\r\n -~]\0[\t\r\n -~]\0"), "utf-16-le"),
    (re.compile(rb"(\0[\t\r\n -~]){2}"), "utf-16-be"),
)
_NOHUP = re.compile(rb"nohup: [^\n]*")


def utf8(data: bytes) -> bytes:
    """Return text in UTF-8 without a byte order mark; what is no UTF-16 (PowerShell's ``>``) stays as it is.

    An odd last byte of UTF-16 is left out: the text was cut within a character.
    """
    for mark, codec in _UTF16:
        if data.startswith(mark):
            return _decoded(data[len(mark) :], codec, data)
    for pair, codec in _NO_MARK:
        if pair.match(data):
            return _decoded(data, codec, data)
    return data.removeprefix(codecs.BOM_UTF8)


def _decoded(data: bytes, codec: str, otherwise: bytes) -> bytes:
    try:
        return data[: len(data) & ~1].decode(codec).encode()
    except UnicodeDecodeError:
        return otherwise


def without_nohup(data: bytes) -> bytes:
    """Return text without what nohup says of itself in the first line; the line stays, empty."""
    said = _NOHUP.match(data)
    return data[said.end() :] if said else data


def split(text: str) -> list[str]:
    """Return lines as an editor counts them: they end in a line feed, or all in a carriage return."""
    if "\r" in text:
        text = text.replace("\r\n", "\n") if "\n" in text else text.replace("\r", "\n")
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return lines
