"""The simulated back end: linkd's own physics under a simulated clock, without root and to the bit."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from testbed.errors import HostError, RunError
from testbed.link import fidelity
from testbed.link.backend import Counters, DirectionCounters, LinkBackend, LinkEvent, LinkSpec, Restore
from testbed.link.layout import BIN, CLASSES, COUNTERS, FOREVER, RUN_STATS, pack, probability
from testbed.link.native import MARK_DSCP, NEW_MARK_DSCP
from testbed.link.records import bins_table
from testbed.model.cell import Cell
from testbed.model.impairments import NO_IMPAIRMENTS, Impairments
from testbed.model.link import Direction, LinkSchedule

LIBRARY = Path(__file__).resolve().parents[2] / "build" / "liblink.so"
ACCEPTED, LOST, CUT, NO_ROOM = range(4)
Key = tuple[str, Direction]
"""A direction of a link, by the link's name."""
_FIELDS = ("delay_ns", "rate_bps", "loss", "state")
_P = ctypes.c_void_p


class _Arrivals(ctypes.Structure):  # sim.h
    _fields_ = (
        ("n", ctypes.c_uint64), ("sim", _P), ("t_ns", _P), ("size", _P), ("dscp", _P), ("fate", _P),
    )  # fmt: skip


class _Departures(ctypes.Structure):
    _fields_ = (("room", ctypes.c_uint64), ("sim", _P), ("id", _P), ("t_ns", _P))


@dataclass(frozen=True, eq=False)
class Packets:
    """What is sent through one direction: times (ascending), sizes in bytes and DSCPs, each of shape (n,)."""

    t_ns: NDArray[np.int64]
    size: NDArray[np.uint32]
    dscp: NDArray[np.uint8]

    @classmethod
    def of(
        cls, t_ns: NDArray[np.int64], size: NDArray[np.uint32] | int, dscp: NDArray[np.uint8] | int = 0
    ) -> Packets:
        """Return packets at these times; one size or DSCP is that of all."""
        t = np.ascontiguousarray(t_ns, np.int64)
        return cls(
            t,
            np.ascontiguousarray(np.broadcast_to(np.asarray(size, np.uint32), t.shape)),
            np.ascontiguousarray(np.broadcast_to(np.asarray(dscp, np.uint8), t.shape)),
        )


@dataclass(frozen=True, eq=False)
class Transit:
    """What became of packets: `fate` of each one sent (ACCEPTED, LOST, CUT, NO_ROOM), and departures.

    `number` counts a direction's packets from 0; a duplicate has its original's. `depart_ns` is in the
    backend's clock, in order. Departures may belong to packets of earlier calls.
    """

    fate: NDArray[np.uint8]
    number: NDArray[np.uint64]
    depart_ns: NDArray[np.int64]


