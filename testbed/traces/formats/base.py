"""What an importer is given and what it returns."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from testbed.errors import InputError, Place
from testbed.model.trace import Framing, Series, SeriesName, TraceEvent, Trait
from testbed.traces.formats import text
from testbed.units import format_duration

HEAD_BYTES = 65536
MAX_RTT_NS = 600 * 10**9
"""The longest round trip taken for real; cellular buffers have been seen to hold probes for 27 s."""
MAX_STEP_NS = 3600 * 10**9
"""Clocks of one recording that step further apart than this are two clocks."""
MAX_PROBES = 50_000_000
"""More would not be a recording but a mistake in its numbers."""


@dataclass(frozen=True)
class Recording:
    """A file's content in the trace's terms; the store adds name, licence and ancestry.

    Times count from ``start_ns`` (UTC, since 1970), or from the recording's first reading; ``slot_ns`` is
    the first handover boundary of one without a clock that has its slots by construction.
    """

    series: Mapping[SeriesName, Series]
    duration_ns: int
    start_ns: int | None = None
    events: Sequence[TraceEvent] = ()
    context: Mapping[str, Series] = field(default_factory=dict)
    traits: tuple[Trait, ...] = ()
    notes: tuple[str, ...] = ()
    framing: Mapping[SeriesName, Framing] = field(default_factory=dict)
    slot_ns: int | None = None


@dataclass(frozen=True)
class Head:
    """The beginning of a file, uncompressed, by which an importer recognises it."""

    path: Path
    data: bytes

    @property
    def text(self) -> str:
        """The beginning as text; bytes that are none become question marks."""
        return self.data.decode("utf-8", "replace")

    @property
    def lines(self) -> list[str]:
        """Its first lines, without the last one, which may be cut."""
        lines = text.split(self.text)
        return lines if len(self.data) < HEAD_BYTES else lines[:-1]


@dataclass(frozen=True)
class Format:
    """One importer: its name, what it reads, whether a file is of its kind, and the reading.

    ``by_line``: each line stands for itself, so that a last one without end may have lost some of it.
    The rest is said to users (docs/formats.md is made of it): ``sign`` by what a file is recognised,
    ``tool`` which program and version wrote it, ``record`` how to record it best, ``cannot_tell``.
    """

    name: str
    reads: str
    recognises: Callable[[Head], bool]
    read: Callable[[Path], Recording]
    version: int = 1
    by_line: bool = False
    sign: str = field(kw_only=True)
    tool: str = field(kw_only=True)
    record: str = field(kw_only=True)
    cannot_tell: str = field(kw_only=True)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what can go wrong in reading ``path``, gzipped or not, into InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            str(path), f"cannot be read ({error.strerror or error})", "give a recording"
        ) from error
    except (EOFError, zlib.error) as error:
        raise InputError(
            str(path), f"the gzip file is cut short or broken ({error})", "copy it again"
        ) from error


def content(path: Path) -> bytes:
    """Return a file's bytes, uncompressed, text in UTF-8 without what is none of it (formats/text.py).

    Raises InputError for what cannot be read or is empty.
    """
    with readable(path):
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    data = text.without_nohup(text.utf8(data))
    if not data.strip():
        raise InputError(str(path), "the file is empty", "give a recording")
    return data


def head(path: Path) -> Head:
    """Return the beginning of a file. Raises InputError as `content` does."""
    with readable(path):
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            data = text.utf8(file.read(2 * HEAD_BYTES))
    plain = text.without_nohup(data)
    return Head(path, (plain if plain is data else plain.lstrip())[:HEAD_BYTES])


def lines(path: Path) -> list[str]:
    """Return the lines of a text file. Raises InputError with the line that is no UTF-8 text."""
    return text.split(decoded(path, content(path)))


def decoded(path: Path, data: bytes) -> str:
    """Return text. Raises InputError with the line that is no UTF-8 text."""
    bad = data.find(b"\0")
    try:
        found = data.decode("utf-8")
    except UnicodeDecodeError as error:
        bad = error.start if bad < 0 else min(bad, error.start)
    if bad >= 0:
        place = Place(str(path), data.count(b"\n", 0, bad) + 1)
        lost = data[bad : bad + 8] == bytes(8)
        raise InputError(
            place,
            f"byte 0x{data[bad]:02x} is not UTF-8 text",
            "zeros stand where a crash lost what was written: split the recording there"
            if lost
            else "give the recording as it was written",
        )
    return found


def finished(path: Path) -> tuple[list[str], tuple[str, ...]]:
    """Return the lines of a recording that may have been killed, and a note where the last one has no end.

    That line is left out: what it would have said is not known. Raises InputError as `lines` does.
    """
    found, rest, _ = ended(path)
    return found, unfinished(len(found) + 1) if rest is not None else ()


def ended(path: Path) -> tuple[list[str], str | None, bool]:
    """Return a text's lines that have an end, the one that has none, and whether zeros followed it.

    A crash of the host leaves zeros at the end of a file. Raises InputError as `lines` does.
    """
    data = content(path)
    kept = data.rstrip(b"\0")
    end = max(kept.rfind(b"\n"), kept.rfind(b"\r") if b"\n" not in kept else -1) + 1
    whole = text.split(decoded(path, kept[:end]))
    if end == len(data):
        return whole, None, False
    return whole, kept[end:].decode("utf-8", "replace"), len(kept) < len(data)


def unfinished(number: int) -> tuple[str, ...]:
    """Return the note on a last line that was left out."""
    return (f"line {number} is unfinished and left out: the recording was cut short there",)


def open_end(path: Path) -> tuple[str, ...]:
    """Return a note where a text file's last line has no end, compressed or not."""
    with readable(path), path.open("rb") as file:
        packed = file.read(2) in (b"\x1f\x8b", codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        file.seek(-1, 2)
        last = content(path)[-1:] if packed else file.read()
    ended = last in (b"\n", b"\r")
    return () if ended else ("the last line has no end: its last figure may have been cut short",)


def increasing(t_ns: ArrayLike) -> NDArray[np.int64]:
    """Return times in order, each at least 1 ns after the one before: rounding makes ties."""
    t = np.asarray(t_ns, np.int64)
    steps = np.arange(len(t), dtype=np.int64)
    return np.maximum.accumulate(t - steps) + steps


def leap(
    t_ns: ArrayLike, accounted: ArrayLike | None = None, longest_ns: int = MAX_STEP_NS
) -> tuple[int, str] | None:
    """Return the first reading whose clock leaps, and how: back by a second, or forward by ``longest_ns``.

    ``accounted``, shape (n - 1,), is true where something else tells that the time has passed: numbers of
    probes, say. Where rows are merely absent (a dish that is off at night) give a longer ``longest_ns``.
    """
    steps = np.diff(np.asarray(t_ns, np.int64))
    forward = steps > longest_ns
    leaps = np.flatnonzero(
        (steps < -(10**9)) | (forward if accounted is None else forward & ~np.asarray(accounted, bool))
    )
    if not len(leaps):
        return None
    step = int(steps[leaps[0]])
    way = "back" if step < 0 else "forward"
    return int(leaps[0]) + 1, f"the clock leaps {way} by {format_duration(abs(step))}"


def check_clock(
    path: Path,
    t_ns: ArrayLike,
    line_of: Sequence[int],
    accounted: ArrayLike | None = None,
    longest_ns: int = MAX_STEP_NS,
) -> None:
    """Refuse times that leap, see `leap`: two clocks in one file. Raises InputError with the line."""
    if found := leap(t_ns, accounted, longest_ns):
        place = Place(str(path), line_of[found[0]])
        raise InputError(place, found[1], "split the recording where its clock changes")


def pauses(t_ns: ArrayLike, line_of: Sequence[int], noun: str = "row") -> tuple[str, ...]:
    """Return a note for each time that no row came for an hour: "no row for 1.17 h in front of line 602"."""
    steps = np.diff(np.asarray(t_ns, np.int64))
    return tuple(
        f"no {noun} for {format_duration(int(steps[at]))} in front of line {line_of[int(at) + 1]}"
        for at in np.flatnonzero(steps > MAX_STEP_NS)
    )


def end_of(*times: NDArray[np.int64]) -> int:
    """Return where a recording ends: one cadence after its last reading."""
    last = [(int(t[-1]), int(np.median(np.diff(t))) if len(t) > 1 else 1) for t in times if len(t)]
    return max((t + max(1, cadence) for t, cadence in last), default=1)
