"""Light hubs: the load of many hubs through the links and cells that they share, by the engine's physics.

They are played in logical time, without root: the same plan gives the same tallies. See fleet.h.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from testbed.errors import RunError
from testbed.link.layout import BUCKETS, CLASSES, FOREVER, pack
from testbed.link.simulated import LIBRARY
from testbed.link.simulated import load as load_engine
from testbed.model.cell import Cell
from testbed.model.link import LinkSchedule

NONE = 2**32 - 1
"""No station, no uplink."""
BIN_NS = 10**9

STATION = np.dtype([("schedule", "<u8"), ("classes", "<u8"), ("admits", "<u8")])
LANE = np.dtype([("schedule", "<u8"), ("phase_ns", "<i8"), ("station", "<u4"), ("unused", "<u4")])
STREAM = np.dtype([("kind", "<u4"), ("dscp", "<u4"), ("size", "<u4"), ("unused", "<u4"), ("every_ns", "<i8")])
HUB = np.dtype([("users", "<u4"), ("first_size", "<u4"), ("n_sizes", "<u4"), ("unused", "<u4")])
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


class _Plan(ctypes.Structure):
    _fields_ = (
        ("seed", ctypes.c_uint64), ("bin_ns", ctypes.c_int64),
        ("n_hubs", ctypes.c_uint32), ("n_uplinks", ctypes.c_uint32),
        ("n_stations", ctypes.c_uint32), ("n_streams", ctypes.c_uint32),
        ("n_bins", ctypes.c_uint64), ("n_actions", ctypes.c_uint64),
        ("stations", ctypes.c_void_p), ("lanes", ctypes.c_void_p), ("streams", ctypes.c_void_p),
        ("hubs", ctypes.c_void_p), ("sizes", ctypes.c_void_p), ("actions", ctypes.c_void_p),
    )  # fmt: skip


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
    """One hub: up and down of each uplink, its users, and the sizes in bytes of what they ask for (each alike)."""

    lanes: Sequence[tuple[LightLane, LightLane]]
    users: int = 0
    sizes: tuple[int, ...] = ()


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
    inside: int


@cache
def load() -> ctypes.CDLL:
    """Load the engine's physics with the fleet's functions. Raises HostError when it is not built."""
    library = load_engine(LIBRARY)
    pointer = ctypes.c_void_p
    library.fleet_open.restype, library.fleet_open.argtypes = pointer, [pointer]
    library.fleet_run.restype, library.fleet_run.argtypes = ctypes.c_bool, [pointer, ctypes.c_int64]
    for name in ("fleet_tallies", "fleet_delays", "fleet_bytes"):
        function = getattr(library, name)
        function.restype, function.argtypes = pointer, [pointer]
    library.fleet_inside.restype, library.fleet_inside.argtypes = ctypes.c_uint64, [pointer]
    library.fleet_close.restype, library.fleet_close.argtypes = None, [pointer]
    return library


class LightFleet:
    """A fleet under a clock that moves as far as it is told; times count from its start."""

    def __init__(
        self,
        hubs: Sequence[LightHub],
        cells: Mapping[str, Cell],
        streams: Sequence[LightStream],
        actions: Sequence[HubMove | LaneCut],
        *,
        duration_ns: int,
        seed: int = 1,
        admits: Mapping[str, int] | None = None,
    ) -> None:
        """``admits``: how many hubs a cell takes at once, of those that do not take all.

        Raises RunError where there is no memory, KeyError for a cell that is not there.
        """
        self._library = load()
        self._packed: dict[int, NDArray[np.uint8]] = {}
        self._kept: list[object] = [list(hubs), dict(cells)]
        self._shape = (len(streams), max(duration_ns // BIN_NS, 1), len(hubs))
        self._uplinks = len(hubs[0].lanes)
        arrays = {
            "stations": self._stations(cells, admits or {}),
            "lanes": self._lanes(hubs, {name: i for i, name in enumerate(cells)}),
            "streams": np.array([(s.kind, s.dscp, s.size, 0, s.every_ns) for s in streams], STREAM),
            "hubs": np.zeros(len(hubs), HUB),
            "actions": self._actions(actions),
        }
        sizes, firsts = _joined([hub.sizes for hub in hubs])
        arrays["sizes"] = sizes
        arrays["hubs"]["users"] = [hub.users if hub.sizes else 0 for hub in hubs]
        arrays["hubs"]["first_size"], arrays["hubs"]["n_sizes"] = firsts, [len(hub.sizes) for hub in hubs]
        self._kept.append(arrays)
        self._plan = _Plan(
            seed=seed, bin_ns=BIN_NS, n_hubs=len(hubs), n_uplinks=self._uplinks, n_stations=len(cells),
            n_streams=len(streams), n_bins=self._shape[1], n_actions=len(arrays["actions"]),
            **{name: array.ctypes.data for name, array in arrays.items()},
        )  # fmt: skip
        self._fleet = self._library.fleet_open(ctypes.byref(self._plan))
        if not self._fleet:
            raise RunError("the fleet could not be opened: no memory")

    def _block(self, schedule: LinkSchedule) -> int:
        """Return the address of a schedule as the engine reads it; one that many share is packed once."""
        if id(schedule) not in self._packed:
            self._packed[id(schedule)] = pack(schedule)
        return int(self._packed[id(schedule)].ctypes.data)

    def _stations(self, cells: Mapping[str, Cell], admits: Mapping[str, int]) -> np.ndarray:
        stations = np.zeros(max(len(cells), 1), STATION)
        for station, (name, cell) in zip(stations, cells.items(), strict=False):
            station["schedule"], station["admits"] = self._block(cell.schedule), admits.get(name, 0)
            if cell.classes:
                classes = np.zeros(1, CLASSES)
                classes["discipline"], classes["of_dscp"] = bool(cell.weights), cell.class_of()
                classes["quantum"], classes["apart"] = cell.quanta(), cell.apart
                self._kept.append(classes)
                station["classes"] = classes.ctypes.data
        return stations

    def _lanes(self, hubs: Sequence[LightHub], stations: Mapping[str, int]) -> np.ndarray:
        rows = [
            (self._block(lane.schedule), lane.phase_ns, stations[lane.cell] if lane.cell else NONE, 0)
            for hub in hubs
            for pair in hub.lanes
            for lane in pair
        ]
        return np.array(rows, LANE)

    def _actions(self, actions: Sequence[HubMove | LaneCut]) -> np.ndarray:
        rows: list[tuple[int, ...]] = []
        for a in sorted(actions, key=lambda action: action.t_ns):
            if isinstance(a, HubMove):
                rows.append((a.t_ns, 0, 0, a.hub, NONE if a.uplink is None else a.uplink, a.refill))
            else:
                first = 2 * (a.hub * self._uplinks + a.uplink)
                rows += [(a.t_ns, a.until_ns, 1, lane, 0, 0) for lane in (first, first + 1)]
        return np.array(rows, ACTION)

    def run(self, until_ns: int = FOREVER - 1) -> None:
        """Run until this instant, included. Raises RunError when there is no memory."""
        if not self._library.fleet_run(self._fleet, until_ns):
            raise RunError("the fleet is out of memory")

    def tallies(self) -> Tallies:
        """Return a copy of what became of it so far."""
        streams, _, hubs = self._shape
        lanes = self._copy("fleet_bytes", np.dtype("<u8"), (hubs, self._uplinks, 2, 2))
        return Tallies(
            bins=self._copy("fleet_tallies", TALLY, self._shape),
            delays=self._copy("fleet_delays", np.dtype("<u4"), (streams, hubs, BUCKETS)),
            into=lanes[..., 0],
            out_of=lanes[..., 1],
            inside=int(self._library.fleet_inside(self._fleet)),
        )

    def _copy(self, name: str, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
        address = getattr(self._library, name)(self._fleet)
        count = int(np.prod(shape))
        return np.frombuffer(ctypes.string_at(address, count * dtype.itemsize), dtype).reshape(shape)

    def close(self) -> None:
        """Free its memory."""
        self._library.fleet_close(self._fleet)
        self._fleet = None


def _joined(tables: Sequence[tuple[int, ...]]) -> tuple[NDArray[np.uint32], list[int]]:
    """Return all sizes one after the other, those of hubs with one catalogue once, and where each hub's begin."""
    where: dict[tuple[int, ...], int] = {}
    sizes: list[int] = [0]
    for table in tables:
        if table not in where:
            where[table] = len(sizes)
            sizes += table
    return np.array(sizes, np.uint32), [where[table] for table in tables]