@cache
def load(path: Path = LIBRARY) -> ctypes.CDLL:
    """Load the engine's physics. Raises HostError when it is not built."""
    if not path.exists():
        raise HostError(f"{path} is not built; 'make -C testbed/link/core' builds it")
    library = ctypes.CDLL(str(path))
    u64, i64, u = ctypes.c_uint64, ctypes.c_int64, ctypes.c_uint
    prototypes = {
        "sim_open": (_P, [_P, ctypes.c_size_t, u64, u, u]),
        "sim_close": (None, [_P]),
        "sim_start": (None, [_P, i64, u, u]),
        "sim_change": (None, [_P, u, i64, i64, i64]),
        "sim_run": (u64, [_P, ctypes.c_uint32, _P, i64, _P]),
        "sim_share": (None, [_P, _P]),
        "sim_classes": (None, [_P, _P]),
        "sim_inside": (u64, [_P]),
        "sim_counters": (_P, [_P]),
        "sim_bins": (_P, [_P, ctypes.c_bool, ctypes.POINTER(u64)]),
    }
    for name, (result, arguments) in prototypes.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class SimulatedLink:
    """One direction of a link under a clock that only moves when it is told to."""

    def __init__(
        self,
        schedule: LinkSchedule,
        seed: int = 0,
        direction: Direction = Direction.UP,
        *,
        link: int = 0,
        impairments: Impairments = NO_IMPAIRMENTS,
        library: ctypes.CDLL | None = None,
    ) -> None:
        self._library = library or load()
        self._block = pack(schedule, impairments)  # the engine reads it in place
        d = list(Direction).index(direction)
        self._sim = self._library.sim_open(self._block.ctypes.data, self._block.nbytes, seed % 2**64, link, d)
        if not self._sim:
            raise RunError("the simulated link could not be opened: no memory, or a faulty schedule")

    @property
    def handle(self) -> int:
        """The engine's address of this link, for what it is joined with."""
        return int(self._sim)

    def start(self, at_ns: int) -> None:
        """Play the schedule from this instant of the simulated clock."""
        self._library.sim_start(self._sim, at_ns, MARK_DSCP, NEW_MARK_DSCP)

    def share(self, of: SimulatedLink) -> None:
        """Go through another link's server from now on; `run` those that share one together."""
        self._shared = of  # its memory is needed as long as this link
        self._library.sim_share(self._sim, of._sim)

    def classify(self, cell: Cell) -> None:
        """Serve this link's packets, and those that share its server, by the cell's classes."""
        record = np.zeros(1, CLASSES)
        record["discipline"], record["of_dscp"] = bool(cell.weights), cell.class_of()
        record["quantum"], record["apart"] = cell.quanta(), cell.apart
        self._library.sim_classes(self._sim, record.ctypes.data)

    def change(self, event: LinkEvent, now_ns: int) -> None:
        """Change the live link at this instant."""
        if isinstance(event, Restore):
            for i in range(len(_FIELDS)):
                self._library.sim_change(self._sim, i, 0, now_ns, -FOREVER)
            return
        until = FOREVER if event.for_ns is None else now_ns + event.for_ns
        for i, name in enumerate(_FIELDS):
            if (value := getattr(event, name)) is not None:
                value = probability(value) if name == "loss" else int(value)
                self._library.sim_change(self._sim, i, value, now_ns, until)

    def send(
        self,
        t_ns: NDArray[np.int64],
        size: NDArray[np.uint32] | int,
        dscp: NDArray[np.uint8] | int = 0,
        until_ns: int = FOREVER,
    ) -> Transit:
        """Send packets at these times (ascending) and run the link until then, or until nothing moves."""
        return run([self], [Packets.of(t_ns, size, dscp)], until_ns)[0]

    @property
    def inside(self) -> int:
        """How many packets are on their way."""
        return int(self._library.sim_inside(self._sim))

    @property
    def counters(self) -> np.void:
        """Return a copy of the counters, dtype layout.COUNTERS."""
        address = self._library.sim_counters(self._sim)
        record: np.void = np.frombuffer(ctypes.string_at(address, COUNTERS.itemsize), COUNTERS)[0]
        return record

    def bins(self) -> np.ndarray[tuple[int], np.dtype[np.void]]:
        """Close the open 10 ms record and return a copy of all, dtype layout.BIN."""
        n = ctypes.c_uint64()
        address = self._library.sim_bins(self._sim, True, ctypes.byref(n))
        return np.frombuffer(ctypes.string_at(address, n.value * BIN.itemsize) if n.value else b"", BIN)

    def close(self) -> None:
        """Free its memory."""
        self._library.sim_close(self._sim)
        self._sim = None


def run(links: Sequence[SimulatedLink], sent: Sequence[Packets], until_ns: int = FOREVER) -> list[Transit]:
    """Send packets through several links at once, which may share a server, and return each link's.

    Packets of the same time go in the order of the links. Raises RunError when there is no memory.
    """
    t = np.concatenate([packets.t_ns for packets in sent])
    order = np.argsort(t, kind="stable")
    which = np.repeat(np.arange(len(sent), dtype=np.uint32), [len(packets.t_ns) for packets in sent])
    t, lane = t[order], which[order]
    size, dscp = (np.concatenate([getattr(p, name) for p in sent])[order] for name in ("size", "dscp"))
    fate = np.zeros(len(t), np.uint8)
    room = sum(link.inside for link in links) + 2 * len(t)
    out_lane, number, depart = np.zeros(room, np.uint32), np.zeros(room, np.uint64), np.zeros(room, np.int64)
    sims = (_P * len(links))(*(link._sim for link in links))
    arrivals = _Arrivals(len(t), *(column.ctypes.data for column in (lane, t, size, dscp, fate)))
    departures = _Departures(room, *(column.ctypes.data for column in (out_lane, number, depart)))
    library = links[0]._library
    n = library.sim_run(sims, len(links), ctypes.byref(arrivals), until_ns, ctypes.byref(departures))
    if n == 2**64 - 1:
        raise RunError("the simulated link is out of memory")
    out_lane, number, depart = out_lane[:n], number[:n], depart[:n]
    return [Transit(fate[lane == k], number[out_lane == k], depart[out_lane == k]) for k in range(len(links))]


