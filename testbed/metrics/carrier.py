"""Which uplink carries the heartbeat, and which new flows: told from the marked packets that leave the links."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.columns import integers, texts
from testbed.metrics.window import Window

HEARTBEAT, NEW_FLOWS = "marked_out", "marked_new_out"
"""The columns of the links' bins that count the packets of the heartbeat, and of new flows."""
BIN_NS = 10_000_000
# So many bins in a row with marked packets on one uplink alone make it the carrier. A stray packet, or
# a burst let out of a held queue beside the running heartbeat, does not.
CONFIRM_BINS = 5
# A carrier without a marked packet for this long carries nothing; Starlink's own handovers last about 0.5 s.
SILENCE_NS = 1_000_000_000


@dataclass(frozen=True)
class Takeover:
    """From ``t_ns`` on, the heartbeat was carried by ``uplink``; ``before`` is None for the first carrier."""

    t_ns: int
    uplink: str
    before: str | None


@dataclass(frozen=True)
class Stretch:
    """A time in which one uplink carried the heartbeat, or nobody did (None)."""

    start_ns: int
    end_ns: int
    uplink: str | None


@dataclass(frozen=True, eq=False)
class Carrier:
    """The carrier as a step series: takeovers, and the bins in which each uplink had marked packets."""

    takeovers: tuple[Takeover, ...]
    marked: dict[str, NDArray[np.int64]]
    silence_ns: int = SILENCE_NS

    def at(self, t_ns: int) -> str | None:
        """Return the uplink that carried the heartbeat at a moment; None where nobody did."""
        for stretch in self.stretches(Window(t_ns, t_ns + 1)):
            return stretch.uplink
        return None

    def changes(self, window: Window) -> tuple[Takeover, ...]:
        """Return the takeovers in the window; the first carrier of the run is none."""
        return tuple(
            t for t in self.takeovers if t.before is not None and window.start_ns <= t.t_ns < window.end_ns
        )

    def stretches(self, window: Window) -> Iterator[Stretch]:
        """Cover the window with stretches, silence included."""
        at = window.start_ns
        for start, end, uplink in self._steps():
            start, end = max(start, at), min(end, window.end_ns)
            if end <= start:
                continue
            if start > at:
                yield Stretch(at, start, None)
            yield Stretch(start, end, uplink)
            at = end
        if at < window.end_ns:
            yield Stretch(at, window.end_ns, None)

    def _steps(self) -> Iterator[tuple[int, int, str]]:
        """Yield (start, end, uplink) of each time without silence (a wait of more than ``silence_ns``)."""
        ends = [t.t_ns for t in self.takeovers[1:]] + [np.iinfo(np.int64).max]
        for takeover, end in zip(self.takeovers, ends, strict=False):
            bins = self.marked[takeover.uplink]
            bins = bins[(bins >= takeover.t_ns) & (bins < end)]
            cuts = np.flatnonzero(np.diff(bins, append=end) > self.silence_ns)
            start = 0
            for cut in cuts.tolist():
                yield int(bins[start]), int(bins[cut]) + BIN_NS, takeover.uplink
                start = int(cut) + 1
            if start < len(bins):
                yield int(bins[start]), end, takeover.uplink


def carrier(links: pa.Table | None, marks: str = HEARTBEAT) -> Carrier:
    """Read the carrier of the packets that ``marks`` counts from the links' 10 ms bins (t_ns, link, direction).

    Only what leaves a link in the up direction counts: a packet lost on the link was not carried. Links of older
    runs have not counted new flows: no carrier is known.
    """
    if links is None or marks not in links.column_names:
        return Carrier((), {})
    seen = links.filter(pc.and_(pc.equal(links["direction"], "up"), pc.greater(links[marks], 0)))
    t_ns, names = integers(seen, "t_ns"), texts(seen, "link")
    marked = {str(name): np.unique(t_ns[names == name]) for name in np.unique(names)}
    spacing = int(np.median(np.diff(np.unique(t_ns)))) if len(np.unique(t_ns)) > 1 else 0
    return Carrier(tuple(_takeovers(marked)), marked, max(SILENCE_NS, 3 * spacing))


def _takeovers(marked: dict[str, NDArray[np.int64]]) -> Iterator[Takeover]:
    bins, alone = _sole_carriers(marked)
    starts = np.flatnonzero(np.diff(alone, prepend=-2))
    lengths = np.diff(starts, append=len(alone))
    names, current = list(marked), None
    for start, length in zip(starts, lengths, strict=True):
        code = alone[start]
        if code < 0 or length < CONFIRM_BINS or names[code] == current:
            continue
        yield Takeover(int(bins[start]), names[code], current)
        current = names[code]


def _sole_carriers(marked: dict[str, NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all marked bins and the number of the uplink that had them alone (-1: several had)."""
    if not marked:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    bins, counts = np.unique(np.concatenate(list(marked.values())), return_counts=True)
    alone = np.full(len(bins), -1, np.int64)
    for code, mine in enumerate(marked.values()):
        at = np.searchsorted(bins, mine)
        alone[at] = np.where(counts[at] == 1, code, -1)
    return bins, alone
