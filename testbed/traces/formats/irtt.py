"""irtt JSON, plain or gzipped: RTT with the direction of each loss, and one-way delays where clocks agree.

A day at 20 ms is 4.3 million round trips in 5 GB of text, so the list of round trips is not parsed as JSON
but scanned, a block at a time: irtt's encoder gives equal round trips equal lines. One that was
answered tells on which of its lines the wanted numbers stand; round trips of another shape (lost ones)
are parsed one by one.
"""

from __future__ import annotations

import gzip
import mmap
import re
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np

from testbed.errors import InputError
from testbed.model.trace import Loss, Series, SeriesName, Trait
from testbed.traces.formats import base, documents
from testbed.traces.formats.irtt_scan import Columns, scan

_LIST = re.compile(rb'"round_trips"\s*:\s*\[')
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_END = re.compile(rb"\]\s*\}\s*")
_BLOCK = 4 << 20
_THREADS = 2
_LOSSES = {"false": Loss.NONE, "true": Loss.UNKNOWN, "true_up": Loss.UP, "true_down": Loss.DOWN}


def _recognises(head: base.Head) -> bool:
    return head.text.lstrip()[:1] == "{" and '"irtt"' in head.text[:1000]


def _read(path: Path) -> base.Recording:
    columns = Columns.joined(_blocks(path))
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


# --- the list of round trips, in blocks of whole ones


def _blocks(path: Path) -> Iterator[Columns]:
    """Scan the round trips, a block at a time, in order, on a few threads."""
    pending: list[Future[Columns]] = []
    try:
        with path.open("rb") as file, ThreadPoolExecutor(_THREADS) as pool:
            packed = file.read(2) == b"\x1f\x8b"
            for number, (block, opening) in enumerate(_unpacked(path) if packed else _mapped(path, file)):
                pending.append(pool.submit(_scanned, path, number, block, opening))
                if len(pending) > _THREADS:
                    yield pending.pop(0).result()
            for future in pending:
                yield future.result()
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror or error})", "give a recording"
        ) from error
    except (EOFError, zlib.error) as error:
        raise InputError(
            str(path), f"the gzip file is cut short or broken ({error})", "copy it again"
        ) from error


def _scanned(path: Path, number: int, block: bytes | memoryview, opening: int) -> Columns:
    with documents.shape(path, "irtt round trips", f"block {number}"):
        return scan(block, opening, _LOSSES)


def _mapped(path: Path, file: IO[bytes]) -> Iterator[tuple[bytes | memoryview, int]]:
    """Yield blocks of a plain file without copying it."""
    data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    begin, end = _list_start(path, data[:_BLOCK]), data.rfind(b"]")
    _check_end(path, data[end:] if end >= begin else b"")
    between, opening = _separator(data[begin : begin + _BLOCK])
    while data[begin : begin + 1].isspace():
        begin += 1
    while data[end - 1 : end].isspace():
        end -= 1
    while end - begin > _BLOCK and (cut := data.rfind(between, begin, begin + _BLOCK)) >= 0:
        yield memoryview(data)[begin : cut + 1], opening
        # What was read need not stay in memory; a thread still at it finds it again.
        data.madvise(mmap.MADV_DONTNEED, 0, begin - begin % mmap.PAGESIZE)
        begin = cut + len(between) - 1
    yield memoryview(data)[begin:end], opening


def _unpacked(path: Path) -> Iterator[tuple[bytes | memoryview, int]]:
    """Yield blocks of a gzipped file as it is unpacked."""
    with gzip.open(path) as file:
        rest = file.read(_BLOCK)
        rest = rest[_list_start(path, rest) :].lstrip()
        between, opening = _separator(rest)
        while more := file.read(_BLOCK):
            cut = rest.rfind(between)
            if cut >= 0:
                yield rest[: cut + 1], opening
                rest = rest[cut + len(between) - 1 :]
            rest += more
    end = rest.rfind(b"]")
    _check_end(path, rest[end:] if end >= 0 else b"")
    yield rest[:end].rstrip(), opening


def _list_start(path: Path, start: bytes) -> int:
    if found := _LIST.search(start):
        return found.end()
    documents.json_of(path)  # a truncated header says where it breaks
    raise InputError(
        str(path), "no list of round_trips", "record without --no-round-trips, with: irtt client -o FILE"
    )


def _check_end(path: Path, tail: bytes) -> None:
    if not _END.fullmatch(tail):
        raise InputError(
            str(path), "the list of round trips has no end", "the file is cut short: copy it again"
        )


def _separator(text: bytes) -> tuple[bytes, int]:
    """Return what stands between two round trips, and the length of the line that opens one (0: none)."""
    found = _BETWEEN.search(text)
    between = found[0] if found else b"},{"
    return between, len(between.partition(b"\n")[2])


FORMAT = base.Format("irtt", "irtt JSON, plain or gzipped", _recognises, _read)
