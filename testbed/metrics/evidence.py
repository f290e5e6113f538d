"""The evidence that metrics read: kept samples, and the facts of the run that give them a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from testbed.metrics.measurement import Window
from testbed.model.scenario import Scenario
from testbed.model.topology import Topology
from testbed.model.traffic import UdpEcho


@dataclass(frozen=True)
class Happening:
    """An event as it happened: ``kind`` is one of testbed.model.event.Kind.

    ``uplink`` is empty for a fault of the tenant or of the Internet's resolver. Faults of links happen to
    the nanosecond; the times of the others are those at which they had been applied and undone.
    """

    kind: str
    uplink: str
    start_ns: int
    end_ns: int
    title: str = ""


@dataclass(frozen=True)
class Facts:
    """What gives samples a meaning: the run's length, its uplinks (the preferred one first), its heartbeat,
    its events, and which uplinks are paid for by volume (``tariffs``: USD a byte, where one is known)."""

    duration_ns: int
    uplinks: tuple[str, ...]
    heartbeat: str = "heartbeat"
    events: tuple[Happening, ...] = ()
    metered: tuple[str, ...] = ()
    tariffs: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario, topology: Topology) -> Facts:
        """Return the facts of a run of the scenario on the topology; the first udp-echo is the heartbeat."""
        uplinks = sorted(topology.uplinks.values(), key=lambda uplink: uplink.metric)
        echoes = [traffic.name for traffic in scenario.traffic.values() if isinstance(traffic, UdpEcho)]
        events = tuple(
            Happening(e.kind, e.uplink, e.at, e.end_ns, e.title)
            for e in sorted(scenario.events, key=lambda event: event.at)
        )
        return cls(
            duration_ns=scenario.duration,
            uplinks=tuple(u.name for u in uplinks),
            heartbeat=next(iter(echoes), ""),
            events=events,
            metered=tuple(u.name for u in uplinks if u.metered),
            tariffs={u.name: u.tariff for u in uplinks if u.tariff is not None},
        )

    @property
    def preferred(self) -> str:
        return self.uplinks[0]

    def faults(self, uplink: str) -> tuple[Happening, ...]:
        """Return the events of one uplink in the order of their start."""
        return tuple(sorted((e for e in self.events if e.uplink == uplink), key=lambda e: e.start_ns))


@dataclass(frozen=True, eq=False)
class Probes:
    """A heartbeat in order of sending: ``t_ns`` (send), ``rtt_ns`` (0 where lost), ``good`` (answered)."""

    t_ns: NDArray[np.int64]
    rtt_ns: NDArray[np.int64]
    good: NDArray[np.bool_]

    @classmethod
    def of(cls, table: pa.Table) -> Probes:
        """Read the samples of a udp-echo stream; their order in the table does not matter."""
        table = table.sort_by("t_ns")
        rtt = table.column("rtt_ns")
        return cls(integers(table, "t_ns"), integers(table, "rtt_ns"), rtt.is_valid().to_numpy())

    def within(self, window: Window) -> Probes:
        """Return the probes sent in the window."""
        inside = window.holds(self.t_ns)
        return Probes(self.t_ns[inside], self.rtt_ns[inside], self.good[inside])


@dataclass(frozen=True, eq=False)
class Evidence:
    """All that is left of a run: streams of samples by name, the links' bins, the schedules, the facts."""

    facts: Facts
    samples: Mapping[str, pa.Table] = field(default_factory=dict)
    links: pa.Table | None = None
    schedule: pa.Table | None = None

    def probes(self, of: str) -> Probes:
        """Return a heartbeat's probes; none at all where the stream left no samples."""
        return Probes.of(self.samples.get(of, _NO_PROBES))

    @cached_property
    def whole(self) -> Window:
        return Window(0, self.facts.duration_ns)


_NO_PROBES = pa.table({"t_ns": pa.array([], pa.int64()), "rtt_ns": pa.array([], pa.int64())})


def integers(table: pa.Table, name: str, missing: int = 0) -> NDArray[np.int64]:
    """Return a column as int64, with ``missing`` in place of nulls."""
    return np.asarray(pc.fill_null(table.column(name).cast(pa.int64()), missing).to_numpy(), np.int64)


def texts(table: pa.Table, name: str) -> NDArray[np.str_]:
    """Return a column as text, with ``""`` in place of nulls; dictionary-encoded columns too."""
    return np.asarray(pc.fill_null(table.column(name).cast(pa.string()), "").to_pylist(), np.str_)