class SimulatedBackend(LinkBackend):
    """Links in simulated time; traffic is given to `send` instead of arriving by itself.

    `now_ns` is the simulated CLOCK_REALTIME, at which `inject` happens; `send` moves it on.
    """

    def __init__(self, now_ns: int = 0, *, cells: Sequence[Cell] = ()) -> None:
        """`cells` are what specs may name."""
        self.now_ns = now_ns
        self._cells = {cell.name: _open_cell(cell) for cell in cells}
        self._links: dict[Key, SimulatedLink] = {}
        self._cell_of: dict[Key, str] = {}
        self._certificate: fidelity.Certificate | None = None

    def open(self, links: Sequence[LinkSpec]) -> None:
        """Load the schedules. Raises RunError for a cell that is not there."""
        self._names = [spec.name for spec in links]
        for i, spec in enumerate(links):
            for d in Direction:
                self._links[spec.name, d] = SimulatedLink(
                    spec.schedule(d), spec.seed, d, link=i, impairments=spec.impairments(d)
                )
                if cell := spec.up_cell if d is Direction.UP else spec.down_cell:
                    self._share((spec.name, d), cell)

    def _share(self, key: Key, cell: str) -> None:
        if cell not in self._cells:
            raise RunError(f"no cell {cell!r}; there are: {', '.join(self._cells) or 'none'}")
        self._cell_of[key] = cell
        self._links[key].share(self._cells[cell])

    def start(self, at_ns: int) -> None:
        """Play all schedules from this instant of the simulated clock."""
        for link in (*self._cells.values(), *self._links.values()):
            link.start(at_ns)

    def inject(self, name: str, direction: Direction | None, event: LinkEvent) -> None:
        """Change a link at `now_ns`; raises RunError for an unknown link."""
        directions = list(Direction) if direction is None else [direction]
        for d in directions:
            if (name, d) not in self._links:
                raise RunError(f"no link {name!r}; there are: {', '.join(self._names)}")
            self._links[name, d].change(event, self.now_ns)

    def send(
        self,
        name: str,
        direction: Direction,
        t_ns: NDArray[np.int64],
        size: NDArray[np.uint32] | int,
        dscp: NDArray[np.uint8] | int = 0,
        until_ns: int = FOREVER,
    ) -> Transit:
        """Send packets through one direction; the clock is then at `until_ns` or the last departure."""
        return self.send_all({(name, direction): Packets.of(t_ns, size, dscp)}, until_ns)[name, direction]

    def send_all(self, sent: Mapping[Key, Packets], until_ns: int = FOREVER) -> Mapping[Key, Transit]:
        """Send packets through several directions; those that share a cell meet in it in order of time.

        All directions of a cell are run, whether something is sent through them or not.
        """
        transits: dict[Key, Transit] = {}
        for keys in self._run_together(sent):
            nothing = Packets.of(np.zeros(0, np.int64), 0)
            links, packets = [self._links[key] for key in keys], [sent.get(key, nothing) for key in keys]
            transits |= zip(keys, run(links, packets, until_ns), strict=True)
        if until_ns != FOREVER:
            self.now_ns = max(self.now_ns, until_ns)
        departures = [transit.depart_ns[-1] for transit in transits.values() if len(transit.depart_ns)]
        self.now_ns = max([self.now_ns, *map(int, departures)])
        return transits

    def _run_together(self, keys: Iterable[Key]) -> Iterator[Sequence[Key]]:
        """Yield the keys alone, or with all that share their cell."""
        wanted = set(keys)
        for cell in sorted({self._cell_of[key] for key in wanted if key in self._cell_of}):
            yield [key for key, name in self._cell_of.items() if name == cell]
        yield from ([key] for key in keys if key not in self._cell_of)

    def read(self) -> Counters:
        """Return the counters of every link and direction."""
        return {key: DirectionCounters.of(link.counters) for key, link in self._links.items()}

    def bins(self) -> pa.Table:
        """Return the 10 ms records, as native.read_bins does."""
        return bins_table(np.concatenate([link.bins() for link in self._links.values()]), self._names)

    def close(self) -> fidelity.Certificate:
        """Free the links and return their certificate; closed again, the same."""
        if self._certificate is None:
            self._certificate = self._end()
        return self._certificate

    def _end(self) -> fidelity.Certificate:
        lanes = np.array([link.counters for link in self._links.values()], COUNTERS)
        for link in (*self._links.values(), *self._cells.values()):
            link.close()
        return fidelity.certify("simulated", self._names, np.zeros(1, RUN_STATS)[0], lanes)


def _open_cell(cell: Cell) -> SimulatedLink:
    link = SimulatedLink(cell.schedule)
    if cell.classes:
        link.classify(cell)
    return link
