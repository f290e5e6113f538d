"""irtt JSON, plain or gzipped: RTT with the direction of each loss, and one-way delays where clocks agree.

A day at 20 ms is 4.3 million round trips in 5 GB of text, so the list of round trips is not parsed as JSON
but scanned, a block at a time: irtt's encoder gives equal round trips equal lines. One that was
answered tells on which of its lines the wanted numbers stand; round trips of another shape (lost ones)
are parsed one by one.
"""

from __future__ import annotations

import gzip
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
_BLOCK = 8 << 20
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


# --- the stream of round trips


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _blocks(path: Path) -> Iterator[Columns]:
    """Scan whole round trips, a block at a time, in order, on a few threads."""
    pending: list[Future[Columns]] = []
    try:
        with _open(path) as file, ThreadPoolExecutor(_THREADS) as pool:
            for number, (block, opening) in enumerate(_texts(path, file)):
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


def _scanned(path: Path, number: int, block: bytes, opening: int) -> Columns:
    with documents.shape(path, "irtt round trips", f"block {number}"):
        return scan(block, opening, _LOSSES)


def _texts(path: Path, file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Cut the list of round trips between two of them; what follows the list must end the document.

    With each block goes the length of the line that opens a round trip, 0 where they share lines.
    """
    start = file.read(_BLOCK)
    found = _LIST.search(start)
    if not found:
        documents.json_of(path)  # a truncated header says where it breaks
        raise InputError(
            str(path), "no list of round_trips", "record without --no-round-trips, with: irtt client -o"
        )
    rest = start[found.end() :]
    separator = re.search(rb"\}(\s*,\s*)\{", rest)
    between = separator[0] if separator else b"},{"
    opening = len(between.partition(b"\n")[2])
    while more := file.read(_BLOCK):
        cut = rest.rfind(between)
        if cut >= 0:
            yield rest[: cut + 1], opening
            rest = rest[cut + len(between) - 1 :]
        rest += more
    last = rest.rfind(b"]")
    if last < 0 or not re.fullmatch(rb"\s*\}\s*", rest[last + 1 :]):
        raise InputError(
            str(path), "the list of round trips has no end", "the file is cut short: copy it again"
        )
    yield rest[:last], opening


FORMAT = base.Format("irtt", "irtt JSON, plain or gzipped", _recognises, _read)
