"""Why a packet did not come out of a link, by the link's own 10 ms records of that moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

CUT, LOST, QUEUE, UNKNOWN = "cut", "lost", "queue full", "unknown"
_COLUMNS = {CUT: "cut", LOST: "lost", QUEUE: "queue_drops"}
_SAID = {
    CUT: "the link was cut",
    LOST: "the link lost it, as it was told to",
    QUEUE: "the link's queue was full",
    UNKNOWN: "the link's records do not say why",
}
_BIN_NS = 10_000_000


@dataclass(frozen=True)
class Causes:
    """What the links dropped, by link and direction, 10 ms by 10 ms, ns since the start."""

    _dropped: Mapping[tuple[str, str], Mapping[int, tuple[str, ...]]] = field(default_factory=dict)

    @classmethod
    def of(cls, links: pa.Table | None) -> Causes:
        """Return those of the links' records; of none, nothing is known."""
        found: dict[tuple[str, str], dict[int, tuple[str, ...]]] = {}
        if links is None or not {*_COLUMNS.values()} <= set(links.column_names):
            return cls(found)
        counts = {cause: links[column].to_numpy() for cause, column in _COLUMNS.items()}
        rows = np.flatnonzero(sum(counts.values()))
        times = links["t_ns"].to_numpy()
        names, directions = links["link"], links["direction"]
        for row in map(int, rows):
            way = (names[row].as_py(), directions[row].as_py())
            kinds = tuple(cause for cause, count in counts.items() if count[row])
            found.setdefault(way, {})[int(times[row]) // _BIN_NS] = kinds
        return cls(found)

    def at(self, link: str, direction: str, t_ns: int) -> tuple[str, ...]:
        """Return what the link did to packets at a time; the record before or after it where that one is empty."""
        bins = self._dropped.get((link, direction), {})
        number = t_ns // _BIN_NS
        return next((found for near in (number, number + 1, number - 1) if (found := bins.get(near))), (UNKNOWN,))


def said(causes: tuple[str, ...]) -> str:
    """Return causes in words; several where the records cannot tell them apart."""
    return ", or ".join(_SAID[cause] for cause in causes)
