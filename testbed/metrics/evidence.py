"""The evidence that metrics read: kept samples, and the facts of the run that give them a meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from testbed.metrics.carrier import NEW_FLOWS, Carrier, carrier
from testbed.metrics.columns import integers
from testbed.metrics.window import Window
from testbed.model.facts import Facts


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
    def carrier(self) -> Carrier:
        """Which uplink carried the heartbeat, at every moment."""
        return carrier(self.links)

    @cached_property
    def new_flows_carrier(self) -> Carrier:
        """Which uplink carried new flows, at every moment."""
        return carrier(self.links, NEW_FLOWS)

    @cached_property
    def whole(self) -> Window:
        return Window(0, self.facts.duration_ns)


_NO_PROBES = pa.table({"t_ns": pa.array([], pa.int64()), "rtt_ns": pa.array([], pa.int64())})
