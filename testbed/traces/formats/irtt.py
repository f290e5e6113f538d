"""irtt JSON, plain or gzipped: RTT with the direction of each loss, and one-way delays where clocks agree.

A day at 20 ms is 4.3 million round trips in 5 GB of text, so the list of round trips is not parsed into
objects but scanned as a stream; see testbed/traces/core.
"""

from __future__ import annotations

import gzip
import json
import re
from io import BytesIO, FileIO
from pathlib import Path

import numpy as np

from testbed.errors import InputError, Place
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, documents, text
from testbed.traces.formats.irtt_scan import Block, Columns, CutShortError, ScanError, scan

_LIST = re.compile(rb'"round_trips"\s*:\s*\[')
_BLOCK = 4 << 20
_AS_WRITTEN = "give the file as its tool wrote it"


def _recognises(head: base.Head) -> bool:
    return head.text.lstrip()[:1] == "{" and '"irtt"' in head.text[:1000]


def _read(path: Path) -> base.Recording:
    columns = _columns(path)
    if not len(columns.seqno):
        raise InputError(str(path), "no round trips", "record with: irtt client -i 10ms -d 60s -o FILE HOST")
    gaps = np.flatnonzero(np.diff(columns.seqno) != 1)
    if len(gaps):
        at = int(gaps[0])
        found = f"round trip {at + 1} has number {columns.seqno[at + 1]} after {columns.seqno[at]}"
        raise InputError(str(path), found, "give the whole recording")
    leap = base.leap(columns.sent_ns)
    if leap:
        raise InputError(
            str(path), f"round trip {leap[0]}: {leap[1]}", "split the recording where its clock changes"
        )
    too_long = np.flatnonzero(columns.rtt_ns > base.MAX_RTT_NS)
    if len(too_long) or columns.rtt_ns.min() < 0:
        at = int(too_long[0]) if len(too_long) else int(columns.rtt_ns.argmin())
        found = f"round trip {at}: rtt {columns.rtt_ns[at]} ns"
        raise InputError(str(path), found, "a round trip takes 0 to 10 minutes")
    return _recording(columns)


def _recording(columns: Columns) -> base.Recording:
    t = base.increasing(columns.sent_ns - columns.sent_ns[0])
    answered = columns.loss == Loss.NONE
    series = {SeriesName.RTT: Series.of(t, columns.rtt_ns, columns.loss)}
    one_way = columns.up_ns[answered], columns.down_ns[answered]
    known = answered.any() and all(len(way) and way.any() for way in one_way)
    agree = known and all(way.min() >= 0 for way in one_way)
    if agree:
        series[SeriesName.UP_DELAY] = Series.of(t, columns.up_ns, columns.loss)
        series[SeriesName.DOWN_DELAY] = Series.of(t, columns.down_ns, columns.loss)
    notes: tuple[str, ...] = ()
    if known and not agree:
        offset = int(np.median(columns.up_ns[answered] - columns.down_ns[answered])) // 2
        notes = (f"clocks differ by about {offset / 1e9:.3f} s: one-way delays left out",)
    return base.Recording(
        series=series,
        duration_ns=base.end_of(t),
        start_ns=int(columns.sent_ns[0]),
        traits=(Trait.OFFSET_CLOCKS,) if known and not agree else (),
        notes=notes,
    )


# --- the list of round trips


def _columns(path: Path) -> Columns:
    try:
        with base.readable(path), _opened(path) as file:
            window = Block(file, _BLOCK)
            window.leave(_list_start(path, bytes(window.data)))
            columns = scan(window)
            if not _is_end(window):
                found = "more than one document, or more than irtt writes, behind the round trips"
                raise InputError(str(path), found, "split the file where another recording begins")
            return columns
    except CutShortError:
        raise InputError(
            str(path), "the list of round trips has no end", "the file is cut short: copy it again"
        ) from None
    except ScanError as error:
        found = f"round trip {error.number}: not irtt round trips: {error.why}"
        raise InputError(Place(str(path), _line_of(path, error.offset)), found, _AS_WRITTEN) from error


def _opened(path: Path) -> gzip.GzipFile | FileIO | BytesIO:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.GzipFile(path) if packed else path.open("rb") as file:
        begin = file.read(64)
    if begin != text.utf8(begin):
        return BytesIO(base.content(path))
    return gzip.GzipFile(path) if packed else path.open("rb", buffering=0)


def _list_start(path: Path, start: bytes) -> int:
    found = _LIST.search(start)
    if not found:
        if len(start) < _BLOCK:
            documents.json_of(path)  # a truncated header says where it breaks
        raise InputError(
            str(path), "no list of round_trips", "record without --no-round-trips, with: irtt client -o FILE"
        )
    with documents.shape(path, "an irtt document"):
        json.loads(start[: found.end()] + b"]}")["version"]["irtt"]
    return found.end()


def _is_end(window: Block) -> bool:
    """Say whether nothing but the document's brace is left."""
    end = bytes(window.data).strip()
    while len(end) < 2:
        window.leave(len(window.data))
        if not window.more():
            return end == b"}"
        end += bytes(window.data).strip()
    return False


def _line_of(path: Path, offset: int) -> int:
    """Return the line of a byte of the unpacked file."""
    line = 1
    with _opened(path) as file:
        while offset > 0 and (block := file.read(min(_BLOCK, offset))):
            line += block.count(b"\n")
            offset -= len(block)
    return line


FORMAT = base.Format(
    "irtt",
    "irtt JSON, plain or gzipped",
    _recognises,
    _read,
    sign="a JSON object with `round_trips`",
    tool="irtt 0.9, `-o`",
    record="irtt client -i 10ms -d 1h -o recording.json.gz HOST",
    cannot_tell="one-way delays where the two clocks disagree",
)
