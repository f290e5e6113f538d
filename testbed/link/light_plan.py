"""What a fleet plays, as the engine reads it: one block of memory, for linkd and for logical time. See plan.h."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.link.layout import BUCKETS, CLASSES, pack
from testbed.model.cell import Cell
from testbed.model.link import LinkSchedule

NONE = 2**32 - 1
"""No station, no uplink."""
BIN_NS = 10**9

HEADER = np.dtype(
    [("magic", "S8"), ("seed", "<u8"), ("bin_ns", "<i8")]
    + [(name, "<u4") for name in ("n_hubs", "n_uplinks", "n_stations", "n_streams")]
    + [(name, "<u8") for name in ("n_bins", "n_actions", "n_sizes")]
    + [(name, "<u8") for name in ("stations", "lanes", "streams", "hubs", "sizes", "actions", "shares")]
)
STATION = np.dtype([("schedule", "<u8"), ("classes", "<u8"), ("admits", "<u8")])
LANE = np.dtype([("schedule", "<u8"), ("phase_ns", "<i8"), ("station", "<u4"), ("unused", "<u4")])
STREAM = np.dtype([("kind", "<u4"), ("dscp", "<u4"), ("size", "<u4"), ("unused", "<u4"), ("every_ns", "<i8")])
HUB = np.dtype([("users", "<u4"), ("first_size", "<u4"), ("n_sizes", "<u4"), ("real", "<u4")])
ACTION = np.dtype(
    [("t_ns", "<i8"), ("until_ns", "<i8"), ("kind", "<u4"), ("index", "<u4"), ("uplink", "<u4"), ("bytes", "<u4")]
)
TALLY = np.dtype(
    [("offered", "<u8"), ("carried", "<u8"), ("packets", "<u8"), ("arrived", "<u8"), ("lost", "<u8")]
    + [("delay_ns", "<i8"), ("delay_ns_max", "<i8"), ("done", "<u8"), ("done_ns", "<i8")]
)


class LoadKind(IntEnum):
    """What a stream does; see fleet.h."""

    BEAT = 0
    FLOW = 1
    FETCH = 2


@dataclass(frozen=True, eq=False)
class LightLane:
    """One direction of one uplink of one hub: what it plays, from where in it, and its cell (empty: none)."""

    schedule: LinkSchedule
    phase_ns: int = 0
    cell: str = ""


@dataclass(frozen=True)
class LightStream:
    """One sort of load of every hub; ``every_ns`` is its pace or its users' mean rest."""

    kind: LoadKind
    every_ns: int
    size: int = 0
    dscp: int = 0


@dataclass(frozen=True, eq=False)
class LightHub:
    """One hub: up and down of each uplink, its users, and the sizes in bytes of what they ask for (each alike).

    Of a ``real`` one the packets come from outside, and none are made.
    """

    lanes: Sequence[tuple[LightLane, LightLane]]
    users: int = 0
    sizes: tuple[int, ...] = ()
    real: bool = False


@dataclass(frozen=True)
class HubMove:
    """A hub uses another uplink (None: none) from now on, and fetches ``refill`` bytes for its cache."""

    t_ns: int
    hub: int
    uplink: int | None
    refill: int = 0


@dataclass(frozen=True)
class LaneCut:
    """Both directions of an uplink of a hub are cut."""

    t_ns: int
    until_ns: int
    hub: int
    uplink: int


@dataclass(frozen=True, eq=False)
class Tallies:
    """What became of it: ``bins`` of dtype TALLY, shape (streams, seconds, hubs); ``delays`` are packets by delay,
    shape (streams, hubs, BUCKETS); ``into`` and ``out_of`` the bytes of each lane, shape (hubs, uplinks, 2), up first.
    """

    bins: np.ndarray[tuple[int, int, int], np.dtype[np.void]]
    delays: NDArray[np.uint32]
    into: NDArray[np.uint64]
    out_of: NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class LightPlan:
    """A fleet's plan: its ``block``, and the names of the ``stations`` in it, the cells that links may share."""

    block: NDArray[np.uint8]
    stations: tuple[str, ...]

    @property
    def header(self) -> np.void:
        """The block's header, of dtype HEADER."""
        found: np.void = self.block[: HEADER.itemsize].view(HEADER)[0]
        return found

    @property
    def evidence_size(self) -> int:
        """How many bytes the fleet leaves behind (fleet.h)."""
        return sum(int(np.prod(shape)) * dtype.itemsize for dtype, shape in self._parts())

    def tallies(self, evidence: bytes | bytearray | memoryview) -> Tallies:
        """Return what became of it from the bytes that it left, which stay the memory of what is returned."""
        arrays: list[Any] = []
        at = 0
        for dtype, shape in self._parts():
            count = int(np.prod(shape))
            arrays.append(np.frombuffer(evidence, dtype, count, at).reshape(shape))
            at += count * dtype.itemsize
        bins, lanes, delays = arrays
        return Tallies(bins, delays, lanes[..., 0], lanes[..., 1])

    def _parts(self) -> tuple[tuple[np.dtype, tuple[int, ...]], ...]:
        h = {name: int(self.header[name]) for name in ("n_hubs", "n_uplinks", "n_streams", "n_bins")}
        hubs, streams = h["n_hubs"], h["n_streams"]
        return (
            (TALLY, (streams, h["n_bins"], hubs)),
            (np.dtype("<u8"), (hubs, h["n_uplinks"], 2, 2)),
            (np.dtype("<u4"), (streams, hubs, BUCKETS)),
        )


def plan(
    hubs: Sequence[LightHub],
    cells: Mapping[str, Cell],
    streams: Sequence[LightStream],
    actions: Sequence[HubMove | LaneCut] = (),
    *,
    duration_ns: int,
    seed: int = 1,
    admits: Mapping[str, int] | None = None,
    shares: NDArray[np.float64] | None = None,
) -> LightPlan:
    """Return the plan of a fleet; without hubs, that of its cells alone.

    ``admits``: how many hubs a cell takes at once, of those that do not take all; ``shares``: how much of what is
    random (flows, users' questions) there is in each second, 0 to 1. Raises KeyError for a cell that is not there.
    """
    block = _Block()
    uplinks = len(hubs[0].lanes) if hubs else 0
    sizes, firsts = _joined([hub.sizes for hub in hubs])
    users = [hub.users if hub.sizes else 0 for hub in hubs]
    played = _actions(actions, uplinks)
    header = np.zeros(1, HEADER)
    header["magic"], header["seed"], header["bin_ns"] = b"tbfleet", seed % 2**64, BIN_NS
    header["n_hubs"], header["n_uplinks"] = len(hubs), uplinks
    header["n_stations"], header["n_streams"] = len(cells), len(streams)
    header["n_bins"], header["n_actions"] = max(duration_ns // BIN_NS, 1), len(played)
    header["n_sizes"] = len(sizes)
    header["stations"] = block.add(_stations(block, cells, admits or {}))
    header["lanes"] = block.add(_lanes(block, hubs, {name: i for i, name in enumerate(cells)}))
    header["streams"] = block.add(np.array([(s.kind, s.dscp, s.size, 0, s.every_ns) for s in streams], STREAM))
    rows = zip(users, firsts, hubs, strict=True)
    header["hubs"] = block.add(np.array([(n, first, len(h.sizes), h.real) for n, first, h in rows], HUB))
    header["sizes"], header["actions"] = block.add(sizes), block.add(played)
    if shares is not None:
        assert len(shares) == header["n_bins"][0]
        header["shares"] = block.add(shares)
    return LightPlan(block.whole(header), tuple(cells))


class _Block:
    """A block of memory that grows; what is added lies at multiples of eight bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = HEADER.itemsize
        self._schedules: dict[int, int] = {}

    def add(self, array: np.ndarray) -> int:
        """Add an array and return where it lies."""
        at, data = self._size, array.tobytes()
        self._parts.append(data + bytes(-len(data) % 8))
        self._size += len(self._parts[-1])
        return at

    def schedule(self, schedule: LinkSchedule) -> int:
        """Return where a schedule lies; one that many share is packed once."""
        if id(schedule) not in self._schedules:
            self._schedules[id(schedule)] = self.add(pack(schedule))
        return self._schedules[id(schedule)]

    def whole(self, header: np.ndarray) -> NDArray[np.uint8]:
        return np.frombuffer(header.tobytes() + b"".join(self._parts), np.uint8)


def _stations(block: _Block, cells: Mapping[str, Cell], admits: Mapping[str, int]) -> np.ndarray:
    stations = np.zeros(len(cells), STATION)
    for station, (name, cell) in zip(stations, cells.items(), strict=True):
        station["schedule"], station["admits"] = block.schedule(cell.schedule), admits.get(name, 0)
        if cell.classes:
            classes = np.zeros(1, CLASSES)
            classes["discipline"], classes["of_dscp"] = bool(cell.weights), cell.class_of()
            classes["quantum"], classes["apart"] = cell.quanta(), cell.apart
            station["classes"] = block.add(classes)
    return stations


def _lanes(block: _Block, hubs: Sequence[LightHub], stations: Mapping[str, int]) -> np.ndarray:
    rows = [
        (block.schedule(lane.schedule), lane.phase_ns, stations[lane.cell] if lane.cell else NONE, 0)
        for hub in hubs
        for pair in hub.lanes
        for lane in pair
    ]
    return np.array(rows, LANE)


def _actions(actions: Sequence[HubMove | LaneCut], uplinks: int) -> np.ndarray:
    rows: list[tuple[int, ...]] = []
    for a in sorted(actions, key=lambda action: action.t_ns):
        if isinstance(a, HubMove):
            rows.append((a.t_ns, 0, 0, a.hub, NONE if a.uplink is None else a.uplink, a.refill))
        else:
            first = 2 * (a.hub * uplinks + a.uplink)
            rows += [(a.t_ns, a.until_ns, 1, lane, 0, 0) for lane in (first, first + 1)]
    return np.array(rows, ACTION)


def _joined(tables: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.uint32], list[int]]:
    """Return all sizes one after the other, those of hubs with one catalogue once, and where each hub's begin."""
    where: dict[tuple[int, ...], int] = {}
    sizes: list[int] = [0]
    for table in tables:
        if table not in where:
            where[table] = len(sizes)
            sizes += table
    return np.array(sizes, np.uint32), [where[table] for table in tables]
